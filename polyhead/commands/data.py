"""``polyhead data``: look at data without training on it."""

from polyhead.cli import Parser
from polyhead.errors import DataError


def main(argv: list[str]) -> int:
    """Check a folder: every annotation, every picture, all faults in one report."""
    command = Parser(prog="polyhead data", description="Check the data in a folder. Nothing in it is changed.")
    command.add_argument("action", choices=("check",), help="check: open everything, and name every fault")
    command.add_argument("folder", metavar="FOLDER", help="where the data lies")
    command.add_argument("--reader", help="the format, where a folder holds several")
    given = command.parse_args(argv)
    from polyhead.data import doctor

    layout = doctor.recognise(given.folder, given.reader)
    print(f"{given.folder}: {layout.reader} format, {len(layout.classes)} classes")
    problems = []
    for split, arguments in layout.init_args.items():
        reader = doctor.READERS[layout.reader](**arguments)
        problems += doctor.check(reader)
        print(f"{split}: {len(reader)} pictures")
    if problems:
        raise DataError(given.folder, dict.fromkeys(problems))
    print("every picture opens, every annotation is sound")
    return 0
