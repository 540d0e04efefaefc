"""``polyhead data``: get data, look at it, cut a part out of it; without training on it."""

import argparse
from pathlib import Path

from polyhead.cli import Parser
from polyhead.errors import DataError, PolyheadError, few, suggest
from polyhead.paths import DATA, cache


def main(argv: list[str]) -> int:
    """Do one of the four."""
    command = Parser(prog="polyhead data", description="Get data, check it, cut a part out. No file of it is changed.")
    actions = command.add_subparsers(dest="action", required=True, metavar="list|get|check|subset")
    actions.add_parser("list", help="the data sets that 'get' knows")
    get = actions.add_parser("get", help="download and unpack one")
    get.add_argument("name", metavar="NAME", help="a name that 'polyhead data list' shows")
    get.add_argument("--out", metavar="DIR", help=f"where to (default: {cache(DATA)}, where recipes look)")
    check = actions.add_parser("check", help="open everything, and name every fault")
    check.add_argument("folder", metavar="FOLDER", help="where the data lies")
    check.add_argument("--reader", help="the format, where a folder holds several")
    subset = actions.add_parser("subset", help="cut classes out of a COCO annotation file")
    subset.add_argument("annotations", metavar="FILE", help="such as instances_train2017.json")
    subset.add_argument("--supercategory", metavar="NAME", help="take its classes, such as food")
    subset.add_argument("--classes", metavar="NAME,NAME", help="or take these")
    subset.add_argument("--out", metavar="DIR", required=True, help="folder of the new file")
    given = command.parse_args(argv)
    {"list": _list, "get": _get, "check": _check, "subset": _subset}[given.action](given)
    return 0


def _list(_: argparse.Namespace) -> None:
    from polyhead.data.catalog import CATALOG

    width = max(map(len, CATALOG))
    for name, entry in CATALOG.items():
        print(f"{name:<{width}}  {entry.what}\n{'':<{width}}  {entry.licence}\n{'':<{width}}  {entry.url}")


def _get(given: argparse.Namespace) -> None:
    from polyhead.data.catalog import CATALOG, get

    if given.name not in CATALOG:
        raise PolyheadError(f"the catalogue has no data set {given.name!r}{suggest(given.name, CATALOG)}")
    get(given.name, CATALOG[given.name], Path(given.out) if given.out else cache(DATA))


def _check(given: argparse.Namespace) -> None:
    from polyhead.data import doctor
    from polyhead.data.readers.recognize import recognise

    layout = recognise(given.folder, given.reader)
    print(f"{given.folder}: {layout.reader} format, {len(layout.classes)} classes ({few(layout.classes)})")
    for split, count in layout.counts.items():
        print(f"{split}: {count} pictures")
    if problems := doctor.check_layout(layout):
        raise DataError(given.folder, problems)
    print("every picture opens, every annotation is sound")


def _subset(given: argparse.Namespace) -> None:
    from polyhead.data.subset import subset

    classes = given.classes.split(",") if given.classes else None
    cut = subset(Path(given.annotations), Path(given.out), given.supercategory, classes)
    print(
        f"{cut.file}: {cut.images} pictures, {cut.objects} objects, {len(cut.names)} classes ({', '.join(cut.names)})\n"
        "the pictures stay where they are: tell the reader 'coco' their folder, images=FOLDER"
    )
