"""How much of its earlier tasks a run has retained: validation scores after each stage, and drops from baselines."""

import math
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from polyhead.contracts.kind import Kind
from polyhead.contracts.score import Score
from polyhead.errors import PolyheadError
from polyhead.metrics import columns

SMALLEST_LOG = -700.0
"""The exponential of a smaller number is 0 as a float."""


class ScoreHistory(NamedTuple):
    """The val score of each task (``t``) after each stage (``s``), with the weights that the stage ended on.

    Attributes:
        tasks: in the order in which they were first scored.
        scores: NaN before a task's first stage; the skill of a task whose main score is better when lower.
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


def rank_by(kind: Kind, scores: Mapping[str, float]) -> tuple[Score, float]:
    """Return the main score of a kind with the value that epochs are ranked by: its skill where lower is better."""
    return kind.main, scores[columns.ranking_name(kind)]


def ranked_title(kind: Kind) -> str:
    """Return the title of what epochs are ranked by: of the main score, or that it is a skill (:func:`rank_by`)."""
    return kind.main.title if kind.main.higher_is_better else "skill"


def combined_score(scores: Mapping[str, tuple[Score, float]], least: float = 1e-3) -> float:
    """Return the geometric mean of the tasks' scores: losing a given fraction of any of them weighs the same.

    The best geometric mean is also the best one relative to any baselines of the tasks, so baselines need not be known.

    Args:
        scores: for each task its main score, and the value that ranks it (:func:`rank_by`).
        least: a lower value counts as this one, so that a score of 0 does not hide the other tasks. A skill has no
            lower limit: below ``least``, its logarithm is continued as a straight line with the same slope, so that
            models below the dummy baseline are ranked, too.

    Returns:
        The mean, above 0; where it would be too small for a float, its logarithm, which is negative.
    """
    logs = [_log(score, value, least) for score, value in scores.values()]
    mean = sum(logs) / len(logs)
    return math.exp(mean) if mean > SMALLEST_LOG else mean


def _log(score: Score, value: float, least: float) -> float:
    """Return the logarithm of a score or skill; a skill is continued below ``least``, and NaN is the worst value."""
    if math.isnan(value):
        return -sys.float_info.max / 1e9
    if score.higher_is_better:
        return math.log(max(value, least))
    return math.log(value) if value > least else math.log(least) + value / least - 1


def score_history(rows: Sequence[Mapping[str, str]], kinds: Mapping[str, Kind]) -> ScoreHistory:
    """Build the history from the rows of ``results.csv``: of each stage, the epoch whose weights were selected.

    Args:
        rows: the rows.
        kinds: the kind of each task. Where lower scores are better, the history has the skill.

    Raises:
        PolyheadError: when no row has a validation score.
    """
    main = {task: str(columns.Column("val", task, columns.ranking_name(kind))) for task, kind in kinds.items()}
    selected: dict[int, dict[str, float]] = {}  # stage -> scores of its selected epoch, by task
    for row in rows:
        scores = {task: float(row[column]) for task, column in main.items() if row.get(column)}
        stage = int(row["stage"])
        if scores and stage not in selected and row.get("selected") == "0" and stage - 1 in selected:
            selected[stage] = selected[stage - 1]  # until an epoch is better
        elif scores and (stage not in selected or _replaces(row, scores, selected[stage], kinds)):
            selected[stage] = scores
    if not selected:
        raise PolyheadError("results.csv has no validation score. Train the run for at least one whole epoch.")
    stages = [selected[stage] for stage in sorted(selected)]
    tasks = list(dict.fromkeys(task for scores in stages for task in scores))
    table = np.array([[scores.get(task, np.nan) for task in tasks] for scores in stages])  # [s, t]
    last_trained = (~np.isnan(table)).argmax(axis=0)  # [t] the first stage with a score, where no stage trains the task
    for index, stage in enumerate(sorted(selected)):
        trained = columns.trained_tasks(row for row in rows if int(row["stage"]) == stage)
        last_trained[[task in trained for task in tasks]] = index
    return ScoreHistory(tasks, table, last_trained)


def _replaces(
    row: Mapping[str, str], scores: Mapping[str, float], before: Mapping[str, float], kinds: Mapping[str, Kind]
) -> bool:
    """Return whether an epoch's weights replaced those of an earlier epoch of its stage.

    Rows without the column ``selected`` are of runs that selected the best weights.
    """
    if row.get("selected"):
        return row["selected"] == "1"
    now, then = ({task: (kinds[task].main, value) for task, value in each.items()} for each in (scores, before))
    return combined_score(now) > combined_score(then)


def drop(score: float, baseline: float) -> float | None:
    """Return the fraction of a baseline's score that was lost; negative where the score is higher.

    It is None where the baseline is not above zero, so that no fraction of it is defined.
    """
    return None if not baseline > 0 else (baseline - score) / baseline
