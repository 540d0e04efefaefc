"""``polyhead notebook``: write one notebook that trains a recipe and is the report on it."""

import argparse

from polyhead.cli import Parser
from polyhead.commands.report import show_questions
from polyhead.config import overrides
from polyhead.config.factors import factors
from polyhead.contracts.classes import allow

_OWN = ("--vary", "--seeds", "--out", "--run", "--seconds", "--allow", "--help", "-h")
_EPILOG = """\
polyhead notebook cifar10 imgsz=64 epochs=5 --vary lr=0.001,0.0001
jupyter lab cifar10.ipynb

The notebook has every setting of the recipe, trains, and has the five sections
of a report. Run again, it resumes an interrupted training. Write your answers
in the places of the questions; 'polyhead report --check NOTEBOOK' names what
is missing.
"""


def parser() -> Parser:
    """Return the argument parser; overrides are separated before."""
    command = Parser(
        prog="polyhead notebook",
        usage="polyhead notebook RECIPE [key=value ...]",
        description="Write one notebook that is both the script that trains a recipe and the report on it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("recipe", help="a name from 'polyhead recipes', or a YAML file")
    command.add_argument("--out", metavar="FILE", help="the notebook (default: NAME.ipynb)")
    command.add_argument("--run", action="store_true", help="run it here, too, and write its page as HTML")
    command.add_argument("--vary", action="append", default=[], metavar="KEY=...", help="add an ablation study of this")
    command.add_argument("--seeds", type=int, default=3, metavar="N", help="seeds of each row of it (default: 3)")
    command.add_argument("--seconds", type=float, default=86400.0, help="time limit of a cell (default: a day)")
    command.add_allow()
    return command


def main(argv: list[str]) -> int:
    """Write the notebook, and return the exit code."""
    words, changes = overrides.separate(overrides.joined(argv, "--vary"), _OWN)
    given = parser().parse_args(words)
    allow(given.allow)
    vary = factors(given.vary) if given.vary else []
    from polyhead.workflows.report.script import notebook

    written = notebook(
        given.recipe, changes, given.out, vary=vary, seeds=given.seeds, run=given.run, seconds=given.seconds
    )
    print(f"wrote {written.path}" + (f" and {written.html}" if written.html else ""))
    show_questions(written.questions)
    return 0
