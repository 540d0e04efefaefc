"""The most common mistakes of classes, and classes with too few training samples, for reports and the verdict."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from polyhead.errors import few

FEW_OBJECTS = 50
"""A class with fewer training objects than this is reported as rare."""


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
