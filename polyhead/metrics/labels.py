"""Scores of image classification: accuracy, F1, top-5 accuracy, calibration and confusion."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from polyhead.errors import PolyheadError
from polyhead.types import ClassLabel, Labels

BINS = 15
FEW = 6
"""With fewer classes than this, top-5 accuracy says little and is not reported."""


class LabelScores(NamedTuple):
    """Scores of a classifier, in 0..1.

    Attributes:
        accuracy: fraction of the images whose highest-scoring class is correct.
        macro_f1: mean F1 over the classes that occur in the targets.
        f1: F1 by class name; NaN for a class that does not occur in the targets.
        images: number of images of each class, by class name.
        top5: fraction of the images whose class is among the five highest-scoring; NaN with fewer than :data:`FEW`
            classes.
        calibration: expected calibration error (Naeini et al., AAAI 2015), see :func:`calibration_error`.
        confusion: number of images by target class (row) and predicted class (column).
    """

    accuracy: float
    macro_f1: float
    f1: dict[str, float]
    images: dict[str, int]
    top5: float
    calibration: float
    confusion: Int[np.ndarray, "c c"]


def labels(targets: Mapping[str, ClassLabel], predictions: Mapping[str, Labels], names: Sequence[str]) -> LabelScores:
    """Compute the scores of a classifier; all images of the split have a target.

    Raises:
        PolyheadError: when there is no image, or an image has no prediction.
    """
    target, scores = gather_labels(targets, predictions)  # [p], [p, c]
    best = scores.argmax(axis=1)  # [p]
    confusion = np.zeros((len(names), len(names)), dtype=np.int64)  # [c, c]
    np.add.at(confusion, (target, best), 1)
    correct, annotated, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)  # [c] each
    f1 = np.divide(2 * correct, annotated + predicted, out=np.full(len(names), np.nan), where=annotated > 0)
    top5 = torch.from_numpy(scores).topk(min(5, len(names)), dim=1).indices.numpy()  # [p, 5]
    return LabelScores(
        accuracy=float(correct.sum() / annotated.sum()),
        macro_f1=float(f1[annotated > 0].mean()),
        f1=dict(zip(names, f1.tolist(), strict=True)),
        images=dict(zip(names, annotated.tolist(), strict=True)),
        top5=float((top5 == target[:, None]).any(axis=1).mean()) if len(names) >= FEW else float("nan"),
        calibration=calibration_error(scores.max(axis=1), best == target),
        confusion=confusion,
    )


def gather_labels(
    targets: Mapping[str, ClassLabel], predictions: Mapping[str, Labels]
) -> tuple[Int[np.ndarray, " p"], Float[np.ndarray, "p c"]]:
    """Return the target class of each image and its class scores, in the order of the targets.

    Raises:
        PolyheadError: when there is no image, or an image has no prediction or one that is not finite.
    """
    if not targets:
        raise PolyheadError("cannot compute scores: the split has no images. Check the split.")
    classes: list[int] = []
    for image_id, target in targets.items():
        if image_id not in predictions:
            raise PolyheadError(
                f"image {image_id!r} has no prediction. Predictions and targets must come from the same split."
            )
        classes.append(int(target.label))
    scores = torch.stack([predictions[image_id].scores for image_id in targets]).float().cpu().numpy()
    not_finite = ~np.isfinite(scores).all(axis=1)  # [p]
    if not_finite.any():
        image_id = list(targets)[int(not_finite.argmax())]
        raise PolyheadError(
            f"the prediction for image {image_id!r} has a score that is not finite. The training has diverged: lower "
            "lr, or set grad_clip_norm."
        )
    return np.array(classes, dtype=np.int64), scores


def calibration_error(confidence: Float[np.ndarray, " p"], correct: Bool[np.ndarray, " p"]) -> float:
    """Compute the expected calibration error: mean distance of confidence and accuracy over :data:`BINS` equal bins.

    Bins are weighted by their number of images.

    Args:
        confidence: highest class score of each image.
        correct: whether the predicted class is the target.
    """
    bins = np.digitize(confidence, np.linspace(0, 1, BINS + 1)[1:-1])
    # Sums, not means, of each bin: the weight (its number of images) cancels the mean's denominator.
    gaps = np.bincount(bins, confidence.astype(np.float64), BINS) - np.bincount(bins, correct.astype(np.float64), BINS)
    return float(np.abs(gaps).sum() / confidence.shape[0])
