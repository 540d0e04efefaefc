"""What the learning curves of a task show: at most one cause of a poor score, with the numbers that it follows from.

The curves are those of the last stage that trained the task; what is small is seen beside the first loss of all. The
order of :data:`CAUSES` matters: a later cause is only
looked for where no earlier one was found, since a learning rate that is too high, say, makes the val loss rise, too.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from polyhead.contracts.kind import Kind
from polyhead.metrics import columns

FEW_EPOCHS = 4
"""With fewer epochs than this, the curves are too short to show anything but that."""
GOOD = 0.9
"""Skill from which a score needs no cause: so much of the way from the dummy baseline to the best value."""


class Curves(NamedTuple):
    """The learning curves of a task, by epoch.

    Attributes:
        train: sum of its training losses.
        val: sum of its val losses; None for an epoch without validation.
        score: its main score on val; None as above.
        lr: the learning rate at the end of the epoch.
        first_train: training loss of the first epoch that trained the task, in whichever stage; None if it is in these.
        first_val: val loss of that epoch, likewise.
        stage: the index of the stage.
        earlier: number of epochs of earlier stages that trained the task.
        selected: index of the epoch whose weights were selected; None if those of an earlier stage stayed.
        planned: number of epochs that the stage was to have; None where it is not known.
    """

    train: list[float]
    val: list[float | None]
    score: list[float | None]
    lr: list[float]
    first_train: float | None = None
    first_val: float | None = None
    stage: int = 0
    earlier: int = 0
    selected: int | None = None
    planned: int | None = None

    def whole(self) -> tuple[float, float]:
        """Return the train and the val loss at the beginning: a later stage may begin with a loss near zero."""
        val = next((loss for loss in self.val if loss is not None), 0.0)
        return max(self.train[0], self.first_train or 0), max(abs(val), abs(self.first_val or 0))


class Outcome(NamedTuple):
    """What the test has shown of the model that the curves are of.

    Attributes:
        skill: of the score, relative to the dummy baseline; None where it is not known.
        width: of the interval of the score; 0 where it is not known.
        higher_is_better: whether a higher score is better.
    """

    skill: float | None = None
    width: float = 0.0
    higher_is_better: bool = True


def history(
    rows: Sequence[Mapping[str, str]], task: str, kind: Kind, schedules: Sequence[Mapping[str, Any]] = ()
) -> Curves:
    """Return the learning curves of a task from the rows of ``results.csv``; empty where no stage has trained it.

    Args:
        rows: the rows.
        task: name of the task.
        kind: its kind.
        schedules: the planned schedule of each stage, as the manifest has them.
    """
    score = str(columns.Column("val", task, kind.main.name))
    scores = {str(columns.Column("val", task, name)) for name in columns.score_names(kind)}
    curves = Curves([], [], [], [])
    trained = [row for row in rows if columns.filled(row, columns.task_columns(row, task, "train"))]
    first_train, first_val = _losses(trained[0], task, scores) if trained else (0.0, None)
    for row in trained:
        if row["stage"] != trained[-1]["stage"]:
            continue
        if row.get("selected") == "1":
            curves = curves._replace(selected=len(curves.train))
        train, val = _losses(row, task, scores)
        curves.train.append(train)
        curves.val.append(val)
        curves.score.append(float(row[score]) if row.get(score) else None)
        curves.lr.append(float(row.get("lr") or "nan"))
    if trained and trained[0]["stage"] != trained[-1]["stage"]:
        curves = curves._replace(first_train=first_train, first_val=first_val, stage=int(float(trained[-1]["stage"])))
        curves = curves._replace(earlier=len(trained) - len(curves.train))
    stage = int(float(trained[-1]["stage"])) if trained else 0
    planned = schedules[stage].get("epochs") if stage < len(schedules) else None
    return curves._replace(planned=planned)


def _losses(row: Mapping[str, str], task: str, scores: set[str]) -> tuple[float, float | None]:
    """Return the sums of the training losses and of the val losses of an epoch; None without validation."""
    val = columns.filled(row, [each for each in columns.task_columns(row, task, "val") if each not in scores])
    return math.fsum(columns.filled(row, columns.task_columns(row, task, "train"))), math.fsum(val) if val else None


def cause(curves: Curves, outcome: Outcome) -> str:
    """Return a sentence about the first cause that the curves show; empty where they show none."""
    if len(curves.train) < FEW_EPOCHS:
        return "" if curves.earlier else too_short(curves, outcome)
    return next((sentence for rule in CAUSES if (sentence := rule(curves, outcome))), "")


def selection(curves: Curves, regularization: Sequence[str] = ()) -> str:
    """Report the selected epoch, the gap between its losses, and what selection and early stopping spared.

    Args:
        curves: the curves.
        regularization: the settings that were to keep the gap small, such as ``weight decay 0.0005``.

    Returns:
        Sentences; empty for a short training, and where no epoch was selected or its val loss is unknown.
    """
    count, chosen = len(curves.train), curves.selected
    if count < FEW_EPOCHS or chosen is None or curves.val[chosen] is None:
        return ""
    text = (
        f"Epoch {chosen + 1} of {count} was selected, with a loss of {curves.train[chosen]:.3g} in training and "
        f"{curves.val[chosen]:.3g} on val"
    )
    last = curves.val[-1]
    if chosen + 1 < count and last is not None:
        text += f"; at the end they were {curves.train[-1]:.3g} and {last:.3g}"
    if curves.planned is not None and count < curves.planned:
        text += f". Early stopping spared {curves.planned - count} of {curves.planned} epochs"
    return f"{text}. Regularization: {', '.join(regularization)}." if regularization else f"{text}."


def too_short(curves: Curves, outcome: Outcome) -> str:
    """Report a short training, unless its score is good."""
    count = len(curves.train)
    if not count or (outcome.skill is not None and outcome.skill >= GOOD):
        return ""
    if count == 1:
        return "Only 1 epoch was trained: train longer."
    return (
        f"Only {count} epochs were trained, in which the training loss went from {curves.train[0]:.3g} to "
        f"{curves.train[-1]:.3g}: train longer."
    )


def unstable(curves: Curves, outcome: Outcome) -> str:
    """Report a training loss that rises, by a fifth and by 15 % of the first loss: less may be noise."""
    del outcome
    train = curves.train
    if min(train) < 0:  # weighted by uncertainty, losses may be negative
        return ""
    pairs = [(low, high) for high in range(1, len(train)) for low in range(high)]
    low, high = max(pairs, key=lambda pair: train[pair[1]] - train[pair[0]])
    if train[high] < 1.2 * train[low] or train[high] - train[low] <= 0.15 * curves.whole()[0]:
        return ""
    lr = max(curves.lr[: high + 1])
    key = f"stages.{curves.stage}.lr" if curves.earlier else "lr"
    return (
        f"The training loss rose from {train[low]:.3g} in epoch {low + 1} to {train[high]:.3g} in epoch {high + 1}: "
        f"the learning rate is too high (lr was {lr:.2g}). Try {key}={lr / 5:.2g}."
    )


def not_learning(curves: Curves, outcome: Outcome) -> str:
    """Report a training loss that does not fall.

    It is compared with that of the first epoch, unless the score is fair; and with that in the middle, where the score
    is that of the dummy baseline, because the loss of a first epoch can be very large.
    """
    train, skill = curves.train, outcome.skill
    fair, dummy = skill is not None and skill >= 0.5, skill is not None and skill < 0.05
    starts = [*([] if fair else [0]), *([len(train) // 2] if dummy else [])]
    first = next((start for start in starts if train[-1] >= 0.9 * train[start]), None)
    if first is None or min(train) < 0 or train[0] < 0.1 * curves.whole()[0]:  # learned in an earlier stage
        return ""
    return (
        f"The training loss went from {train[first]:.3g} in epoch {first + 1} to {train[-1]:.3g} in epoch "
        f"{len(train)}, so nothing was learned: try another learning rate, and look at the training batch in plots/."
    )


def improving(curves: Curves, outcome: Outcome) -> str:
    """Report a val score that was still improving at the end, by more than noise, while the training loss fell."""
    scores = [score for score in curves.score if score is not None]
    quarter = len(scores) // 4
    if not quarter or curves.train[-1] >= 0.95 * curves.train[-1 - len(curves.train) // 4]:
        return ""
    last, before = (math.fsum(part) / quarter for part in (scores[-quarter:], scores[-2 * quarter : -quarter]))
    sign, best = (1, max(scores)) if outcome.higher_is_better else (-1, min(scores))
    least = max(0.02, outcome.width / 4) if outcome.higher_is_better else max(0.02 * before, outcome.width / 4)
    if scores[-1] != best or sign * (last - before) < least:
        return ""
    worth = "" if outcome.higher_is_better else ", which is better when lower,"
    return (
        f"The val score{worth} was still improving at the end: {before:.3g} on average in the second last quarter of "
        f"the {len(curves.train)} epochs, {last:.3g} in the last one. Train longer."
    )


def overfitting(curves: Curves, outcome: Outcome) -> str:
    """Report a val loss that rises, by a tenth and by a twentieth of the first loss, while the training loss falls."""
    del outcome
    pairs = [(val, epoch) for epoch, val in enumerate(curves.val) if val is not None]
    if not pairs:
        return ""
    (lowest, best), (last, end) = min(pairs), pairs[-1]
    train = curves.train
    if last < 1.1 * lowest or last - lowest <= 0.05 * curves.whole()[1] or train[end] >= train[best]:
        return ""
    return (
        f"The model overfits: from epoch {best + 1} to epoch {end + 1} the val loss rose from {lowest:.3g} to "
        f"{last:.3g} while the training loss fell from {train[best]:.3g} to {train[end]:.3g}. Try stronger "
        "augmentation, more data or fewer epochs."
    )


CAUSES = (unstable, not_learning, improving, overfitting)
"""The rules, in the order in which they are tried."""
