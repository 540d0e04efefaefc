"""The verdict of a run: what its numbers mean, in plain words.

A sentence appears only if the numbers that it follows from are present, and it quotes them. Nothing is computed from
images here: the numbers come from ``results.json`` and ``results.csv``, and the kind of the task explains its own.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from polyhead.contracts.kind import Kind
from polyhead.kinds import kind_of
from polyhead.metrics import columns

FEW_IMAGES = 10
"""With fewer images than this, the percentiles of a bootstrap are meaningless: there is almost nothing to resample."""


def verdict(results: Mapping[str, Any]) -> str:
    """Write a few sentences about each task: its score, its main kind of error, what to try next.

    Args:
        results: ``{"tasks": {name: numbers}}``. All numbers are optional; None stands for one that is not defined:

            * ``kind``: name of the kind of task;
            * ``score``, ``metric`` (its name), ``split``, ``images`` (number of test images),
              ``interval`` (``[low, high]``) and its ``level`` (0.9);
            * ``dummy_baseline``: ``{"name": what it predicts, "score": the same metric}``, a model that looks at no
              image;
            * ``errors``: :meth:`polyhead.metrics.box_errors.Errors.summary`;
            * ``confusions``: ``[target class, predicted class, fraction of the target class]``, most frequent first;
            * ``train_objects``: training objects of each class; or ``train_images``: training images that show it;
            * ``history``: see :func:`history`.

    Returns:
        Lines of text, those of each task under its name.
    """
    lines = []
    for task, numbers in results["tasks"].items():
        known = {name: value for name, value in numbers.items() if value is not None and value != [None, None]}
        kind = kind_of(known["kind"]) if "kind" in known else None
        facts = [] if kind is None else kind.facts(known)
        sentences = [*_score(known, kind), *facts, *_learning_curves(known, kind), *_wide(known, kind)]
        lines += [f"{task}:", *(f"  {sentence}" for sentence in sentences or ["No results."])]
    return "\n".join(lines)


def history(rows: Sequence[Mapping[str, str]], task: str, kind: Kind) -> dict[str, list[float]]:
    """Return the learning curves of a task from the rows of ``results.csv``.

    Rows in which a column is empty are left out of that column's list. Losses are those of the last stage that trained
    the task: other stages may weight them differently.

    Returns:
        ``train`` and ``val``: sums of the task's losses. ``score``: its main score on val. ``epochs``: the epochs of
        the rows that have a val score, counted from 1 through all stages.
    """
    score = str(columns.Column("val", task, kind.main.name))
    scores = {str(columns.Column("val", task, name)) for name in columns.score_names(kind)}
    curves: dict[str, list[float]] = {"epochs": [], "score": [], "train": [], "val": []}
    trained = [row["stage"] for row in rows if columns.filled(row, columns.task_columns(row, task, "train"))]
    for number, row in enumerate(rows, 1):
        for split in columns.SPLITS:
            names = [each for each in columns.task_columns(row, task, split) if each not in scores]
            losses = columns.filled(row, names)
            if losses and row["stage"] in trained[-1:]:
                curves[split].append(math.fsum(losses))
        if row.get(score):
            curves["epochs"].append(float(number))
            curves["score"].append(float(row[score]))
    return curves


def _score(numbers: Mapping[str, Any], kind: Kind | None) -> list[str]:
    """Report the score, its interval, and the dummy baseline."""
    if "score" not in numbers:
        return []
    score, metric = numbers["score"], numbers.get("metric", "score")
    text = f"{metric} {score:.3f}"
    if "images" in numbers:
        text += f" on {numbers['images']} {numbers.get('split', '')}".rstrip() + " images"
    if "interval" in numbers:
        low, high = numbers["interval"]
        text += f" ({100 * numbers.get('level', 0.9):.0f} % interval {low:.3f} to {high:.3f})"
    sentences = [text + "."]
    dummy = numbers.get("dummy_baseline", {}).get("score")
    if dummy is not None:
        name = numbers["dummy_baseline"]["name"]
        sentences.append(f"The dummy baseline ({name}) has {dummy:.3f}: {_against_dummy(numbers, dummy, kind)}.")
    return sentences


def _against_dummy(numbers: Mapping[str, Any], dummy: float, kind: Kind | None) -> str:
    """Say whether the model is better than the dummy baseline."""
    higher = kind is None or kind.main.higher_is_better
    sign = 1 if higher else -1
    if sign * round(numbers["score"], 3) <= sign * round(dummy, 3):  # compared as they are printed
        return "the model is not better, so it has learned nothing useful yet"
    if "interval" not in numbers:
        return f"the model is {abs(numbers['score'] - dummy):.3f} better"
    if numbers.get("images", FEW_IMAGES) < FEW_IMAGES:
        return "the model is better, but the result is inconclusive with so few images"
    worst = numbers["interval"][0 if higher else 1]
    if sign * worst <= sign * dummy:
        return "the model is better, but the difference is not significant: the baseline is within the interval"
    return f"the model is better, and its whole interval is {'above' if higher else 'below'} the baseline"


def _learning_curves(numbers: Mapping[str, Any], kind: Kind | None) -> list[str]:
    """Report not learning, still improving, or overfitting: the first that the losses and scores show."""
    curves = numbers.get("history", {})
    higher = kind is None or kind.main.higher_is_better
    sentence = _not_learning(curves) or (_improving(curves) if higher else _falling(curves)) or _overfitting(curves)
    return [sentence] if sentence else []


def _not_learning(curves: Mapping[str, Sequence[float]]) -> str:
    train = curves.get("train", [])
    if len(train) < 2 or train[-1] < 0.9 * train[0]:  # a decrease of a tenth is the least that counts as learning
        return ""
    return (
        f"The training loss went from {train[0]:.3g} to {train[-1]:.3g} in {len(train)} epochs, so nothing was "
        "learned: try another learning rate, and look at the training batch in plots/."
    )


def _improving(curves: Mapping[str, Sequence[float]]) -> str:
    scores, epochs = curves.get("score", []), curves.get("epochs", [])
    if len(scores) < 4:  # the last quarter needs four scores
        return ""
    before = max(scores[: -(len(scores) // 4)])
    if max(scores) != scores[-1] or scores[-1] < before + 0.01:  # a smaller gain is not worth more epochs
        return ""
    return (
        f"The val score was still rising at the end, from {before:.3f} before the last quarter to {scores[-1]:.3f} "
        f"at epoch {epochs[-1]:.0f}: train longer."
    )


def _falling(curves: Mapping[str, Sequence[float]]) -> str:
    scores, epochs = curves.get("score", []), curves.get("epochs", [])
    if len(scores) < 4:  # the last quarter needs four scores
        return ""
    before = min(scores[: -(len(scores) // 4)])
    if min(scores) != scores[-1] or scores[-1] > 0.98 * before:  # a smaller gain is not worth more epochs
        return ""
    return (
        f"The val score, which is better when lower, was still falling at the end, from {before:.3g} before the last "
        f"quarter to {scores[-1]:.3g} at epoch {epochs[-1]:.0f}: train longer."
    )


def _overfitting(curves: Mapping[str, Sequence[float]]) -> str:
    train, val = curves.get("train", []), curves.get("val", [])
    if not val or len(train) != len(val):
        return ""
    best = min(range(len(val)), key=lambda epoch: val[epoch])
    if val[-1] < 1.1 * val[best] or train[-1] >= train[best]:  # a rise of less than a tenth may be noise
        return ""
    return (
        f"The model overfits: since epoch {best + 1} of {len(val)} the val loss rose from {val[best]:.3g} to "
        f"{val[-1]:.3g} while the training loss fell from {train[best]:.3g} to {train[-1]:.3g}; "
        "try stronger augmentation, more data or fewer epochs."
    )


def _wide(numbers: Mapping[str, Any], kind: Kind | None) -> list[str]:
    """Report an interval that is too wide to choose between models."""
    if "interval" not in numbers or "images" not in numbers:
        return []
    low, high = numbers["interval"]
    images = numbers["images"]
    if images < FEW_IMAGES:
        return [f"{images} images are too few for a reliable interval: the printed one is too narrow. Add more."]
    dummy = numbers.get("dummy_baseline", {}).get("score")
    lower = kind is not None and not kind.main.higher_is_better and dummy is not None
    scale = abs(kind.main.best - dummy) if kind and lower else 1.0  # from the dummy baseline to the best value
    if high - low <= 0.1 * scale:  # a good change of the model is worth about a tenth
        return []
    return [f"The interval is {high - low:.3f} wide with {images} images: test on more before choosing between models."]
