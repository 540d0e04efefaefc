"""How well whole pictures are classified."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from polyhead.errors import PolyheadError
from polyhead.types import Annotation, Labels


class LabelScores(NamedTuple):
    """Scores of a classifier, in 0..1.

    Attributes:
        accuracy: share of the pictures whose best class is right.
        macro_f1: mean F1 over the classes that the truth has.
        f1: F1 by class name; NaN for a class that the truth has not.
        pictures: how many pictures of each class there were.
    """

    accuracy: float
    macro_f1: float
    f1: dict[str, float]
    pictures: dict[str, int]


def labels(truths: Sequence[Annotation], predictions: Mapping[str, Labels], names: Sequence[str]) -> LabelScores:
    """Accuracy and F1; the truth of a picture is its ``value``, a class index.

    Raises:
        PolyheadError: when there is no picture, or one has no truth or no prediction.
    """
    if not truths:
        raise PolyheadError("there is nothing to measure: the truth has no picture; check the split")
    confusion = np.zeros((len(names), len(names)), dtype=np.int64)
    for truth in truths:
        if truth.value is None:
            raise PolyheadError(
                f"picture {truth.id!r} has no class; a classifier needs data that name one for each picture"
            )
        if truth.id not in predictions:
            raise PolyheadError(
                f"picture {truth.id!r} has no prediction; predictions and truth must come from the same split"
            )
        confusion[int(truth.value), int(predictions[truth.id].scores.argmax())] += 1
    right, true, said = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    f1 = np.divide(2 * right, true + said, out=np.full(len(names), np.nan), where=true > 0)
    return LabelScores(
        accuracy=float(right.sum() / true.sum()),
        macro_f1=float(f1[true > 0].mean()),
        f1=dict(zip(names, f1.tolist(), strict=True)),
        pictures=dict(zip(names, true.tolist(), strict=True)),
    )
