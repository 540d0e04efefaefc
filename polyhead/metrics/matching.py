"""COCO's matching of detections with objects, once for a picture, and average precision from what it found.

What a detection is matched with depends on its own picture alone, so one matching serves every resample of the
pictures, every score threshold and every class average. Equal to pycocotools to 1e-6 (tested), without area ranges.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from polyhead.metrics.boxes import Finds, Objects, gather, pairs
from polyhead.types import Annotation, Detections

IOUS = np.linspace(0.5, 0.95, 10)
"""The overlaps that COCO averages over."""

TOP = 100
"""Detections of one class in one picture that are measured; the best are taken."""

_RECALLS = np.linspace(0.0, 1.0, 101)
_BLOCK = 4_000_000  # weights gathered at a time: 32 MB


class Matches(NamedTuple):
    """What became of each detection; sorted by class, best first within a class.

    Attributes:
        names: class names.
        ious: the overlaps at which it was matched.
        pictures: index of each detection's picture.
        labels: class of each detection.
        scores: score of each detection.
        hit: found an object of its class, at each overlap.
        skip: found only an object to ignore: neither right nor wrong.
        objects: objects to be found in each picture, by class.
    """

    names: list[str]
    ious: Float[np.ndarray, " t"]
    pictures: Int[np.ndarray, " n"]
    labels: Int[np.ndarray, " n"]
    scores: Float[np.ndarray, " n"]
    hit: Bool[np.ndarray, "t n"]
    skip: Bool[np.ndarray, "t n"]
    objects: Int[np.ndarray, "p c"]

    def span(self, label: int) -> slice:
        """Where the detections of one class lie."""
        first, last = np.searchsorted(self.labels, [label, label + 1])
        return slice(int(first), int(last))


def match(
    truths: Sequence[Annotation],
    predictions: Mapping[str, Detections],
    names: Sequence[str],
    ious: Float[np.ndarray, " t"] = IOUS,
) -> Matches:
    """Match the best :data:`TOP` detections of each class and picture with the objects, at each overlap of ``ious``.

    Args:
        truths: all pictures of the split; ``ignore`` means COCO's ``iscrowd``.
        predictions: detections by id, in pixels of the original picture; a missing id means no detections.
        names: class names.
        ious: ascending overlaps in (0, 1].

    Raises:
        PolyheadError: see :func:`polyhead.metrics.boxes.gather`.
    """
    objects, finds = gather(truths, predictions, names)
    groups = finds.pictures * len(names) + finds.labels
    finds = finds.take(_rank(groups, finds.scores) < TOP)
    finds = finds.take(np.lexsort((-finds.scores, finds.labels)))
    chosen = assign(objects, finds, ious)
    matched = chosen >= 0
    ignored = np.zeros(chosen.shape, dtype=np.bool_)
    ignored[matched] = objects.ignore[chosen[matched]]
    return Matches(
        names=list(names),
        ious=ious,
        pictures=finds.pictures,
        labels=finds.labels,
        scores=finds.scores,
        hit=matched & ~ignored,
        skip=ignored,
        objects=objects.per_picture(len(truths), len(names)),
    )


def assign(objects: Objects, finds: Finds, ious: Float[np.ndarray, " t"]) -> Int[np.ndarray, "t n"]:
    """The object that each detection gets at each overlap, or -1.

    The best detection of a picture and class chooses first, and takes the free object that it overlaps most; objects
    to ignore are taken when there is no other, and are never used up. One round of the loop serves the next detection
    of all pictures and classes at once.
    """
    found, true, iou = pairs(objects, finds, crowds=True)
    near = iou >= ious[0]
    found, true, iou = found[near], true[near], iou[near]
    chosen = np.full((ious.shape[0], finds.scores.shape[0]), -1, dtype=np.int64)
    if not found.size:
        return chosen
    candidates = np.unique(found)
    groups = finds.pictures[candidates] * (finds.labels.max() + 1) + finds.labels[candidates]
    turn = np.zeros(finds.scores.shape[0], dtype=np.int64)
    turn[candidates] = _rank(groups, finds.scores[candidates])
    order = np.lexsort((-true, -iou, objects.ignore[true], found, turn[found]))  # last key first; best choice first
    found, true, iou = found[order], true[order], iou[order]
    free = np.ones((ious.shape[0], objects.labels.shape[0]), dtype=np.bool_)
    rounds = np.searchsorted(turn[found], np.arange(turn.max() + 2))
    for first, last in pairwise(rounds):
        who, what = found[first:last], true[first:last]
        starts = np.flatnonzero(np.diff(who, prepend=-1))
        can = (iou[first:last] >= ious[:, None]) & free[:, what]
        place = np.minimum.reduceat(np.where(can, np.arange(what.shape[0]), what.shape[0]), starts, axis=1)
        level, column = np.nonzero(place < what.shape[0])
        taken = what[place[level, column]]
        chosen[level, who[starts[column]]] = taken
        free[level, taken] = objects.ignore[taken]
    return chosen


def average_precision(matches: Matches, weights: Int[np.ndarray, "b p"] | None = None) -> Float[np.ndarray, "b t c"]:
    """COCO's 101-point average precision at each overlap and of each class; NaN for classes without objects.

    Args:
        matches: from :func:`match`.
        weights: how often each picture counts, a row for each resample; every picture once when left out.
    """
    pictures, classes = matches.objects.shape
    if weights is None:
        weights = np.ones((1, pictures), dtype=np.int64)
    result = np.full((weights.shape[0], matches.ious.shape[0], classes), np.nan)
    for label in np.flatnonzero(matches.objects.any(axis=0)):
        span = matches.span(int(label))
        hit, skip = matches.hit[:, span], matches.skip[:, span]
        counted = int(np.flatnonzero(hit.any(axis=0)).max(initial=-1)) + 1  # nothing after the last hit can matter
        rows = max(1, _BLOCK // max(1, counted))
        for start in range(0, weights.shape[0], rows):
            block = weights[start : start + rows]
            result[start : start + rows, :, label] = _precision(
                block[:, matches.pictures[span][:counted]],
                hit[:, :counted],
                skip[:, :counted],
                block @ matches.objects[:, label],
            )
    return result


def _precision(
    weights: Int[np.ndarray, "b n"],
    hit: Bool[np.ndarray, "t n"],
    skip: Bool[np.ndarray, "t n"],
    total: Int[np.ndarray, " b"],
) -> Float[np.ndarray, "b t"]:
    """Average precision of one class; only where something is found can precision matter, so only that is computed."""
    seen = np.cumsum(weights, axis=1)
    result = np.zeros((weights.shape[0], hit.shape[0]))
    for level in range(hit.shape[0]):
        hits, skips = np.flatnonzero(hit[level]), np.flatnonzero(skip[level])
        true = np.cumsum(weights[:, hits], axis=1)
        skipped = np.cumsum(np.pad(weights[:, skips], ((0, 0), (1, 0))), axis=1)[:, np.searchsorted(skips, hits)]
        precision = true / (seen[:, hits] - skipped + np.spacing(1))
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        points = np.searchsorted(_RECALLS, true / np.maximum(total, 1)[:, None], side="right")
        result[:, level] = (best * np.diff(points, axis=1, prepend=0)).sum(axis=1) / _RECALLS.shape[0]
    result[total == 0] = np.nan
    return result


def _rank(groups: Int[np.ndarray, " n"], scores: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Place of each detection within its group, the best first; ties in the given order."""
    order = np.lexsort((-scores, groups))
    ranks = np.empty(groups.shape[0], dtype=np.int64)
    ranks[order] = np.arange(groups.shape[0]) - np.searchsorted(groups[order], groups[order])
    return ranks
