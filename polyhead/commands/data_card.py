"""``polyhead data card``: describe a data set for those who will use it."""

import argparse
from typing import Any

OPTIONS = ("--out", "--reader", "--help", "-h")
"""The options; every other ``key=value`` is a setting of the reader."""


def add(actions: Any) -> None:
    """Add the action to those of ``polyhead data``."""
    card = actions.add_parser(
        "card",
        help="describe a data set: counts, biases, license, open questions",
        usage="polyhead data card FOLDER|RECIPE|RUN [--reader FORMAT] [--out DIR] [key=value ...]",
        description="Write data_card.md with plots, the data set in Croissant's format (croissant.json with tables), "
        "and answers.yaml for what only a person can answer: write the answers into it, and run the command again.",
    )
    card.add_argument("source", metavar="SOURCE", help="a folder with data, a recipe, or a run folder")
    card.add_argument("--out", metavar="DIR", help="folder of the card (default: NAME_card; of a run, the run folder)")
    card.add_argument("--reader", help="data format, for a folder with data in several formats")


def run(given: argparse.Namespace) -> None:
    """Write the card."""
    from polyhead.workflows.card.write import data_card

    data_card(given.source, given.out, given.reader, given.settings)
