"""``polyhead data split``: split a data set once, and store the split."""

import argparse
from typing import Any

OPTIONS = ("--out", "--val", "--test", "--group", "--seed", "--reader", "--help", "-h")
"""The options; every other ``key=value`` is a setting of the reader."""


def add(actions: Any) -> None:
    """Add the action to those of ``polyhead data``."""
    split = actions.add_parser(
        "split",
        help="split a data set into train, val and test, and store the split",
        usage="polyhead data split FOLDER --out DIR [options] [key=value ...]",
        description="Write train.txt, val.txt and test.txt with one id per line, which the setting 'split' of a "
        "recipe reads, and split.json, by which a changed list or changed data is noticed.",
    )
    split.add_argument("folder", metavar="FOLDER", help="folder of the data set")
    split.add_argument("--out", metavar="DIR", required=True, help="folder of the lists and of split.json")
    split.add_argument("--val", type=float, default=0.15, help="fraction of val (default: %(default)s)")
    split.add_argument("--test", type=float, default=0.15, help="fraction of test (default: %(default)s)")
    split.add_argument(
        "--group",
        metavar="RULE",
        help="samples of one group stay together: 'folder', a CSV file with the columns id and group, or a regular "
        r"expression for the ids such as '^(patient\d+)'",
    )
    split.add_argument("--seed", type=int, default=0, help="of val and train; test is always the same (default: 0)")
    split.add_argument("--reader", help="data format, for a folder with data in several formats")


def run(given: argparse.Namespace) -> None:
    """Split and store."""
    from polyhead.workflows.write_split import data_split

    data_split(given.folder, given.out, given.val, given.test, given.group, given.seed, given.reader, given.settings)
