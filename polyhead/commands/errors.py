"""``polyhead errors``: show where a run is wrong, what its errors cost, and how robust it is."""

import argparse

from polyhead.cli import Parser
from polyhead.contracts.classes import allow

_EPILOG = """\
The stored predictions of the run are analyzed; 'polyhead evaluate' writes them.
RUN/errors then has errors.md with all tables, errors.json, and plots. A slice
is a class, or a third of the cases by size, crowding, brightness and more
(docs/evaluate.md).
"""


def parser() -> Parser:
    """Return the argument parser."""
    command = Parser(
        prog="polyhead errors",
        description="Analyze the errors of a run: what they cost, where they are, robustness.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("run", metavar="RUN", help="the run folder that 'polyhead train' printed")
    command.add_argument("--split", choices=("test", "val"), default="test", help="default: %(default)s")
    command.add_argument("--task", metavar="HEAD", help="the head (default: all heads)")
    command.add_argument(
        "--robustness", action="store_true", help="predict blurred, noisy, compressed, darker and brighter images, too"
    )
    command.add_allow()
    return command


def main(argv: list[str]) -> int:
    """Analyze the errors, print what matters most, and return the exit code."""
    given = parser().parse_args(argv)
    allow(given.allow)
    from polyhead.analysis.errors.report import lines
    from polyhead.workflows.errors import TEXT, analyze_errors

    found = analyze_errors(given.run, given.split, given.task, robust=given.robustness)
    for task, entry in found.tasks.items():
        print("\n".join(lines(task, entry, given.split)))
    print(f"tables in {found.folder / TEXT}, plots beside it")
    return 0
