"""``polyhead data``: list, download and check data sets, or extract classes from one."""

import argparse
from pathlib import Path

from polyhead.cli import Parser
from polyhead.commands import data_card, data_split, label_errors
from polyhead.commands.init import EPILOG
from polyhead.config.overrides import separate
from polyhead.data.formats.settings import parse_settings
from polyhead.errors import DataError, PolyheadError, counted, one_line, suggest, summarize
from polyhead.paths import DATA, cache

OWN_OPTIONS = {
    "check": ("--reader", *label_errors.OPTIONS, "--help", "-h"),
    "card": data_card.OPTIONS,
    "split": data_split.OPTIONS,
}
"""The options of the actions that take settings of a reader as ``key=value``."""


def parser() -> Parser:
    """Return the argument parser."""
    command = Parser(
        prog="polyhead data",
        description="List, download and check data sets, or extract classes from one. Existing files are not changed.",
    )
    actions = command.add_subparsers(dest="action", required=True, metavar="list|get|check|card|split|anchors|subset")
    actions.add_parser("list", help="list the data sets and weights that can be downloaded")
    get = actions.add_parser("get", help="download a data set and unpack it, or weights")
    get.add_argument("name", metavar="NAME", help="a name from 'polyhead data list'")
    get.add_argument("--out", metavar="DIR", help=f"target folder (default: {_target()}, where recipes look)")
    check = actions.add_parser(
        "check",
        help="read all images and annotations, and report every problem",
        usage="polyhead data check FOLDER [--reader FORMAT] [--labels MODEL] [key=value ...]",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument("folder", metavar="FOLDER", help="folder of the data set")
    check.add_argument("--reader", help="data format, for a folder with data in several formats")
    label_errors.add_options(check)
    data_card.add(actions)
    data_split.add(actions)
    anchors = actions.add_parser("anchors", help="compute prior boxes for the model yolov3")
    anchors.add_argument("folder", metavar="FOLDER", help="folder of the data set")
    anchors.add_argument("--reader", help="data format, for a folder with data in several formats")
    anchors.add_argument("--count", type=int, default=9, help="number of priors (default: %(default)s; yolov3_tiny: 6)")
    anchors.add_argument("--size", type=int, default=416, help="side of the images in pixels (default: %(default)s)")
    subset = actions.add_parser("subset", help="extract classes from a COCO annotation file")
    subset.add_argument("annotations", metavar="FILE", help="annotation file, such as instances_train2017.json")
    subset.add_argument("--supercategory", metavar="NAME", help="extract all classes of a supercategory, such as food")
    subset.add_argument("--classes", metavar="NAME,NAME", help="or extract these classes")
    subset.add_argument("--out", metavar="DIR", required=True, help="folder of the new annotation file")
    return command


def _target() -> str:
    """Return the default folder of downloads, for the help."""
    try:
        return str(cache(DATA))
    except PolyheadError:
        return "none, as the home folder is unknown"


def main(argv: list[str]) -> int:
    """Run one of the actions and return the exit code."""
    own = OWN_OPTIONS.get(argv[0]) if argv else None
    words, changes = separate(argv, own) if own else (argv, [])
    given = parser().parse_args(words)
    given.settings = parse_settings(changes)
    actions = {"list": _list, "get": _get, "check": _check, "card": data_card.run, "split": data_split.run}
    {**actions, "anchors": _anchors, "subset": _subset}[given.action](given)
    return 0


def _list(_: argparse.Namespace) -> None:
    """Print the catalog."""
    from polyhead.data.catalog import CATALOG, WEIGHTS_CATALOG

    entries = CATALOG | WEIGHTS_CATALOG
    width = max(map(len, entries))
    for name, entry in entries.items():
        print(f"{name:<{width}}  {entry.what}\n{'':<{width}}  {entry.license}\n{'':<{width}}  {entry.url}")


def _get(given: argparse.Namespace) -> None:
    """Download a data set or weights of the catalog."""
    from polyhead.data.catalog import CATALOG, WEIGHTS_CATALOG, get

    if given.name in WEIGHTS_CATALOG:
        from polyhead.workflows.official import download

        download(given.name, Path(given.out) if given.out else None)
        return
    if given.name not in CATALOG:
        raise PolyheadError(
            f"the catalog has no data set {given.name!r}{suggest(given.name, [*CATALOG, *WEIGHTS_CATALOG])}"
        )
    get(given.name, CATALOG[given.name], Path(given.out) if given.out else cache(DATA))


def _check(given: argparse.Namespace) -> None:
    """Print what a folder holds, or raise an error with its problems."""
    from polyhead.workflows.examine import describe, examine, left_out_lines, warnings

    examined = examine(given.folder, given.reader, given.settings)
    asked = given.settings.get("on_bad") == "skip"
    problems = [*examined.problems, *([] if asked else examined.skipped)]
    if not problems or examined.skipped:
        for line in (*describe(given.folder, examined.layout), *(left_out_lines(examined) if asked else [])):
            print(one_line(line))
    if problems:
        hint = examined.hint or (
            "'polyhead init' writes a recipe that leaves these images out." if examined.skipped else ""
        )
        raise DataError(given.folder, problems, hint)
    if found := warnings(examined.layout):
        print(f"{counted(len(found), 'warning')}, which do not stop a training (docs/data.md)")
        for line in summarize(found):
            print(one_line(line))
    print(f"no problems found: all {'other ' if asked else ''}images can be read, all annotations are valid")
    if given.labels is not None:
        label_errors.show(given, examined.layout)


def _anchors(given: argparse.Namespace) -> None:
    """Print priors that fit the boxes of a folder."""
    from polyhead.workflows.anchors import anchors

    for line in anchors(given.folder, given.reader, given.count, given.size):
        print(line)


def _subset(given: argparse.Namespace) -> None:
    """Write the annotation file of some classes."""
    from polyhead.data.subset import subset

    classes = given.classes.split(",") if given.classes else None
    cut = subset(Path(given.annotations), Path(given.out), given.supercategory, classes)
    print(
        f"{cut.file}: {counted(cut.images, 'image')}, {counted(cut.objects, 'object')}, "
        f"{counted(len(cut.names), 'class', 'classes')} ({', '.join(cut.names)})\n"
        "the images are not copied: pass their folder to the reader 'coco' with images=FOLDER"
    )
