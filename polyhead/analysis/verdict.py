"""The verdict of a run: what its numbers mean, in plain words.

A sentence appears only if the numbers that it follows from are present, and it quotes them. Nothing is computed from
images here: the numbers come from ``results.json``, ``results.csv`` and :mod:`polyhead.analysis.errors`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from polyhead.errors import few

FEW_OBJECTS = 50
"""A class with fewer training objects than this is reported as rare."""
FEW_IMAGES = 10
"""With fewer images than this, the percentiles of a bootstrap are meaningless: there is almost nothing to resample."""
MANY_SMALL = 10
"""Recall of small objects is reported only for at least this many of them."""

ADVICE = {
    "classification": "boxes are correct, classes wrong: check labels of the confused classes, add images of them",
    "localisation": "boxes are loose: train longer or at a larger size, and check how tight the data's boxes are",
    "both": "boxes and classes are both wrong: the model is undertrained; train longer or add data",
    "duplicate": "one object gets several boxes: lower the IoU of the non-maximum suppression",
    "background": "boxes where no object is: raise --conf, add images without objects, and look for unlabeled ones",
    "missed": "objects are missed: lower --conf, train longer or at a larger size, or add images like those",
}


def verdict(results: Mapping[str, Any]) -> str:
    """Write a few sentences about each task: its score, its main kind of error, what to try next.

    Args:
        results: ``{"tasks": {name: numbers}}``. All numbers are optional; None stands for one that is not defined:

            * ``score`` (0..1), ``metric`` (its name), ``split``, ``images`` (number of test images),
              ``interval`` (``[low, high]``) and its ``level`` (0.9);
            * ``dummy_baseline``: ``{"name": what it predicts, "score": the same metric}``, a model that looks at no
              image;
            * ``errors``: :meth:`polyhead.analysis.errors.Errors.summary`;
            * ``confusions``: ``[target class, predicted class, fraction of the target class]``, most frequent first;
            * ``train_objects``: training objects of each class; or ``train_images``: training images that show it;
            * ``history``: see :func:`history`.

    Returns:
        Lines of text, those of each task under its name.
    """
    lines = []
    for task, numbers in results["tasks"].items():
        known = {name: value for name, value in numbers.items() if value is not None and value != [None, None]}
        sentences = [sentence for rule in RULES for sentence in rule(known)]
        lines += [f"{task}:", *(f"  {sentence}" for sentence in sentences or ["No results."])]
    return "\n".join(lines)


def history(rows: Sequence[Mapping[str, str]], task: str, metric: str = "ap50") -> dict[str, list[float]]:
    """Return the learning curves of a task from the rows of ``results.csv``.

    Rows in which a column is empty are left out of that column's list. Losses are those of the last stage that trained
    the task: other stages may weight them differently.

    Returns:
        ``train`` and ``val``: sums of the task's losses. ``score``: its val score. ``epochs``: the epochs of the rows
        that have a val score, counted from 1 through all stages.
    """
    score = f"val/{task}/{metric}"
    curves: dict[str, list[float]] = {"epochs": [], "score": [], "train": [], "val": []}
    trained = [row["stage"] for row in rows if any(row[key] for key in row if key.startswith(f"train/{task}/"))]
    for number, row in enumerate(rows, 1):
        for split in ("train", "val"):
            losses = [row[key] for key in row if key.startswith(f"{split}/{task}/") and not _is_score(key) and row[key]]
            if losses and row["stage"] in trained[-1:]:
                curves[split].append(math.fsum(map(float, losses)))
        if row.get(score):
            curves["epochs"].append(float(number))
            curves["score"].append(float(row[score]))
    return curves


def _is_score(column: str) -> bool:
    return column.rsplit("/", 1)[1].startswith(("ap", "accuracy", "f1", "miou", "pixel_accuracy"))


def _score(numbers: Mapping[str, Any]) -> list[str]:
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
        sentences.append(f"The dummy baseline ({name}) has {dummy:.3f}: {_against_dummy(numbers, dummy)}.")
    return sentences


def _against_dummy(numbers: Mapping[str, Any], dummy: float) -> str:
    """Say whether the model is better than the dummy baseline."""
    if round(numbers["score"], 3) <= round(dummy, 3):  # compared as they are printed
        return "the model is not better, so it has learned nothing useful yet"
    if "interval" not in numbers:
        return f"the model is {numbers['score'] - dummy:.3f} better"
    if numbers.get("images", FEW_IMAGES) < FEW_IMAGES:
        return "the model is better, but the result is inconclusive with so few images"
    if numbers["interval"][0] <= dummy:
        return "the model is better, but the difference is not significant: the baseline is within the interval"
    return "the model is better, and its whole interval is above the baseline"


def _errors(numbers: Mapping[str, Any]) -> list[str]:
    """Report the main kind of error, and what helps against it."""
    if "errors" not in numbers:
        return []
    errors = numbers["errors"]
    counts: dict[str, int] = errors["counts"]
    total = sum(counts.values())
    found = f"{errors['found']} of {errors['objects']} objects found"
    if not total:
        return [f"No errors: {found}."]
    kind = max(counts, key=lambda name: counts[name])
    details = f"{counts[kind]} of {total} errors, {counts[kind] / total:.0%}; {found}"
    sentences = [f"Main kind of error: {kind} ({details}); {ADVICE[kind]}."]
    if kind == "classification" and errors.get("confusions"):
        target, predicted, count = errors["confusions"][0]
        sentences.append(f"Most frequent confusion: {target} is detected as {predicted} ({count} times).")
    return sentences


def _small(numbers: Mapping[str, Any]) -> list[str]:
    """Report small objects that are found less than half as often as large ones."""
    sizes = numbers.get("errors", {}).get("sizes", {})
    small, large = sizes.get("small"), sizes.get("large")
    if not small or not large or small["objects"] < MANY_SMALL or large["objects"] == 0:
        return []
    if small["found"] / small["objects"] >= large["found"] / large["objects"] / 2:
        return []
    few_found = f"{small['found']} of {small['objects']} below 32 × 32 pixels are found"
    many_found = f"{large['found']} of {large['objects']} above 96 × 96"
    return [f"Small objects are missed: {few_found}, and {many_found}. Try a larger input size first."]


def _confused(numbers: Mapping[str, Any]) -> list[str]:
    """Report the most frequent confusion of images or pixels."""
    if not numbers.get("confusions"):
        return []
    target, predicted, fraction = numbers["confusions"][0]
    unit = "pixels" if "pixel_accuracy" in numbers else "images"
    how_many = f"{fraction:.0%} of its {unit}"
    return [f"Most frequent confusion: {target} is predicted as {predicted} ({how_many}); see the plots in plots/."]


def _few(numbers: Mapping[str, Any]) -> list[str]:
    """Report classes with too few training objects or images."""
    unit = "objects" if "train_objects" in numbers else "images"
    counts = list(numbers.get(f"train_{unit}", {}).items())
    if "pixel_accuracy" in numbers:
        counts = counts[1:]  # without the background
    rare = [
        f"{name} ({count})" for count, name in sorted((count, name) for name, count in counts) if count < FEW_OBJECTS
    ]
    if not rare:
        return []
    return [f"Fewer than {FEW_OBJECTS} training {unit}: {few(rare, 5)}; more images of these classes help most."]


def _learning_curves(numbers: Mapping[str, Any]) -> list[str]:
    """Report not learning, still improving, or overfitting: the first that the losses and scores show."""
    curves = numbers.get("history", {})
    for rule in (_not_learning, _improving, _overfitting):
        sentence = rule(curves)
        if sentence:
            return [sentence]
    return []


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


def _wide(numbers: Mapping[str, Any]) -> list[str]:
    """Report an interval that is too wide to choose between models."""
    if "interval" not in numbers or "images" not in numbers:
        return []
    low, high = numbers["interval"]
    images = numbers["images"]
    if images < FEW_IMAGES:
        return [f"{images} images are too few for a reliable interval: the printed one is too narrow. Add more."]
    if high - low <= 0.1:  # a good change of the model is worth about a tenth
        return []
    return [f"The interval is {high - low:.3f} wide with {images} images: test on more before choosing between models."]


RULES: list[Callable[[Mapping[str, Any]], list[str]]] = [
    _score,
    _errors,
    _small,
    _confused,
    _few,
    _learning_curves,
    _wide,
]
