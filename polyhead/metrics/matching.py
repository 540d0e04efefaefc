"""COCO's matching of detections with objects, and average precision from the matches.

The match of a detection depends on its own image alone, so one matching serves every resample of the images, every
score threshold and every average over classes. The results equal those of pycocotools to 1e-6 (tested); area ranges are
not supported.

Shapes:

==========  ==========================================================================================
``t``       IoU thresholds (10 for COCO's AP)
``n``       detections; in :class:`Matches` sorted by class, then by descending score
``m``       objects (target boxes)
``k``       candidate pairs of a detection and an object of the same image and class
``p``       images
``c``       classes
``b``       resamples of the images
==========  ==========================================================================================
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from polyhead.metrics.boxes import PredictedBoxes, TargetBoxes, gather_boxes, pair_boxes
from polyhead.types import Boxes, Detections

IOUS = np.linspace(0.5, 0.95, 10)
"""The IoU thresholds that COCO averages over."""

TOP = 100
"""The highest-scoring detections of each class and image that are evaluated."""

_RECALLS = np.linspace(0.0, 1.0, 101)
_BLOCK = 4_000_000  # weights that are gathered at a time: 32 MB


class Matches(NamedTuple):
    """The outcome of each detection; sorted by class, and by descending score within a class.

    Attributes:
        names: class names.
        ious: IoU thresholds of the matching.
        image_idx: index of each detection's image.
        labels: class index of each detection.
        scores: score of each detection.
        hit: whether the detection matches an object of its class, at each IoU threshold.
        skip: whether it matches only an ignored object, and counts as neither correct nor wrong.
        objects: number of objects in each image, by class, without ignored ones.
    """

    names: list[str]
    ious: Float[np.ndarray, " t"]
    image_idx: Int[np.ndarray, " n"]
    labels: Int[np.ndarray, " n"]
    scores: Float[np.ndarray, " n"]
    hit: Bool[np.ndarray, "t n"]
    skip: Bool[np.ndarray, "t n"]
    objects: Int[np.ndarray, "p c"]

    def class_slice(self, label: int) -> slice:
        """Return the slice of the detections of one class."""
        first, last = np.searchsorted(self.labels, [label, label + 1])
        return slice(int(first), int(last))


def match(
    targets: Mapping[str, Boxes],
    predictions: Mapping[str, Detections],
    names: Sequence[str],
    ious: Float[np.ndarray, " t"] = IOUS,
) -> Matches:
    """Match the best :data:`TOP` detections of each class and image with the objects, at each IoU threshold.

    Args:
        targets: all images of the split; ``ignore`` means COCO's ``iscrowd``.
        predictions: detections by image id, in pixels of the original image; a missing id means no detections.
        names: class names.
        ious: ascending IoU thresholds in (0, 1].

    Raises:
        PolyheadError: see :func:`polyhead.metrics.boxes.gather_boxes`.
    """
    target_boxes, predicted = gather_boxes(targets, predictions, names)
    groups = predicted.image_idx * len(names) + predicted.labels  # one integer per (image, class)
    predicted = predicted.take(_rank(groups, predicted.scores) < TOP)
    # by class, then by descending score (lexsort sorts by its last key first, and is stable)
    predicted = predicted.take(np.lexsort((-predicted.scores, predicted.labels)))
    target_idx = assign(target_boxes, predicted, ious)  # [t, n]
    matched = target_idx >= 0
    ignored = np.zeros(target_idx.shape, dtype=np.bool_)
    ignored[matched] = target_boxes.ignore[target_idx[matched]]
    return Matches(
        names=list(names),
        ious=ious,
        image_idx=predicted.image_idx,
        labels=predicted.labels,
        scores=predicted.scores,
        hit=matched & ~ignored,
        skip=ignored,
        objects=target_boxes.count_per_image(len(targets), len(names)),
    )


def assign(targets: TargetBoxes, predicted: PredictedBoxes, ious: Float[np.ndarray, " t"]) -> Int[np.ndarray, "t n"]:
    """Return the index of the object that each detection is matched with at each IoU threshold, or -1.

    Within an image and class, detections choose in the order of their scores. Each takes the free object that it
    overlaps most. An ignored object is taken only where no other is left, and stays free for further detections.

    One iteration of the loop serves one detection of *every* image and class at once: the first iteration the best
    ones, the second iteration the second best, and so on. Detections of one iteration never compete for an object,
    because they differ in image or class.
    """
    detection, target, iou = pair_boxes(targets, predicted, crowds=True)  # [k] each
    near = iou >= ious[0]  # a lower overlap matches at no threshold
    detection, target, iou = detection[near], target[near], iou[near]
    matched_target = np.full((ious.shape[0], predicted.scores.shape[0]), -1, dtype=np.int64)  # [t, n]
    if not detection.size:
        return matched_target

    # turn: the iteration in which a detection chooses, its rank among the detections of its image and class that
    # overlap any object. Others never match, so leaving them out saves iterations.
    candidates = np.unique(detection)
    groups = predicted.image_idx[candidates] * (predicted.labels.max() + 1) + predicted.labels[candidates]
    turn = np.zeros(predicted.scores.shape[0], dtype=np.int64)  # [n]
    turn[candidates] = _rank(groups, predicted.scores[candidates])

    # Sort the pairs by turn, then by detection, then by preference: objects before ignored ones, higher IoU first, and
    # of equal IoU the later object, as in pycocotools. lexsort takes its keys in reverse order of importance.
    order = np.lexsort((-target, -iou, targets.ignore[target], detection, turn[detection]))
    detection, target, iou = detection[order], target[order], iou[order]

    free = np.ones((ious.shape[0], targets.labels.shape[0]), dtype=np.bool_)  # [t, m]
    # The pairs of iteration i are those from rounds[i] to rounds[i + 1].
    rounds = np.searchsorted(turn[detection], np.arange(turn.max() + 2))
    for first, last in pairwise(rounds):
        choosing, options = detection[first:last], target[first:last]  # [k_i] pairs of this iteration
        starts = np.flatnonzero(np.diff(choosing, prepend=-1))  # first pair of each detection
        available = (iou[first:last] >= ious[:, None]) & free[:, options]  # [t, k_i]
        # The pairs of a detection are in order of preference, so its choice is its first available pair: the minimum of
        # the pair indices, with k_i (no pair) where the object is not available. reduceat takes the minimum over each
        # detection's stretch of pairs.
        none = options.shape[0]
        choice = np.minimum.reduceat(np.where(available, np.arange(none), none), starts, axis=1)  # [t, detections]
        level, column = np.nonzero(choice < none)  # threshold and detection of each new match
        taken = options[choice[level, column]]
        matched_target[level, choosing[starts[column]]] = taken
        free[level, taken] = targets.ignore[taken]  # an ignored object stays free
    return matched_target


def average_precision(matches: Matches, weights: Int[np.ndarray, "b p"] | None = None) -> Float[np.ndarray, "b t c"]:
    """Compute COCO's 101-point average precision of each class at each IoU threshold; NaN for a class without objects.

    Args:
        matches: from :func:`match`.
        weights: how often each image counts, a row for each resample; None counts every image once.
    """
    images, classes = matches.objects.shape
    if weights is None:
        weights = np.ones((1, images), dtype=np.int64)
    result = np.full((weights.shape[0], matches.ious.shape[0], classes), np.nan)  # [b, t, c]
    for label in np.flatnonzero(matches.objects.any(axis=0)):
        span = matches.class_slice(int(label))
        hit, skip = matches.hit[:, span], matches.skip[:, span]  # [t, n_class]
        # Detections after the last hit cannot change the average precision.
        counted = int(np.flatnonzero(hit.any(axis=0)).max(initial=-1)) + 1
        rows = max(1, _BLOCK // max(1, counted))  # resamples at a time, to bound the memory
        for start in range(0, weights.shape[0], rows):
            block = weights[start : start + rows]
            result[start : start + rows, :, label] = _precision(
                block[:, matches.image_idx[span][:counted]],
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
    """Compute the average precision of one class; NaN for a resample without objects.

    Recall rises only at a hit, so precision is computed at the hits alone: ``h`` of the ``n`` detections.

    Args:
        weights: how often each detection counts: the weight of its image.
        hit: see :class:`Matches`.
        skip: see :class:`Matches`.
        total: number of objects in each resample.
    """
    seen = np.cumsum(weights, axis=1)  # [b, n] detections up to each one, by descending score
    result = np.zeros((weights.shape[0], hit.shape[0]))  # [b, t]
    for level in range(hit.shape[0]):
        hits, skips = np.flatnonzero(hit[level]), np.flatnonzero(skip[level])  # [h], [skips]
        correct = np.cumsum(weights[:, hits], axis=1)  # [b, h]
        # Skipped detections before each hit. The leading zero column stands for "no skip before".
        skipped = np.cumsum(np.pad(weights[:, skips], ((0, 0), (1, 0))), axis=1)[:, np.searchsorted(skips, hits)]
        precision = correct / (seen[:, hits] - skipped + np.spacing(1))  # [b, h]; spacing avoids 0 / 0
        # COCO interpolates: the precision at a recall is the best precision at that recall or a higher one.
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]  # [b, h]
        # Number of the 101 recall points up to each hit's recall. Their difference is the number of points at which the
        # hit's precision counts; recall points that are never reached count as 0.
        points = np.searchsorted(_RECALLS, correct / np.maximum(total, 1)[:, None], side="right")  # [b, h]
        result[:, level] = (best * np.diff(points, axis=1, prepend=0)).sum(axis=1) / _RECALLS.shape[0]
    result[total == 0] = np.nan
    return result


def _rank(groups: Int[np.ndarray, " n"], scores: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Return the rank of each detection within its group, 0 for the best score; ties in the given order."""
    order = np.lexsort((-scores, groups))  # by group, then by descending score
    ranks = np.empty(groups.shape[0], dtype=np.int64)
    # position in the sorted order less the position of the group's first detection
    ranks[order] = np.arange(groups.shape[0]) - np.searchsorted(groups[order], groups[order])
    return ranks
