"""``polyhead study``: train the variations of a recipe with several seeds and compare them in one table."""

from pathlib import Path

from polyhead.cli import Parser
from polyhead.config import overrides
from polyhead.contracts.classes import allow

_OWN = ("--table", "--runs", "--metric", "--jobs", "--minutes", "--allow", "--help", "-h")


def parser() -> Parser:
    """Return the argument parser; overrides are separated before."""
    command = Parser(
        prog="polyhead study",
        usage="polyhead study STUDY [key=value ...]",
        description="Train the variations of a recipe with several seeds and compare them in one table.",
        epilog="Call an interrupted study again to resume it. key=value overrides a setting of every run.",
    )
    command.add_argument("study", help="a name from 'polyhead recipes', or a YAML file")
    command.add_argument("--table", action="store_true", help="only print the table of the finished runs")
    command.add_argument("--runs", default="runs", metavar="DIR", help="parent of the study's folder (default: runs)")
    command.add_argument("--metric", help="metric of the differences, such as ap or accuracy (default: the study's)")
    add_limits(command)
    command.add_allow()
    return command


def add_limits(command: Parser) -> None:
    """Add ``--jobs`` and ``--minutes``, for commands that train several runs."""
    command.add_argument("--jobs", type=int, default=1, metavar="N", help="train N runs at once (default: 1)")
    command.add_argument(
        "--minutes", type=float, metavar="M", help="start no run after M minutes; the same command goes on later"
    )


def main(argv: list[str]) -> int:
    """Train the missing runs, write the table to the study's folder, print it, and return the exit code."""
    words, changes = overrides.separate(argv, _OWN)
    given = parser().parse_args(words)
    allow(given.allow)
    from polyhead.workflows import study
    from polyhead.workflows.budget import Budget

    budget = Budget(given.minutes)
    loaded = study.load(given.study)
    if given.metric:
        study.check_metric("--metric", given.metric)
    plan = study.plan(loaded, changes, given.runs)
    if not given.table:
        from polyhead.workflows.study_runs import train_missing

        train_missing(plan, jobs=given.jobs, budget=budget)
    from polyhead.workflows.study_table import tables_of, write_tables

    print(write_tables(loaded, plan, tables_of(loaded, plan, given.metric), Path(given.runs) / loaded.name))
    return 0
