"""``polyhead study``: a base recipe, its variations and seeds become runs, and one table."""

from pathlib import Path

from polyhead.cli import Parser
from polyhead.config import overrides, recipe
from polyhead.run import write_json, write_text

DEFAULT = "ap50"
"""What differences of boxes are of where nothing else is wanted; other kinds of task have their own first measure."""
_OWN = ("--table", "--runs", "--metric", "--allow", "--help", "-h")


def parser() -> Parser:
    """What the command takes beside overrides."""
    command = Parser(
        prog="polyhead study",
        usage="polyhead study STUDY [key=value ...]",
        description="Train every variation of a study with every seed, and compare them in one table.",
        epilog="A study that was stopped goes on where it stopped when it is called again. key=value changes a "
        "setting of every run.",
    )
    command.add_argument("study", help="a name that 'polyhead recipes' lists, or a YAML file")
    command.add_argument("--table", action="store_true", help="train nothing, only print the table of finished runs")
    command.add_argument("--runs", default="runs", metavar="DIR", help="where the study's folder is made (runs)")
    command.add_argument("--metric", help="what differences are of, as ap or accuracy (default: the study's)")
    command.add_allow()
    return command


def main(argv: list[str]) -> int:
    """Train what is missing, and print the table; it is left in the study's folder as well."""
    words, changes = overrides.separate(argv, _OWN)
    given = parser().parse_args(words)
    recipe.allow(given.allow)
    from polyhead.workflows import study

    wanted = study.load(given.study)
    if given.metric:
        study.check_metric("--metric", given.metric)
    plan = study.plan(wanted, changes, given.runs)
    if not given.table:
        study.carry_out(plan)
    from polyhead.analysis import table

    folders = study.rows(plan)
    metric = given.metric or wanted.metric
    if wanted.tables == "tasks":
        found = table.by_task(folders, metric or DEFAULT)
        text = "\n\n".join(f"task {task}\n{table.text(rows)}" for task, rows in found.items())
    else:
        found = {"": table.compare(folders, metric or table.fitting(folders, DEFAULT))}
        text = table.text(found[""])
    folder = Path(given.runs) / wanted.name
    write_text(folder / "table.txt", text + "\n")
    rows = [{**row._asdict(), "task": task, "runs": folders[row.name]} for task, rows in found.items() for row in rows]
    write_json(folder / "table.json", {"study": wanted.name, "rows": rows})
    print(text)
    return 0
