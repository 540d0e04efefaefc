"""``polyhead report``: write a notebook and a page about a run, or check them before they are handed in."""

import argparse
from collections.abc import Sequence

from polyhead.cli import WRONG, Parser
from polyhead.commands.links import add_links, links_of
from polyhead.contracts.classes import allow
from polyhead.errors import PolyheadError, counted

_EPILOG = """\
RUN/report.ipynb has five sections with the numbers of the run, and questions
that only you can answer: write each answer in the place of its question, in
Jupyter or any editor, and run the command again. Answers, and cells of your
own, stay. RUN/report.html is the same as one file. --check names what is still
open, and claims that the files of the run do not support (docs/report.md).
"""


def parser() -> Parser:
    """Return the argument parser."""
    command = Parser(
        prog="polyhead report",
        description="Write a report on a run: an executed notebook, and one HTML file.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "run", metavar="RUN", help="the run folder that 'polyhead train' printed (for --check also a notebook)"
    )
    command.add_argument(
        "others", metavar="OTHER", nargs="*", help="further runs to compare with, tested on the same data"
    )
    command.add_argument("--check", action="store_true", help="write nothing, but say what must be corrected")
    command.add_argument(
        "--study", action="append", default=[], metavar="DIR", help="show the table of this study, too"
    )
    command.add_argument("--seconds", type=float, default=600.0, help="time limit of a cell (default: %(default)s)")
    add_links(command)
    command.add_allow()
    return command


def main(argv: list[str]) -> int:
    """Write or check the report, and return the exit code."""
    given = parser().parse_args(argv)
    allow(given.allow)
    if given.check:
        return _check(given)
    if given.run.endswith(".ipynb"):
        raise PolyheadError(f"expected a run folder, got the notebook {given.run!r}. Give the folder, or add --check.")
    if given.seconds <= 0:
        raise PolyheadError(f"--seconds: expected more than 0, got {given.seconds:g}")
    from polyhead.workflows.report.write import write_report

    written = write_report(
        given.run, *given.others, studies=given.study, links=links_of(given.link), seconds=given.seconds
    )
    print(f"wrote {written.notebook} and {written.html}")
    show_questions(written.questions)
    return 0


def show_questions(questions: Sequence[str]) -> None:
    """Print the questions that are not answered."""
    if questions:
        print(f"{counted(len(questions), 'question')} left, which only you can answer:")
    for question in questions:
        print(f"  - {question}")


def _check(given: argparse.Namespace) -> int:
    """Print what must be corrected, and return the exit code."""
    if given.others or given.study or given.link:
        raise PolyheadError("--check checks one report as it is. Give one run and no other option.")
    from polyhead.workflows.report.check import check_report, unchecked

    found = check_report(given.run)
    for number, each in enumerate(found, 1):
        print(f"{number}. {each}")
    if found:
        print(f"{counted(len(found), 'point')} to correct")
    else:
        print("the report is complete, and the numbers that it shows are those of the run")
    answers, cells = unchecked(given.run)
    print(f"not checked, for a person to read: {counted(answers, 'answer')}, {counted(cells, 'cell')} of yours")
    return WRONG if found else 0
