"""``polyhead study``: train the variations of a recipe with several seeds and compare them in one table."""

from pathlib import Path

from polyhead.cli import Parser
from polyhead.config import overrides
from polyhead.contracts.classes import allow
from polyhead.run import write_json, write_text

_OWN = ("--table", "--runs", "--metric", "--allow", "--help", "-h")


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
    command.add_allow()
    return command


def main(argv: list[str]) -> int:
    """Train the missing runs, write the table to the study's folder, print it, and return the exit code."""
    words, changes = overrides.separate(argv, _OWN)
    given = parser().parse_args(words)
    allow(given.allow)
    from polyhead.workflows import study

    loaded = study.load(given.study)
    if given.metric:
        study.check_metric("--metric", given.metric)
    plan = study.plan(loaded, changes, given.runs)
    if not given.table:
        study.train_missing(plan)
    from polyhead.analysis import table

    folders = study.run_folders(plan)
    metric = given.metric or loaded.metric
    if loaded.tables == "tasks":
        tables = table.by_task(folders, metric)
        text = "\n\n".join(f"task {task}\n{table.text(rows)}" for task, rows in tables.items())
    else:
        tables = {"": table.compare(folders, metric or table.study_metric(folders))}
        text = table.text(tables[""])
    folder = Path(given.runs) / loaded.name
    write_text(folder / "table.txt", text + "\n")
    rows = [{**row._asdict(), "task": task, "runs": folders[row.name]} for task, rows in tables.items() for row in rows]
    write_json(folder / "table.json", {"study": loaded.name, "rows": rows})
    print(text)
    return 0
