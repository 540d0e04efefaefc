"""How well pixels are classified: IoU of each class over all pictures together, in the pixels of the original pictures.

A picture's mask is turned into counts as soon as it is predicted, so that the masks of a data set are never kept.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from polyhead.errors import PolyheadError
from polyhead.metrics.intervals import LEVEL, RESAMPLES, Interval, draw, interval, over_runs
from polyhead.types import IGNORED, Mask, Prediction

Metric = Literal["miou", "miou_foreground", "pixel_accuracy", "mean_accuracy", "accuracy"]
"""The last is for labels, of which each picture counts as one pixel (:func:`polyhead.metrics.per_image.of_labels`)."""
METRICS: tuple[Metric, ...] = ("miou", "miou_foreground", "pixel_accuracy", "mean_accuracy")


class Pixels(NamedTuple):
    """The pixels of one picture by true class (row) and predicted class (column), without those ignored in the truth.

    The last column counts pixels that the prediction does not cover: they are wrong for their true class, and for no
    other one.
    """

    counts: Int[Tensor, "c d"]


Answer = Prediction | Pixels
"""What is kept of a prediction until all pictures are measured."""


class Tally(NamedTuple):
    """What the measures need of :class:`Pixels`: pixels that are right, true and said, by picture and class."""

    right: Float[np.ndarray, "p c"]
    true: Float[np.ndarray, "p c"]
    said: Float[np.ndarray, "p c"]


class MaskScores(NamedTuple):
    """Scores of a segmentation, in 0..1; NaN where there is nothing to measure.

    Attributes:
        miou: mean IoU over the classes that are in the truth or were predicted anywhere, the background among them.
        miou_foreground: the same without the background.
        pixel_accuracy: share of the pixels that are right.
        mean_accuracy: mean over the classes of the truth of the share of their pixels that is right.
        iou: by class name; NaN for a class that is in no mean.
        pixels: true pixels by class name.
        absent: names of the classes that are neither in the truth nor predicted.
    """

    miou: float
    miou_foreground: float
    pixel_accuracy: float
    mean_accuracy: float
    iou: dict[str, float]
    pixels: dict[str, int]
    absent: list[str]


def pixels(mask: Mask, truth: UInt8[Tensor, "h w"], classes: int) -> Pixels:
    """Count one picture.

    Args:
        mask: what was predicted, in original pixels; 255 where nothing was.
        truth: the class of each pixel; 255 is not counted.
        classes: how many there are, background included.

    Raises:
        PolyheadError: when the mask is not of the truth's size, or holds a class that there is not.
    """
    said, true = mask.classes.cpu(), truth.as_subclass(Tensor)
    if said.shape != true.shape:
        sizes = f"{said.shape[1]} x {said.shape[0]}, its truth {true.shape[1]} x {true.shape[0]}"
        raise PolyheadError(
            f"a predicted mask has {sizes} pixels; predictions must be mapped back to the original picture"
        )
    for what, found in (("truth", true), ("prediction", said)):
        if (found[found != IGNORED] >= classes).any():
            raise PolyheadError(f"a mask of the {what} has a class beyond the {classes} of its task; correct it")
    counted = true != IGNORED
    rows, columns = true[counted].long(), said[counted].long()
    columns = torch.where(columns == IGNORED, classes, columns)
    counts = torch.bincount(rows * (classes + 1) + columns, minlength=classes * (classes + 1))
    return Pixels(counts.reshape(classes, classes + 1))


def settle(predictions: Mapping[str, Prediction], truth: Callable[[str], Tensor], classes: int) -> dict[str, Answer]:
    """Predictions of a batch with counts in the place of masks; all others stay as they are.

    Args:
        predictions: by sample id, in original pixels.
        truth: gives the true mask of an id.
        classes: of the task.
    """
    return {
        name: pixels(found, truth(name), classes) if isinstance(found, Mask) else found
        for name, found in predictions.items()
    }


def masks(found: Sequence[Pixels], names: Sequence[str]) -> MaskScores:
    """The scores of all pictures together.

    Raises:
        PolyheadError: when there is no picture, or one was counted with other classes.
    """
    if not found:
        raise PolyheadError("there is nothing to measure: the truth has no picture; check the split")
    if any(one.counts.shape != (len(names), len(names) + 1) for one in found):
        raise PolyheadError(f"pixels were counted for other classes than the {len(names)} of the task")
    parts = tally(found)
    right, true, said = (part.sum(axis=0, keepdims=True) for part in parts)
    iou, there = _iou(right, true, said)
    figures = {metric: float(_figure(metric, right, true, said)[0]) for metric in METRICS}
    return MaskScores(
        **figures,
        iou=dict(zip(names, np.where(there, iou, np.nan)[0].tolist(), strict=True)),
        pixels=dict(zip(names, true[0].astype(int).tolist(), strict=True)),
        absent=[name for name, known in zip(names, there[0], strict=True) if not known],
    )


def tally(found: Sequence[Pixels]) -> Tally:
    """The sums that every measure is made of, picture by picture."""
    counts = torch.stack([one.counts for one in found]).double().numpy()
    return Tally(np.diagonal(counts, axis1=1, axis2=2).copy(), counts.sum(axis=2), counts[:, :, :-1].sum(axis=1))


def constant(found: Sequence[Pixels], label: int) -> list[Pixels]:
    """The counts of a rival that calls every pixel by one class."""
    rivals = []
    for one in found:
        counts = torch.zeros_like(one.counts)
        counts[:, label] = one.counts.sum(1)
        rivals.append(Pixels(counts))
    return rivals


def intervals(
    found: Sequence[Pixels], *, resamples: int = RESAMPLES, level: float = LEVEL, seed: int = 0
) -> dict[Metric, Interval]:
    """Every measure with its interval: bootstrap over the pictures, see :mod:`polyhead.metrics.intervals`."""
    weights = draw(len(found), resamples, seed)
    parts = tally(found)
    return {metric: interval(sample([parts], metric, weights), level) for metric in METRICS}


def paired(
    a: Sequence[Sequence[Pixels]],
    b: Sequence[Sequence[Pixels]],
    metric: Metric = "miou",
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """How much better ``a`` is than ``b``, from the same resamples of the pictures.

    Args:
        a: counts of each run (seed) of one side, all in the same order of pictures.
        b: counts of each run of the other side.
        metric: what to compare.
        resamples: at least 200.
        level: share of the resamples within the interval.
        seed: other seeds draw other resamples.
    """
    weights = draw(len(a[0]), resamples, seed)
    sides = [sample([tally(run) for run in side], metric, weights) for side in (a, b)]
    return interval(sides[0] - sides[1], level)


def sample(runs: Sequence[Tally], metric: Metric, weights: Int[np.ndarray, "b p"]) -> Float[np.ndarray, " b"]:
    """A measure on each resample of pictures and runs; NaN where a resample has nothing to measure."""
    if not runs:
        raise PolyheadError("there is no run to measure; give at least one on each side")
    return over_runs(np.stack([_figure(metric, *(weights @ part for part in run)) for run in runs]))


def _figure(
    metric: Metric, right: Float[np.ndarray, "b c"], true: Float[np.ndarray, "b c"], said: Float[np.ndarray, "b c"]
) -> Float[np.ndarray, " b"]:
    if metric in ("pixel_accuracy", "accuracy"):
        return _share(right.sum(axis=1), true.sum(axis=1))
    if metric == "mean_accuracy":
        return _mean(_share(right, true), true > 0)
    iou, there = _iou(right, true, said)
    first = 1 if metric == "miou_foreground" else 0
    return _mean(iou[:, first:], there[:, first:])


def _iou(
    right: Float[np.ndarray, "b c"], true: Float[np.ndarray, "b c"], said: Float[np.ndarray, "b c"]
) -> tuple[Float[np.ndarray, "b c"], Bool[np.ndarray, "b c"]]:
    """IoU of each class, and whether it is there: in the truth, or predicted."""
    union = true + said - right
    return _share(right, union), union > 0


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    share: np.ndarray = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return share


def _mean(values: Float[np.ndarray, "b c"], there: Bool[np.ndarray, "b c"]) -> Float[np.ndarray, " b"]:
    mean: np.ndarray = _share(np.where(there, values, 0.0).sum(axis=1), there.sum(axis=1).astype(np.float64))
    return mean
