"""How much of its earlier tasks a run has retained: validation scores after each stage, and drops from baselines."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from polyhead.errors import PolyheadError

MAIN = ("ap50", "miou", "accuracy")
"""The main score of a task is the first of these that it has."""


class ScoreHistory(NamedTuple):
    """The val score of each task (``t``) after each stage (``s``), with the weights that the stage ended on.

    Attributes:
        tasks: in the order in which they were first scored.
        scores: NaN before a task's first stage.
        last_trained: index of the last stage that trained each task; for a task that no stage trained (its weights were
            loaded), the first stage that scored it.
    """

    tasks: list[str]
    scores: Float[np.ndarray, "s t"]
    last_trained: Int[np.ndarray, " t"]

    @property
    def learned(self) -> Float[np.ndarray, " t"]:
        """The score of each task after the last stage that trained it."""
        return np.asarray(self.scores[self.last_trained, np.arange(len(self.tasks))])

    @property
    def is_earlier(self) -> Bool[np.ndarray, " t"]:
        """Whether each task is an earlier one: the last stage trained other tasks only."""
        return np.asarray(self.last_trained < len(self.scores) - 1)

    @property
    def backward_transfer(self) -> float:
        """Backward transfer (Lopez-Paz & Ranzato 2017, eq. 3): mean score change of earlier tasks by later stages.

        Negative means forgetting; NaN where there is no earlier task.
        """
        changes = (self.scores[-1] - self.learned)[self.is_earlier]
        return float(changes.mean()) if changes.size else float("nan")

    def forward_transfer(self, baselines: Mapping[str, float]) -> float:
        """Return the mean gain of newer tasks by earlier stages: learned score minus that of a single-task model.

        Chaudhry et al. 2018 (section 3) call the negative of it *intransigence*. The forward transfer of Lopez-Paz &
        Ranzato is a different number: it scores tasks that have not been learned yet, where an untrained head gives no
        information.

        Args:
            baselines: score of a model that was trained on the task alone. The mean is over the tasks that have a
                baseline and were not in the first stage; NaN where there is none.
        """
        newer = [task for task in self.tasks if task in baselines and np.isnan(self.scores[0, self.tasks.index(task)])]
        gains = [self.learned[self.tasks.index(task)] - baselines[task] for task in newer]
        return float(np.mean(gains)) if gains else float("nan")


def combined_score(scores: Sequence[float], least: float = 1e-3) -> float:
    """Return the geometric mean of the tasks' scores: losing a given fraction of any of them weighs the same.

    The best geometric mean is also the best one relative to any baselines of the tasks, so baselines need not be known.

    Args:
        scores: one for each task, in 0..1.
        least: a lower score counts as this one, so that a score of 0 does not hide the other tasks.
    """
    return math.exp(sum(math.log(max(score, least)) for score in scores) / len(scores))


def score_history(rows: Sequence[Mapping[str, str]]) -> ScoreHistory:
    """Build the history from the rows of ``results.csv``: of each stage, the epoch whose weights were selected.

    Raises:
        PolyheadError: when no row has a validation score.
    """
    columns = list(dict.fromkeys(column for row in rows for column in row))
    main = _main_columns(columns)
    selected: dict[int, dict[str, float]] = {}  # stage -> scores of its selected epoch, by task
    for row in rows:
        scores = {task: float(row[column]) for task, column in main.items() if row.get(column)}
        stage = int(row["stage"])
        if scores and (stage not in selected or _replaces(row, scores, selected[stage])):
            selected[stage] = scores
    if not selected:
        raise PolyheadError("results.csv has no validation score. Train the run for at least one whole epoch.")
    stages = [selected[stage] for stage in sorted(selected)]
    tasks = list(dict.fromkeys(task for scores in stages for task in scores))
    table = np.array([[scores.get(task, np.nan) for task in tasks] for scores in stages])  # [s, t]
    last_trained = (~np.isnan(table)).argmax(axis=0)  # [t] the first stage with a score, where no stage trains the task
    for index, stage in enumerate(sorted(selected)):
        trained = _trained_tasks(rows, stage)
        last_trained[[task in trained for task in tasks]] = index
    return ScoreHistory(tasks, table, last_trained)


def _main_columns(columns: Sequence[str]) -> dict[str, str]:
    """Return the column of each task's main score on val."""
    tasks = dict.fromkeys(column.split("/")[1] for column in columns if column.startswith("val/"))
    candidates = {task: [f"val/{task}/{score}" for score in MAIN] for task in tasks}
    return {
        task: next(column for column in options if column in columns)
        for task, options in candidates.items()
        if any(column in columns for column in options)
    }


def _trained_tasks(rows: Sequence[Mapping[str, str]], stage: int) -> set[str]:
    """Return the tasks that have a training loss (``train/TASK/...``) in a stage."""
    own = [row for row in rows if int(row["stage"]) == stage]
    return {column.split("/")[1] for row in own for column in row if column.startswith("train/") and row[column]}


def _replaces(row: Mapping[str, str], scores: Mapping[str, float], before: Mapping[str, float]) -> bool:
    """Return whether an epoch's weights replaced those of an earlier epoch of its stage.

    Rows without the column ``selected`` are of runs that selected the best weights.
    """
    if row.get("selected"):
        return row["selected"] == "1"
    return combined_score([*scores.values()]) > combined_score([*before.values()])


def drop(score: float, baseline: float) -> float:
    """Return the fraction of a baseline's score that was lost; negative where the score is higher.

    Raises:
        PolyheadError: when the baseline is not above zero, so that no fraction of it is defined.
    """
    if baseline <= 0:
        raise PolyheadError(
            f"the drop from a baseline of {baseline:g} is not defined (expected a score above 0 and at most 1)"
        )
    return (baseline - score) / baseline
