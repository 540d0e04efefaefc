"""Scores of semantic segmentation: IoU of each class over the pixels of all images, in original pixels.

A predicted mask is reduced to a small table of counts as soon as it is predicted, so that the masks of a data set are
never in memory together. Every score is computed from these counts, and so is every resample of the images.

Shapes: ``p`` images, ``b`` resamples (row 0 is the full sample), ``c`` classes, ``d = c + 1`` columns of counts.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from polyhead.errors import PolyheadError
from polyhead.metrics.intervals import (
    LEVEL,
    RESAMPLES,
    Interval,
    bootstrap_weights,
    mean_over_runs,
    percentile_interval,
)
from polyhead.types import IGNORED, Mask

METRICS = ("miou", "miou_foreground", "pixel_accuracy", "mean_accuracy")


class PixelCounts(NamedTuple):
    """The number of pixels of one image by target class (row) and predicted class (column), without ignored pixels.

    The last column counts pixels that the prediction does not cover: they are errors of their target class, and of no
    other class.
    """

    counts: Int[Tensor, "c d"]


class PixelSums(NamedTuple):
    """The number of correct, target and predicted pixels of each image and class: what every score is computed from."""

    correct: Float[np.ndarray, "p c"]
    target: Float[np.ndarray, "p c"]
    predicted: Float[np.ndarray, "p c"]


class MaskScores(NamedTuple):
    """Scores of a segmentation, in 0..1; NaN where there are no pixels.

    Attributes:
        miou: mean IoU over the classes that occur in any target or prediction, background included.
        miou_foreground: the same without the background.
        pixel_accuracy: fraction of the pixels that are correct.
        mean_accuracy: mean over the classes that occur in any target of the fraction of their pixels that is correct.
        iou: by class name; NaN for a class that occurs nowhere.
        pixels: target pixels by class name.
        absent: names of the classes that occur in no target and no prediction.
    """

    miou: float
    miou_foreground: float
    pixel_accuracy: float
    mean_accuracy: float
    iou: dict[str, float]
    pixels: dict[str, int]
    absent: list[str]


def count_pixels(mask: Mask, target: UInt8[Tensor, "h w"], classes: int) -> PixelCounts:
    """Count the pixels of one image by target class and predicted class.

    Args:
        mask: the prediction, in original pixels; 255 where nothing was predicted.
        target: the class of each pixel; 255 is ignored.
        classes: number of classes, background included.

    Raises:
        PolyheadError: when the mask does not have the target's size, or a class index is too large.
    """
    predicted, annotated = mask.classes.cpu(), target.as_subclass(Tensor)  # [h, w] each
    if predicted.shape != annotated.shape:
        raise PolyheadError(
            f"a predicted mask has {predicted.shape[1]} x {predicted.shape[0]} pixels, its target "
            f"{annotated.shape[1]} x {annotated.shape[0]}. Predictions must be mapped back to the original image."
        )
    for what, found in (("target", annotated), ("predicted", predicted)):
        if (found[found != IGNORED] >= classes).any():
            raise PolyheadError(
                f"a {what} mask has the class {int(found[found != IGNORED].max())} (expected 0 to {classes - 1}, "
                f"or {IGNORED} for ignored pixels). Correct the mask."
            )
    counted = annotated != IGNORED  # [h, w]
    rows, columns = annotated[counted].long(), predicted[counted].long()  # [pixels]
    columns = torch.where(columns == IGNORED, classes, columns)  # not covered: the last column
    # One index per cell of the table, so that a single bincount fills all of it.
    counts = torch.bincount(rows * (classes + 1) + columns, minlength=classes * (classes + 1))
    return PixelCounts(counts.reshape(classes, classes + 1))  # [c, c + 1]


def masks(counts: Sequence[PixelCounts], names: Sequence[str]) -> MaskScores:
    """Compute the scores of all images together.

    Raises:
        PolyheadError: when there is no image, or the counts are of other classes.
    """
    if not counts:
        raise PolyheadError("cannot compute scores: the split has no images. Check the split.")
    expected = (len(names), len(names) + 1)
    for image in counts:
        if image.counts.shape != expected:
            raise PolyheadError(
                f"pixels were counted for {image.counts.shape[0]} classes, but the task has {len(names)}. "
                "Evaluate the run again."
            )
    correct, target, predicted = (part.sum(axis=0, keepdims=True) for part in sum_pixels(counts))  # [1, c] each
    iou, present = _iou(correct, target, predicted)  # [1, c] each
    values = {metric: float(measure(metric, correct, target, predicted)[0]) for metric in METRICS}
    return MaskScores(
        **values,
        iou=dict(zip(names, np.where(present, iou, np.nan)[0].tolist(), strict=True)),
        pixels=dict(zip(names, target[0].astype(int).tolist(), strict=True)),
        absent=[name for name, occurs in zip(names, present[0], strict=True) if not occurs],
    )


def sum_pixels(counts: Sequence[PixelCounts]) -> PixelSums:
    """Sum the counts of each image to correct, target and predicted pixels by class."""
    table = torch.stack([image.counts for image in counts]).double().numpy()  # [p, c, c + 1]
    correct = np.diagonal(table, axis1=1, axis2=2).copy()  # [p, c]
    # Pixels that are not covered (the last column) belong to a target class, but to no predicted one.
    return PixelSums(correct, table.sum(axis=2), table[:, :, :-1].sum(axis=1))


def constant_baseline(counts: Sequence[PixelCounts], label: int) -> list[PixelCounts]:
    """Return the counts of a dummy baseline that predicts one class for every pixel."""
    baseline = []
    for image in counts:
        constant = torch.zeros_like(image.counts)
        constant[:, label] = image.counts.sum(1)  # all target pixels of a class, in the column of `label`
        baseline.append(PixelCounts(constant))
    return baseline


def paired(
    a: Sequence[Sequence[PixelCounts]],
    b: Sequence[Sequence[PixelCounts]],
    metric: str = "miou",
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """Compute the difference ``a - b`` of a score, with its interval from the same resamples of the images.

    Args:
        a: counts of each run (seed) of one side, all in the same order of images.
        b: counts of each run of the other side.
        metric: which score to compare.
        resamples: at least 200.
        level: fraction of the resamples that lie within the interval.
        seed: decides which resamples are drawn.
    """
    weights = bootstrap_weights(len(a[0]), resamples, seed)
    sides = [bootstrap_scores([sum_pixels(run) for run in side], metric, weights) for side in (a, b)]
    return percentile_interval(sides[0] - sides[1], level)


def bootstrap_scores(
    runs: Sequence[PixelSums], metric: str, weights: Int[np.ndarray, "b p"]
) -> Float[np.ndarray, " b"]:
    """Compute a score on each resample of images and runs; NaN where a resample has no pixels."""
    if not runs:
        raise PolyheadError("there is no run to score. Give at least one on each side.")
    # [b, p] @ [p, c] -> [b, c]: the pixels of each resample, by class
    return mean_over_runs(np.stack([measure(metric, *(weights @ part for part in run)) for run in runs]))


def measure(
    metric: str,
    correct: Float[np.ndarray, "b c"],
    target: Float[np.ndarray, "b c"],
    predicted: Float[np.ndarray, "b c"],
) -> Float[np.ndarray, " b"]:
    """Compute a score from the pixels of each resample."""
    if metric == "pixel_accuracy":
        return _fraction(correct.sum(axis=1), target.sum(axis=1))
    if metric == "mean_accuracy":
        return _mean(_fraction(correct, target), target > 0)
    iou, present = _iou(correct, target, predicted)
    first = 1 if metric == "miou_foreground" else 0  # class 0 is the background
    return _mean(iou[:, first:], present[:, first:])


def _iou(
    correct: Float[np.ndarray, "b c"], target: Float[np.ndarray, "b c"], predicted: Float[np.ndarray, "b c"]
) -> tuple[Float[np.ndarray, "b c"], Bool[np.ndarray, "b c"]]:
    """Return the IoU of each class, and whether it occurs in any target or prediction."""
    union = target + predicted - correct
    return _fraction(correct, union), union > 0


def _fraction(part: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Divide, with NaN where the total is 0."""
    fraction: np.ndarray = np.divide(part, total, out=np.full(part.shape, np.nan), where=total > 0)
    return fraction


def _mean(values: Float[np.ndarray, "b c"], present: Bool[np.ndarray, "b c"]) -> Float[np.ndarray, " b"]:
    """Return the mean over the classes that are present; NaN where none is."""
    sums = np.where(present, values, 0.0).sum(axis=1)
    mean: np.ndarray = _fraction(sums, present.sum(axis=1).astype(np.float64))
    return mean
