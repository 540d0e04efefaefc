"""How well whole pictures are classified."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from polyhead.errors import PolyheadError
from polyhead.types import Annotation, Labels

BINS = 15
FEW = 6
"""Of fewer classes than this, the five best say little."""


class LabelScores(NamedTuple):
    """Scores of a classifier, in 0..1.

    Attributes:
        accuracy: share of the pictures whose best class is right.
        macro_f1: mean F1 over the classes that the truth has.
        f1: F1 by class name; NaN for a class that the truth has not.
        pictures: how many pictures of each class there were.
        top5: share of the pictures whose class is among the five best; NaN where there are fewer than :data:`FEW`.
        calibration: expected calibration error (Naeini et al., AAAI 2015), see :func:`calibration_error`.
        confusion: pictures by true class (row) and best class (column).
    """

    accuracy: float
    macro_f1: float
    f1: dict[str, float]
    pictures: dict[str, int]
    top5: float
    calibration: float
    confusion: Int[np.ndarray, "c c"]


def labels(truths: Sequence[Annotation], predictions: Mapping[str, Labels], names: Sequence[str]) -> LabelScores:
    """Accuracy and F1; the truth of a picture is its ``value``, a class index.

    Raises:
        PolyheadError: when there is no picture, or one has no truth or no prediction.
    """
    true, scores = gather(truths, predictions)
    best = scores.argmax(axis=1)
    confusion = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(confusion, (true, best), 1)
    right, there, said = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    f1 = np.divide(2 * right, there + said, out=np.full(len(names), np.nan), where=there > 0)
    five = torch.from_numpy(scores).topk(min(5, len(names)), dim=1).indices.numpy()
    return LabelScores(
        accuracy=float(right.sum() / there.sum()),
        macro_f1=float(f1[there > 0].mean()),
        f1=dict(zip(names, f1.tolist(), strict=True)),
        pictures=dict(zip(names, there.tolist(), strict=True)),
        top5=float((five == true[:, None]).any(axis=1).mean()) if len(names) >= FEW else float("nan"),
        calibration=calibration_error(scores.max(axis=1), best == true),
        confusion=confusion,
    )


def gather(
    truths: Sequence[Annotation], predictions: Mapping[str, Labels]
) -> tuple[Int[np.ndarray, " p"], Float[np.ndarray, "p c"]]:
    """The true class of each picture, and what was predicted, in the order of the truth.

    Raises:
        PolyheadError: when there is no picture, or one has no truth or no prediction.
    """
    if not truths:
        raise PolyheadError("there is nothing to measure: the truth has no picture; check the split")
    true: list[int] = []
    for truth in truths:
        if truth.value is None:
            raise PolyheadError(
                f"picture {truth.id!r} has no class; a classifier needs data that name one for each picture"
            )
        if truth.id not in predictions:
            raise PolyheadError(
                f"picture {truth.id!r} has no prediction; predictions and truth must come from the same split"
            )
        true.append(int(truth.value))
    scores = torch.stack([predictions[truth.id].scores for truth in truths]).float().cpu().numpy()
    return np.array(true, dtype=np.int64), scores


def calibration_error(confidence: Float[np.ndarray, " p"], right: Bool[np.ndarray, " p"]) -> float:
    """How far confidence lies from accuracy: mean distance over :data:`BINS` bins of confidence, by their pictures."""
    bins = np.digitize(confidence, np.linspace(0, 1, BINS + 1)[1:-1])
    gaps = np.bincount(bins, confidence.astype(np.float64), BINS) - np.bincount(bins, right.astype(np.float64), BINS)
    return float(np.abs(gaps).sum() / confidence.shape[0])
