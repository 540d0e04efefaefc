"""Confidence intervals of scores: bootstrap over the images of the test set (Efron, 1979), and paired differences.

Each resample draws as many images as there are, with replacement. Where a score is the mean of several runs (seeds), it
draws as many runs as there are, too. Two sides are compared on the *same* resamples, so that easy and hard images, and
lucky and unlucky seeds, cancel out: the interval of the difference is much narrower than that of either score. Three
seeds say little about other seeds: their part of an interval is less than half as wide as Student's t would make it.

A resample shows some images twice and others not at all, which makes precision-recall curves ragged and AP a little
higher: where AP is low or objects are few, its interval is somewhat too high. In paired differences most of this bias
cancels.

Shapes: ``b`` resamples, ``p`` images, ``r`` runs. In every array of resamples, row 0 is the full sample.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from polyhead import rng
from polyhead.errors import PolyheadError
from polyhead.metrics.coco import FREQUENT
from polyhead.metrics.matching import Matches, average_precision, match
from polyhead.types import Boxes, Detections

BoxMetric = Literal["ap", "ap50", "ap_frequent", "ap50_frequent"]
METRICS: tuple[BoxMetric, ...] = ("ap", "ap50")
RESAMPLES = 1000
LEVEL = 0.9
Z_90 = 1.6449
"""Standard normal quantile of a two-sided 90 % interval."""
_FEWEST = 200


class Interval(NamedTuple):
    """A score on the full sample and its percentile interval; NaN where there are no objects."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def intervals(
    targets: Mapping[str, Boxes],
    predictions: Mapping[str, Detections],
    names: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> dict[BoxMetric, Interval]:
    """Compute COCO's AP and AP50 with intervals.

    Args:
        targets: as in :func:`polyhead.metrics.coco.coco`.
        predictions: as there.
        names: class names.
        resamples: at least 200.
        level: fraction of the resamples that lie within the interval.
        seed: decides which resamples are drawn.

    Raises:
        PolyheadError: for too few resamples; see also :func:`polyhead.metrics.boxes.gather_boxes`.
    """
    matches = match(targets, predictions, names)
    weights = bootstrap_weights(len(targets), resamples, seed)
    return {metric: percentile_interval(bootstrap_scores([matches], metric, weights), level) for metric in METRICS}


def paired(
    targets: Mapping[str, Boxes],
    a: Sequence[Mapping[str, Detections]],
    b: Sequence[Mapping[str, Detections]],
    names: Sequence[str],
    metric: BoxMetric = "ap",
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """Compute the difference ``a - b`` of a score, with its interval from the same resamples of the images.

    Args:
        targets: the images that both sides were tested on.
        a: predictions of each run (seed) of one side (:func:`mean_over_runs`).
        b: predictions of each run of the other side.
        names: class names.
        metric: which score to compare.
        resamples: at least 200.
        level: fraction of the resamples that lie within the interval.
        seed: decides which resamples are drawn.
    """
    weights = bootstrap_weights(len(targets), resamples, seed)
    sides = [bootstrap_scores([match(targets, run, names) for run in side], metric, weights) for side in (a, b)]
    return percentile_interval(sides[0] - sides[1], level)


def bootstrap_weights(images: int, resamples: int = RESAMPLES, seed: int = 0) -> Int[np.ndarray, "b p"]:
    """Return how often each image is drawn: first the full sample (all ones), then one row for each resample."""
    if resamples < _FEWEST:
        raise PolyheadError(f"{resamples} resamples are too few for an interval (expected at least {_FEWEST})")
    generator = torch.Generator().manual_seed(rng.derive_seed("bootstrap", seed, images))
    drawn = torch.randint(images, (resamples, images), generator=generator)  # image indices, with replacement
    counts = torch.zeros(resamples, images, dtype=torch.int64).scatter_add_(1, drawn, torch.ones_like(drawn))
    return np.concatenate([np.ones((1, images), dtype=np.int64), counts.numpy()])  # [1 + resamples, images]


def bootstrap_scores(
    runs: Sequence[Matches], metric: BoxMetric, weights: Int[np.ndarray, "b p"]
) -> Float[np.ndarray, " b"]:
    """Compute a score on each resample of images and runs (:func:`mean_over_runs`).

    A class without objects in a resample is not part of the mean of that resample. Which classes are frequent
    (:data:`polyhead.metrics.coco.FREQUENT`) is decided on the full sample.

    Args:
        runs: matches of each run (seed), all of the same images.
        metric: which score to compute.
        weights: how often each image counts, see :func:`bootstrap_weights`.

    Returns:
        One score for each resample; NaN for a resample without objects.
    """
    if not runs:
        raise PolyheadError("there is no run to score. Give at least one on each side.")
    scores = []
    thresholds = slice(1 if metric.startswith("ap50") else None)  # AP50 needs the first IoU threshold only
    for run in runs:
        matches = run._replace(ious=run.ious[thresholds], hit=run.hit[thresholds], skip=run.skip[thresholds])
        class_ap = average_precision(matches, weights).mean(axis=1)  # [b, t, c] -> [b, c]
        present = ~np.isnan(class_ap)  # [b, c]
        if metric.endswith("frequent"):
            present &= run.objects.sum(axis=0) >= FREQUENT  # [c], for all resamples
        sums = np.where(present, class_ap, 0.0).sum(axis=1)  # [b]
        # mean over the classes that are present; NaN where none is
        mean = np.divide(sums, present.sum(axis=1), out=np.full_like(sums, np.nan), where=present.any(axis=1))
        scores.append(mean)
    return mean_over_runs(np.stack(scores))  # [r, b] -> [b]


def mean_over_runs(samples: Float[np.ndarray, "r b"]) -> Float[np.ndarray, " b"]:
    """Return the mean over runs (seeds); each resample draws as many runs as there are, with replacement.

    Sides with the same number of runs draw the same ones, so that they are paired seed by seed.

    Args:
        samples: of each run, the score itself, then its resamples.
    """
    if len(samples) == 1:
        return np.asarray(samples[0])
    # Fixed seed 1: other draws than those of the images, and the same draws for each side.
    weights = bootstrap_weights(len(samples), samples.shape[1] - 1, seed=1) / len(samples)  # [b, r]
    mean: np.ndarray = (samples * weights.T).sum(axis=0)  # [b]
    return mean


def wilson(fraction: float, count: int) -> tuple[float, float]:
    """Return the 90 % confidence interval of a fraction of ``count`` independent cases (Wilson, JASA 1927)."""
    z = Z_90
    center = (fraction + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(fraction * (1 - fraction) / count + z * z / (4 * count * count))
    return max(0.0, center - half), min(1.0, center + half)  # rounding may leave 0..1


def percentile_interval(samples: Float[np.ndarray, " b"], level: float = LEVEL) -> Interval:
    """Return the percentile interval; the first of ``samples`` is the score itself, the others are its resamples."""
    resampled = samples[1:][~np.isnan(samples[1:])]
    if not resampled.size:
        return Interval(float(samples[0]), float("nan"), float("nan"))
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(samples[0]), float(low), float(high))
