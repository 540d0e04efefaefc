"""Balance classes that are not equally frequent: how often samples are repeated, and how much classes weigh."""

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from statistics import median
from typing import Literal

from polyhead.errors import SettingError
from polyhead.types import ShownClass

Repeat = float | Literal["auto"]
"""The fraction of samples below which a class is rare; ``auto`` takes the median of the classes."""

Weighting = Literal["balanced", "sqrt"]
"""Weights of classes: inversely proportional to their counts, or to the square roots of these."""


def repeat_factors(shown: Sequence[AbstractSet[ShownClass]], threshold: Repeat) -> list[float]:
    """Return how often each sample is read in one pass over the data, on average.

    A class that a fraction ``f`` of the samples shows has the factor ``max(1, sqrt(threshold / f))``, and a sample has
    the largest factor of its classes (Gupta, Dollar & Girshick 2019, "LVIS", section 5.1).

    Args:
        shown: the classes that each sample shows.
        threshold: fraction of the samples; a class that fewer show is repeated.

    Raises:
        SettingError: if no sample shows a class.

    Examples:
        >>> common, rare = ("object", 0), ("object", 1)
        >>> repeat_factors([{common}, {common}, {common}, {common, rare}], 1.0)
        [1.0, 1.0, 1.0, 2.0]
    """
    counts = Counter(each for classes in shown for each in classes)
    if not counts:
        raise SettingError("repeat_factor: no training sample shows a class. Leave it out.")
    limit = median(counts.values()) if threshold == "auto" else threshold * len(shown)
    factors = {each: max(1.0, (limit / count) ** 0.5) for each, count in counts.items()}
    return [max((factors[each] for each in classes), default=1.0) for classes in shown]


def class_weights(counts: Mapping[str, int], weighting: Weighting) -> dict[str, float]:
    """Return the weight of each class in the loss; the mean over all counted samples, objects or pixels is 1.

    A class without any has the weight 1.

    Args:
        counts: how often each class occurs in the training data.
        weighting: see :data:`Weighting`.

    Raises:
        SettingError: if nothing was counted.

    Examples:
        >>> class_weights({"cat": 90, "dog": 10}, "balanced")
        {'cat': 0.5555555555555556, 'dog': 5.0}
    """
    total = sum(counts.values())
    if not total:
        raise SettingError("class_weights: the training data has no classes to weigh. Leave it out.")
    power = {"balanced": 1.0, "sqrt": 0.5}[weighting]
    raw = {name: count**-power for name, count in counts.items() if count}
    mean = sum(counts[name] * weight for name, weight in raw.items()) / total
    return {name: raw[name] / mean if count else 1.0 for name, count in counts.items()}
