"""How much of older tasks is left: from the validation scores after each stage, and against baselines."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from polyhead.errors import PolyheadError

MAIN = ("ap50", "miou", "accuracy")
"""The score that a task is judged by: the first of these that it has."""


class Course(NamedTuple):
    """The score of each task after each stage, on val, with the weights that the stage ended on.

    Attributes:
        tasks: in the order in which they were first scored.
        scores: NaN before a task's first stage.
        taught: the last stage that taught each task; of one that came with its weights, the first that scored it.
    """

    tasks: list[str]
    scores: Float[np.ndarray, "s t"]
    taught: Int[np.ndarray, " t"]

    @property
    def learnt(self) -> Float[np.ndarray, " t"]:
        """The score of each task after the last stage that taught it."""
        return np.asarray(self.scores[self.taught, np.arange(len(self.tasks))])

    @property
    def older(self) -> Bool[np.ndarray, " t"]:
        """Whether the last stage taught only others."""
        return np.asarray(self.taught < len(self.scores) - 1)

    @property
    def backward(self) -> float:
        """Backward transfer (Lopez-Paz & Ranzato 2017, eq. 3): what later stages brought older tasks, in the mean.

        Below zero where they were forgotten; NaN where there is no older task.
        """
        changes = (self.scores[-1] - self.learnt)[self.older]
        return float(changes.mean()) if changes.size else float("nan")

    def forward(self, baselines: Mapping[str, float]) -> float:
        """What earlier stages brought newer tasks: their score once learnt less that of a model which learnt only them.

        Chaudhry et al. 2018 (section 3) call its negative *intransigence*; the forward transfer of Lopez-Paz & Ranzato
        is another figure, of tasks that have not been learnt yet, where a head that has not learnt tells nothing.
        A mean over the tasks that have a baseline and were not in the first stage; NaN where there is none.
        """
        newer = [task for task in self.tasks if task in baselines and np.isnan(self.scores[0, self.tasks.index(task)])]
        gains = [self.learnt[self.tasks.index(task)] - baselines[task] for task in newer]
        return float(np.mean(gains)) if gains else float("nan")


def together(scores: Sequence[float], least: float = 1e-3) -> float:
    """Geometric mean of the tasks' scores: a part lost of any of them weighs the same, whatever its score.

    What comes out best is best relative to any baseline of the tasks, so none has to be known. A score of 0 counts as
    ``least``, so that the others still tell.
    """
    return math.exp(sum(math.log(max(score, least)) for score in scores) / len(scores))


def course(rows: Sequence[Mapping[str, str]]) -> Course:
    """From the rows of ``results.csv``: of each stage the epoch whose weights were kept.

    Raises:
        PolyheadError: when no row has a validation score.
    """
    columns = list(dict.fromkeys(column for row in rows for column in row))
    names = dict.fromkeys(column.split("/")[1] for column in columns if column.startswith("val/"))
    main = {
        task: next(f"val/{task}/{score}" for score in MAIN if f"val/{task}/{score}" in columns)
        for task in names
        if any(f"val/{task}/{score}" in columns for score in MAIN)
    }
    kept: dict[int, dict[str, float]] = {}
    for row in rows:
        scores = {task: float(row[column]) for task, column in main.items() if row.get(column)}
        stage = int(row["stage"])
        if scores and (stage not in kept or _replaces(row, scores, kept[stage])):
            kept[stage] = scores
    if not kept:
        raise PolyheadError("results.csv has no validation score; train the run to the end of an epoch first")
    stages = [kept[stage] for stage in sorted(kept)]
    tasks = list(dict.fromkeys(task for scores in stages for task in scores))
    table = np.array([[scores.get(task, np.nan) for task in tasks] for scores in stages])
    taught = (~np.isnan(table)).argmax(axis=0)
    for place, stage in enumerate(sorted(kept)):
        own = [row for row in rows if int(row["stage"]) == stage]
        learning = {
            column.split("/")[1] for row in own for column in row if column.startswith("train/") and row[column]
        }
        taught[[task in learning for task in tasks]] = place
    return Course(tasks, table, taught)


def _replaces(row: Mapping[str, str], scores: Mapping[str, float], before: Mapping[str, float]) -> bool:
    """Whether an epoch's weights took an earlier one's place; older runs do not say so, and kept the best."""
    if row.get("kept"):
        return row["kept"] == "1"
    return together([*scores.values()]) > together([*before.values()])


def drop(score: float, baseline: float) -> float:
    """The part of a baseline's score that is missing; below zero where there is more.

    Raises:
        PolyheadError: when the baseline is not above zero, so that there is no part of it.
    """
    if baseline <= 0:
        raise PolyheadError(f"a baseline of {baseline:g} has nothing to lose; expected a score above 0 (and at most 1)")
    return (baseline - score) / baseline
