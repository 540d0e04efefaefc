"""How sure a score is: bootstrap over the pictures of the test set (Efron, 1979), and paired differences.

Each resample draws as many pictures as there are, with replacement, and of several runs of one kind (seeds) as many as
there are. Two sides are compared on the *same* resamples, so that easy and hard pictures, and lucky and unlucky seeds,
cancel out; intervals of the difference are much narrower than those of either score. Three seeds tell little about
others: what they bring to an interval is less than half as wide as Student's t would have it.

A resample shows some pictures twice and others not at all, which makes precision-recall curves ragged and AP a little
higher: where AP is low or objects are few, its interval lies somewhat high. In paired differences most of that cancels.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from polyhead import rng
from polyhead.errors import PolyheadError
from polyhead.metrics.coco import FREQUENT
from polyhead.metrics.matching import Matches, average_precision, match
from polyhead.types import Annotation, Detections

Metric = Literal["ap", "ap50", "ap_frequent", "ap50_frequent"]
METRICS: tuple[Metric, ...] = ("ap", "ap50")
RESAMPLES = 1000
LEVEL = 0.9
_FEWEST = 200


class Interval(NamedTuple):
    """A figure on the full sample and its percentile interval; NaN where there was nothing to find."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def intervals(
    truths: Sequence[Annotation],
    predictions: Mapping[str, Detections],
    names: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> dict[Metric, Interval]:
    """COCO's AP and AP50 with intervals.

    Args:
        truths: as in :func:`polyhead.metrics.coco.coco`.
        predictions: as there.
        names: class names.
        resamples: at least 200.
        level: share of the resamples within the interval.
        seed: other seeds draw other resamples.

    Raises:
        PolyheadError: for too few resamples; see also :func:`polyhead.metrics.boxes.gather`.
    """
    matches = match(truths, predictions, names)
    weights = draw(len(truths), resamples, seed)
    return {metric: interval(sample([matches], metric, weights), level) for metric in METRICS}


def paired(
    truths: Sequence[Annotation],
    a: Sequence[Mapping[str, Detections]],
    b: Sequence[Mapping[str, Detections]],
    names: Sequence[str],
    metric: Metric = "ap",
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """How much better ``a`` is than ``b``, from the same resamples of the pictures.

    Args:
        truths: the pictures that both sides were tested on.
        a: predictions of each run (seed) of one side (:func:`over_runs`).
        b: predictions of each run of the other side.
        names: class names.
        metric: what to compare.
        resamples: at least 200.
        level: share of the resamples within the interval.
        seed: other seeds draw other resamples.
    """
    weights = draw(len(truths), resamples, seed)
    sides = [sample([match(truths, run, names) for run in side], metric, weights) for side in (a, b)]
    return interval(sides[0] - sides[1], level)


def draw(pictures: int, resamples: int = RESAMPLES, seed: int = 0) -> Int[np.ndarray, "b p"]:
    """How often each picture is drawn: first the full sample (all ones), then one row for each resample."""
    if resamples < _FEWEST:
        raise PolyheadError(f"{resamples} resamples are too few for an interval; take {_FEWEST} or more")
    generator = torch.Generator().manual_seed(rng.key("bootstrap", seed, pictures))
    drawn = torch.randint(pictures, (resamples, pictures), generator=generator)
    counts = torch.zeros(resamples, pictures, dtype=torch.int64).scatter_add_(1, drawn, torch.ones_like(drawn))
    return np.concatenate([np.ones((1, pictures), dtype=np.int64), counts.numpy()])


def sample(runs: Sequence[Matches], metric: Metric, weights: Int[np.ndarray, "b p"]) -> Float[np.ndarray, " b"]:
    """The metric on each resample of pictures and runs (:func:`over_runs`); NaN where a resample has nothing to find.

    A class without objects in a resample is in no mean of that resample; which classes are frequent
    (:data:`polyhead.metrics.coco.FREQUENT`) the full sample decides.
    """
    if not runs:
        raise PolyheadError("there is no run to measure; give at least one on each side")
    found = []
    levels = slice(1 if metric.startswith("ap50") else None)
    for run in runs:
        matches = run._replace(ious=run.ious[levels], hit=run.hit[levels], skip=run.skip[levels])
        classes = average_precision(matches, weights).mean(axis=1)
        present = ~np.isnan(classes)
        if metric.endswith("frequent"):
            present &= run.objects.sum(axis=0) >= FREQUENT
        sums = np.where(present, classes, 0.0).sum(axis=1)
        found.append(np.divide(sums, present.sum(axis=1), out=np.full_like(sums, np.nan), where=present.any(axis=1)))
    return over_runs(np.stack(found))


def over_runs(samples: Float[np.ndarray, "r b"]) -> Float[np.ndarray, " b"]:
    """The mean over the runs (seeds) of one kind, of which each resample draws as many as there are, with replacement.

    Sides of as many runs draw the same ones, so that they are paired seed by seed.

    Args:
        samples: of each run: the figure itself, then its resamples.
    """
    if len(samples) == 1:
        return np.asarray(samples[0])
    weights = draw(len(samples), samples.shape[1] - 1, seed=1) / len(samples)
    mean: np.ndarray = (samples * weights.T).sum(axis=0)
    return mean


def interval(samples: Float[np.ndarray, " b"], level: float = LEVEL) -> Interval:
    """Percentile interval; the first of ``samples`` is the figure itself, the rest are its resamples."""
    drawn = samples[1:][~np.isnan(samples[1:])]
    if not drawn.size:
        return Interval(float(samples[0]), float("nan"), float("nan"))
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(samples[0]), float(low), float(high))
