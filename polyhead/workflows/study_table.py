"""The table of a study in its folder: as text, Markdown, CSV and JSON, with a plot of the effects."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from polyhead.analysis import table
from polyhead.analysis.table import Row
from polyhead.analysis.table_files import frame, markdown
from polyhead.config.factors import varied_key
from polyhead.kinds import kind_of
from polyhead.metrics.intervals import LEVEL
from polyhead.plotting.effects import Effect, effects
from polyhead.run import atomic_write, write_json, write_text
from polyhead.workflows.study import Plan, Study, folders_of, run_folders

Tables = Mapping[str, Sequence[Row]]
"""The rows of each table by its task; one table over all tasks has the name ''."""


def tables_of(study: Study, plan: Plan, metric: str | None = None) -> Tables:
    """Compare the finished runs of a study.

    Args:
        study: the study.
        plan: its runs.
        metric: metric of the differences; None takes that of the study.

    Raises:
        PolyheadError: when runs are missing, or cannot be compared.
    """
    folders, metric = run_folders(plan), metric or study.metric
    if study.tables == "tasks":
        return table.by_task(folders, metric, reference=study.reference)
    return {"": table.compare(folders, metric or table.study_metric(folders), reference=study.reference)}


def write_tables(study: Study, plan: Plan, tables: Tables, folder: Path) -> str:
    """Write the tables of a study to its folder, and return them as text."""
    below = [] if study.note is None else [study.note]
    text = "\n\n".join(
        "\n".join([*([f"task {task}"] if task else []), table.text(rows)]) for task, rows in tables.items()
    )
    text = "\n".join([text, *below])
    write_text(folder / "table.txt", text + "\n")
    folders = folders_of(plan)
    rows = [{**row._asdict(), "task": task, "runs": folders[row.name]} for task, rows in tables.items() for row in rows]
    write_json(folder / "table.json", {"study": study.name, "rows": rows, "note": study.note})
    for task, rows_of_task in tables.items():
        end = f".{task}" if task else ""
        write_text(folder / f"table{end}.md", markdown(rows_of_task, below))
        with atomic_write(folder / f"table{end}.csv") as partial:
            frame(rows_of_task).to_csv(partial, index=False)
        _draw(study, task, rows_of_task, folder / f"effects{end}.png")
    return text


def _draw(study: Study, task: str, rows: Sequence[Row], path: Path) -> None:
    """Draw the differences of a table to its reference; nothing where there is a single row."""
    shown = [Effect(row.name, varied_key(row.name), *row.difference) for row in rows if row.difference]
    if shown:
        metric = next(each.title for each in kind_of(rows[0].kind).measures if each.name == rows[0].metric)
        title = f"{study.name}, {task}" if task else study.name
        seeds = ", ".join(dict.fromkeys(str(row.seeds) for row in rows))
        axis = f"{metric} minus that of {table.reference_of(rows)}, {LEVEL:.0%} interval"
        axis += f" ({rows[0].images} test images, {seeds} seed{'s' if seeds != '1' else ''})"
        effects(shown, title, axis, path)
