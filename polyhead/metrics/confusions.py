"""The most common mistakes of classes, and classes with too few training samples, for reports and the verdict."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from polyhead.errors import few

FEW_OBJECTS = 50
"""A class with fewer training objects than this is reported as rare."""
NEAR_TOTAL = 0.7
"""Two classes of which at least this fraction is predicted as the other one seem to have each other's labels."""


def largest(counts: Int[np.ndarray, "c d"], names: Sequence[str], most: int = 5) -> list[list[Any]]:
    """Return ``[true class, predicted class, fraction of the true class]`` of the most common mistakes, largest first.

    Args:
        counts: confusion matrix: true class (row) by predicted class (column). A column beyond the last class counts
            what was not predicted as any class; it is called "nothing".
        names: class names.
        most: maximum number of mistakes to return.
    """
    wrong = counts * (1 - np.eye(*counts.shape, dtype=np.int64))  # the diagonal holds the correct predictions
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]  # positions in the flattened matrix
    columns = [*names, "nothing"]
    return [
        [names[row], columns[column], float(counts[row, column] / counts[row].sum())]
        for row, column in zip(*np.unravel_index(order, wrong.shape), strict=True)
        if wrong[row, column]
    ]


def most_frequent(numbers: Mapping[str, Any], unit: str) -> list[str]:
    """Return a sentence about the most frequent confusion of a report; nothing without any."""
    if not numbers.get("confusions"):
        return []
    target, predicted, fraction = numbers["confusions"][0]
    how_many = f"{fraction:.0%} of its {unit}"
    return [f"Most frequent confusion: {target} is predicted as {predicted} ({how_many}); see the plots in plots/."]


def faults(numbers: Mapping[str, Any], counted: str) -> list[str]:
    """Return sentences about faults of the data that a report shows: classes without training data, or exchanged.

    Args:
        numbers: a report.
        counted: what a class has in the evaluated images: ``objects``, ``images`` or ``pixels``.
    """
    pairs = numbers.get("confusions", [])
    if "errors" in numbers:  # of boxes: with a count in place of a fraction
        objects = {name: each["objects"] for name, each in numbers.get("classes", {}).items()}
        pairs = [
            [target, predicted, count / objects[target]]
            for target, predicted, count in numbers["errors"].get("confusions", [])
            if objects.get(target)
        ]
    return [*missing(numbers, "objects" if "train_objects" in numbers else "images", counted), *exchanged(pairs)]


def exchanged(confusions: Sequence[Sequence[Any]]) -> list[str]:
    """Return a sentence for each two classes that are nearly always predicted as each other.

    Args:
        confusions: ``[true class, predicted class, fraction of the true class]``.
    """
    fractions = {(target, predicted): fraction for target, predicted, fraction in confusions if fraction >= NEAR_TOTAL}
    return [
        f"{one} and {other} seem to be exchanged: {fraction:.0%} of {one} is predicted as {other}, and "
        f"{fractions[other, one]:.0%} of {other} as {one}. Check the labels of both classes in all splits."
        for (one, other), fraction in fractions.items()
        if one < other and (other, one) in fractions
    ]


def missing(numbers: Mapping[str, Any], unit: str, counted: str) -> list[str]:
    """Return a sentence about the classes that occur in the evaluated images, but not in the training images.

    Args:
        numbers: a report, with the counts in ``train_UNIT``.
        unit: ``objects`` or ``images``.
        counted: what a class has in the evaluated images: ``objects``, ``images`` or ``pixels``.
    """
    classes, split = numbers.get("classes", {}), numbers.get("split", "evaluated")
    tested = {name: classes.get(name, {}).get(counted, 0) for name in numbers.get(f"train_{unit}", {})}
    untrained = [name for name, count in numbers.get(f"train_{unit}", {}).items() if not count and tested[name]]
    names = [f"{name} ({tested[name]} {counted})" for name in untrained]
    if not names:
        return []
    remedy = "The model cannot predict them: add training images of them, or change the split."
    return [f"No training {unit} of classes that the {split} images show: {few(names, 5)}. {remedy}"]


def rare(numbers: Mapping[str, Any], unit: str, skip: int = 0) -> list[str]:
    """Return a sentence about the classes with too few training objects or images; nothing without any.

    Args:
        numbers: a report, with the counts in ``train_UNIT``.
        unit: ``objects`` or ``images``.
        skip: number of first classes to leave out (the background).
    """
    counts = [*numbers.get(f"train_{unit}", {}).items()][skip:]
    found = [
        f"{name} ({count})" for count, name in sorted((count, name) for name, count in counts) if count < FEW_OBJECTS
    ]
    if not found:
        return []
    return [f"Fewer than {FEW_OBJECTS} training {unit}: {few(found, 5)}; more images of these classes help most."]
