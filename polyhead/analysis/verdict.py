"""What a run's numbers mean, in plain words.

A sentence is said only when the numbers that it follows from are given, and it names them. Nothing here measures: the
numbers come from ``results.json``, ``results.csv`` and :mod:`polyhead.analysis.errors`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from polyhead.errors import few

FEW_OBJECTS = 50
"""Fewer training objects of a class than this are called few."""
FEW_PICTURES = 10
"""Of fewer pictures the percentiles of a bootstrap say nothing: they have next to nothing to draw."""
MANY_SMALL = 10
"""From so many small objects on their recall means something."""

ADVICE = {
    "classification": "boxes are right, classes wrong: check labels of the confused classes, add pictures of them",
    "localisation": "boxes are loose: train longer or at a larger size, and check how tight the data's boxes are",
    "both": "boxes are off and wrongly named: the model has seen too little yet; train longer or add data",
    "duplicate": "one object gets several boxes: lower the IoU of the non-maximum suppression",
    "background": "boxes on nothing: raise --conf, add pictures without objects, and look for unlabelled ones",
    "missed": "objects are overlooked: lower --conf, train longer or at a larger size, or add pictures like those",
}


def verdict(results: Mapping[str, Any]) -> str:
    """A few sentences about each task: its score, its main kind of error, what to try next.

    Args:
        results: ``{"tasks": {name: numbers}}``. All numbers are optional, and None stands for what cannot be told:

            * ``score`` (0..1), ``metric`` (its name), ``split``, ``images`` (how many it was measured on),
              ``interval`` (``[low, high]``) and ``level`` of it (0.9);
            * ``rival``: ``{"name": what it does, "score": the same metric}``, a model that looks at no picture;
            * ``errors``: :meth:`polyhead.analysis.errors.Errors.summary`;
            * ``confusions``: ``[true class, what it was called, share of the true class]``, the commonest first;
            * ``objects``: training objects of each class; or ``pictures``: training pictures that show it;
            * ``history``: see :func:`history`.

    Returns:
        Lines of text, each task's under its name.
    """
    lines = []
    for task, numbers in results["tasks"].items():
        known = {name: value for name, value in numbers.items() if value is not None and value != [None, None]}
        said = [sentence for rule in RULES for sentence in rule(known)]
        lines += [f"{task}:", *(f"  {sentence}" for sentence in said or ["Nothing was measured."])]
    return "\n".join(lines)


def history(rows: Sequence[Mapping[str, str]], task: str, metric: str = "ap50") -> dict[str, list[float]]:
    """The course of a task from the rows of ``results.csv``: sums of its train and val losses, and its val score.

    Rows in which a column is empty are left out of that column's list. ``epochs`` holds the epochs of the rows that
    have a val score, counted from 1 through all stages. Losses are those of the last stage that taught the task:
    another one may have weighed them otherwise.
    """
    score = f"val/{task}/{metric}"
    course: dict[str, list[float]] = {"epochs": [], "score": [], "train": [], "val": []}
    taught = [row["stage"] for row in rows if any(row[key] for key in row if key.startswith(f"train/{task}/"))]
    for number, row in enumerate(rows, 1):
        for part in ("train", "val"):
            losses = [row[key] for key in row if key.startswith(f"{part}/{task}/") and not _is_score(key) and row[key]]
            if losses and row["stage"] in taught[-1:]:
                course[part].append(math.fsum(map(float, losses)))
        if row.get(score):
            course["epochs"].append(float(number))
            course["score"].append(float(row[score]))
    return course


def _is_score(column: str) -> bool:
    return column.rsplit("/", 1)[1].startswith(("ap", "accuracy", "f1", "miou", "pixel_accuracy"))


def _score(numbers: Mapping[str, Any]) -> list[str]:
    """The score, its interval, and the trivial rival."""
    if "score" not in numbers:
        return []
    score, metric = numbers["score"], numbers.get("metric", "score")
    text = f"{metric} {score:.3f}"
    if "images" in numbers:
        text += f" on {numbers['images']} {numbers.get('split', '')}".rstrip() + " pictures"
    if "interval" in numbers:
        low, high = numbers["interval"]
        text += f" ({100 * numbers.get('level', 0.9):.0f} % interval {low:.3f} to {high:.3f})"
    said = [text + "."]
    rival = numbers.get("rival", {}).get("score")
    if rival is not None:
        said.append(f"The trivial rival ({numbers['rival']['name']}) has {rival:.3f}: {_against(numbers, rival)}.")
    return said


def _against(numbers: Mapping[str, Any], rival: float) -> str:
    if round(numbers["score"], 3) <= round(rival, 3):  # as both are shown
        return "the model is not better than that, so it has learnt nothing of use yet"
    if "interval" not in numbers:
        return f"the model is {numbers['score'] - rival:.3f} better"
    if numbers.get("images", FEW_PICTURES) < FEW_PICTURES:
        return "the model is better, on so few pictures that it may be luck"
    if numbers["interval"][0] <= rival:
        return "the model is better, but the interval reaches down to the rival, so it may be luck"
    return "the model is better, and the whole interval lies above it"


def _errors(numbers: Mapping[str, Any]) -> list[str]:
    """The main kind of error, and what helps against it."""
    if "errors" not in numbers:
        return []
    errors = numbers["errors"]
    counts: dict[str, int] = errors["counts"]
    total = sum(counts.values())
    found = f"{errors['found']} of {errors['objects']} objects found"
    if not total:
        return [f"No mistakes: {found}."]
    kind = max(counts, key=lambda name: counts[name])
    share = f"{counts[kind]} of {total} mistakes, {counts[kind] / total:.0%}; {found}"
    said = [f"Main kind of error: {kind} ({share}); {ADVICE[kind]}."]
    if kind == "classification" and errors.get("confusions"):
        truth, guess, count = errors["confusions"][0]
        said.append(f"Most often {truth} is taken for {guess} ({count} times).")
    return said


def _small(numbers: Mapping[str, Any]) -> list[str]:
    """Small objects are found less than half as often as large ones."""
    sizes = numbers.get("errors", {}).get("sizes", {})
    small, large = sizes.get("small"), sizes.get("large")
    if not small or not large or small["objects"] < MANY_SMALL or large["objects"] == 0:
        return []
    if small["found"] / small["objects"] >= large["found"] / large["objects"] / 2:
        return []
    few = f"{small['found']} of {small['objects']} below 32 × 32 pixels are found"
    many = f"{large['found']} of {large['objects']} above 96 × 96"
    return [f"Small objects are missed: {few}, and {many}; a larger input size is the first thing to try."]


def _confused(numbers: Mapping[str, Any]) -> list[str]:
    """The commonest confusion of pictures or pixels."""
    if not numbers.get("confusions"):
        return []
    truth, said, share = numbers["confusions"][0]
    unit = "pixels" if "pixel_accuracy" in numbers else "pictures"
    return [f"Commonest mistake: {truth} is called {said} ({share:.0%} of its {unit}); look at plots/ for where."]


def _few(numbers: Mapping[str, Any]) -> list[str]:
    """Classes with too few training objects, or pictures."""
    what = "objects" if "objects" in numbers else "pictures"
    counts = list(numbers.get(what, {}).items())[1 if "pixel_accuracy" in numbers else 0 :]  # off the background
    rare = [
        f"{name} ({count})" for count, name in sorted((count, name) for name, count in counts) if count < FEW_OBJECTS
    ]
    return (
        [f"Fewer than {FEW_OBJECTS} training {what}: {few(rare, 5)}; more pictures of these help most."] if rare else []
    )


def _course(numbers: Mapping[str, Any]) -> list[str]:
    """Not learning, still improving, or overfitting: the first that the losses and scores show."""
    course = numbers.get("history", {})
    for rule in (_unlearnt, _improving, _overfits):
        said = rule(course)
        if said:
            return [said]
    return []


def _unlearnt(course: Mapping[str, Sequence[float]]) -> str:
    train = course.get("train", [])
    if len(train) < 2 or train[-1] < 0.9 * train[0]:  # a tenth is the least to call learning
        return ""
    return (
        f"The training loss went from {train[0]:.3g} to {train[-1]:.3g} in {len(train)} epochs, so nothing was learnt: "
        "try another learning rate, and look at the training batch in plots/."
    )


def _improving(course: Mapping[str, Sequence[float]]) -> str:
    scores, epochs = course.get("score", []), course.get("epochs", [])
    if len(scores) < 4:  # a last quarter needs four
        return ""
    before = max(scores[: -(len(scores) // 4)])
    if max(scores) != scores[-1] or scores[-1] < before + 0.01:  # a hundredth is worth an epoch
        return ""
    return (
        f"The val score was still rising at the end, from {before:.3f} before the last quarter to {scores[-1]:.3f} "
        f"at epoch {epochs[-1]:.0f}: train longer."
    )


def _overfits(course: Mapping[str, Sequence[float]]) -> str:
    train, val = course.get("train", []), course.get("val", [])
    if not val or len(train) != len(val):
        return ""
    best = min(range(len(val)), key=lambda epoch: val[epoch])
    if val[-1] < 1.1 * val[best] or train[-1] >= train[best]:  # a tenth is more than noise
        return ""
    return (
        f"It overfits: since epoch {best + 1} of {len(val)} the val loss rose from {val[best]:.3g} to {val[-1]:.3g} "
        f"while the training loss fell from {train[best]:.3g} to {train[-1]:.3g}; "
        "try stronger augmentation, more data or fewer epochs."
    )


def _wide(numbers: Mapping[str, Any]) -> list[str]:
    """An interval that is too wide to choose between models by."""
    if "interval" not in numbers or "images" not in numbers:
        return []
    low, high = numbers["interval"]
    if numbers["images"] < FEW_PICTURES:
        return [f"{numbers['images']} pictures tell next to nothing, and their interval is too narrow: give more."]
    if high - low <= 0.1:  # a tenth is what a good idea is worth
        return []
    wide = f"{numbers['images']} pictures leave an interval {high - low:.3f} wide"
    return [f"{wide}: measure on more before choosing between models."]


RULES: list[Callable[[Mapping[str, Any]], list[str]]] = [_score, _errors, _small, _confused, _few, _course, _wide]
