"""``polyhead ablate``: vary settings of a recipe one at a time, or search for the best ones, as a study."""

import argparse

from polyhead.cli import Parser
from polyhead.commands.study import add_limits
from polyhead.config import overrides
from polyhead.config.factors import factors
from polyhead.contracts.classes import allow

_OWN = (
    "--vary", "--seeds", "--grid", "--search", "--jobs", "--minutes", "--metric", "--name", "--runs", "--allow",
    "--help", "-h",
)  # fmt: skip
_EPILOG = """\
polyhead ablate demo --vary lr=1e-3,1e-4 --vary transforms=light,yolov4
polyhead ablate demo --search 20 --vary lr=1e-5..1e-2 --vary batch=4,8

--vary KEY=VALUE,VALUE lists values, and KEY=LOW..HIGH is a range (for a
search; logarithmic where its ends differ by a factor of 10). KEY is written
as for 'polyhead train'. Commas within [brackets] belong to a value. key=value
overrides a setting of every run.

The rows are the recipe with a tenth of its epochs (short), the recipe itself
(base), to which differences are, and a row for each variation. Call an
interrupted ablation again to resume it.
"""


def parser() -> Parser:
    """Return the argument parser; overrides are separated before."""
    command = Parser(
        prog="polyhead ablate",
        usage="polyhead ablate RECIPE --vary KEY=VALUE,VALUE ... [key=value ...]",
        description="Vary settings of a recipe one at a time, or search for the best ones, as a study.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("recipe", help="a name from 'polyhead recipes', or a YAML file")
    command.add_argument("--vary", action="append", default=[], metavar="KEY=...", help="a setting with its values")
    command.add_argument("--seeds", type=int, default=3, metavar="N", help="seeds of each row (default: 3)")
    command.add_argument("--grid", action="store_true", help="all combinations instead of one factor at a time")
    command.add_argument(
        "--search", type=int, metavar="TRIALS", help="try this many settings, and choose the best one on val"
    )
    command.add_argument("--metric", help="metric of the differences, such as ap or accuracy")
    command.add_argument("--name", help="name of the study (default: RECIPE_ablation)")
    command.add_argument("--runs", default="runs", metavar="DIR", help="parent of the study's folder (default: runs)")
    add_limits(command)
    command.add_allow()
    return command


def main(argv: list[str]) -> int:
    """Train the variations, print the table, and return the exit code."""
    words, changes = overrides.separate(overrides.joined(argv, "--vary"), _OWN)
    given = parser().parse_args(words)
    allow(given.allow)
    varied = factors(given.vary)
    from polyhead.workflows.ablate import run

    done = run(
        given.recipe,
        varied,
        changes,
        seeds=given.seeds,
        grid=given.grid,
        search=given.search,
        jobs=given.jobs,
        minutes=given.minutes,
        metric=given.metric,
        name=given.name,
        runs=given.runs,
    )
    print(done.text)
    print(f"study: {done.file}; tables and plot: {done.folder}")
    return 0
