"""The columns of ``results.csv``: ``SPLIT/TASK/NAME`` for losses and scores, and a few others.

A task's losses on val and its scores have the same form; the kind of the task tells which names are scores.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from polyhead.contracts.kind import Kind

SKILL = "skill"
"""Name of the column of a task whose main score is better when lower: its skill (:meth:`Score.skill`) on val."""
SPLITS = ("train", "val")


class Column(NamedTuple):
    """A column of a task.

    Attributes:
        split: ``train`` or ``val``.
        task: task name.
        name: name of the loss, which may have slashes, or of the score.
    """

    split: str
    task: str
    name: str

    def __str__(self) -> str:
        return "/".join(self)


def parse(column: str) -> Column | None:
    """Return the parts of a column of a task; None for a column of the run.

    >>> parse("val/food/box")
    Column(split='val', task='food', name='box')
    >>> parse("lr") is None
    True
    """
    parts = column.split("/", 2)
    return Column(*parts) if len(parts) == 3 and parts[0] in SPLITS else None


def task_columns(columns: Iterable[str], task: str, split: str) -> list[str]:
    """Return the columns of a task in a split."""
    return [column for column in columns if (found := parse(column)) and (found.task, found.split) == (task, split)]


def score_names(kind: Kind) -> list[str]:
    """Return the names of the columns that are scores of a task, the main one first."""
    return [*(each.name for each in kind.scores), *([] if kind.main.higher_is_better else [SKILL])]


def ranking_name(kind: Kind) -> str:
    """Return the name of the score that ranks epochs and stages: the main one, or its skill where lower is better."""
    return kind.main.name if kind.main.higher_is_better else SKILL


def trained_tasks(rows: Iterable[Mapping[str, str]]) -> set[str]:
    """Return the tasks that have a training loss in one of the rows."""
    found = {parse(column) for row in rows for column, value in row.items() if value}
    return {column.task for column in found if column and column.split == "train"}


def filled(row: Mapping[str, str], columns: Collection[str]) -> list[float]:
    """Return the values of those of the columns that are not empty in a row."""
    return [float(row[column]) for column in columns if row.get(column)]
