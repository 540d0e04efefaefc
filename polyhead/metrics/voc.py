"""PASCAL VOC's average precision at IoU .5 (Everingham et al., The PASCAL VOC Challenge, IJCV 2010).

Box coordinates here are edges, not the first and last pixel as in VOC's files, so the width is ``x2 - x1`` without 1
added.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from polyhead.metrics.boxes import PredictedBoxes, TargetBoxes, gather_boxes, pair_boxes
from polyhead.types import Boxes, Detections

_IOU = 0.5


class VocClass(NamedTuple):
    """Scores of one class: number of objects (without difficult ones) and AP; NaN for a class without objects."""

    name: str
    objects: int
    ap: float


class VocScores(NamedTuple):
    """Mean AP over the classes that have objects (NaN when none has), each class, and the names of those without."""

    map50: float
    classes: list[VocClass]
    absent: list[str]


def voc(
    targets: Mapping[str, Boxes],
    predictions: Mapping[str, Detections],
    names: Sequence[str],
    year: Literal[2007, 2010] = 2007,
) -> VocScores:
    """Compute VOC's scores; unlike COCO's, they use every detection, without a limit for each image.

    Args:
        targets: all images of the split; ``ignore`` means ``difficult``.
        predictions: detections by image id, in pixels of the original image; a missing id means no detections.
        names: class names.
        year: 2007 for the mean of precision at eleven recalls, 2010 for the area under the curve.

    Raises:
        PolyheadError: see :func:`polyhead.metrics.boxes.gather_boxes`.
    """
    target_boxes, predicted = gather_boxes(targets, predictions, names)
    # by class, then by descending score (lexsort sorts by its last key first)
    predicted = predicted.take(np.lexsort((-predicted.scores, predicted.labels)))
    hit, skip = _match(target_boxes, predicted)
    counts = target_boxes.count_per_image(len(targets), len(names)).sum(axis=0)
    curve = {2007: eleven_points, 2010: area}[year]
    classes = []
    for label, (name, count) in enumerate(zip(names, counts.tolist(), strict=True)):
        counted = (predicted.labels == label) & ~skip
        classes.append(VocClass(name, count, curve(hit[counted], count) if count else float("nan")))
    present = [score.ap for score in classes if score.objects]
    mean = float(np.mean(present)) if present else float("nan")
    return VocScores(mean, classes, [score.name for score in classes if not score.objects])


def _match(targets: TargetBoxes, predicted: PredictedBoxes) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Return which detections, given by descending score, match an object, and which match a difficult one.

    Each detection is compared only with the object that it overlaps most. Where a better detection has matched that
    object, it is wrong.
    """
    detection, target, iou = pair_boxes(targets, predicted, crowds=False)  # [pairs] each
    order = np.lexsort((target, -iou, detection))  # by detection, then by descending IoU
    detection, target, iou = detection[order], target[order], iou[order]
    best = (np.diff(detection, prepend=-1) != 0) & (
        iou >= _IOU
    )  # the first pair of each detection, if it overlaps enough
    detection, target = detection[best], target[best]
    hit = np.zeros(predicted.scores.shape[0], dtype=np.bool_)
    skip = hit.copy()
    skip[detection[targets.ignore[target]]] = True
    # np.unique gives the first pair of each object: the one with the highest-scoring detection
    hit[detection[np.unique(target, return_index=True)[1]]] = True
    return hit & ~skip, skip


def eleven_points(hit: Bool[np.ndarray, " n"], total: int) -> float:
    """Compute the mean over recalls 0, .1 … 1 of the best precision at that recall or a higher one.

    Args:
        hit: whether each detection of a class is correct, by descending score.
        total: number of objects, at least 1.
    """
    correct = np.cumsum(hit)
    best = _envelope(correct)
    first = np.searchsorted(correct * 10, np.arange(11) * total)  # recall >= k / 10, in integers, so without rounding
    return float(np.append(best, 0.0)[first].sum() / 11)


def area(hit: Bool[np.ndarray, " n"], total: int) -> float:
    """Compute the area under the monotone precision-recall curve; arguments as in :func:`eleven_points`."""
    return float(_envelope(np.cumsum(hit))[hit].sum() / total)


def _envelope(correct: np.ndarray) -> Float[np.ndarray, " n"]:
    """Return the best precision at each detection's recall or a higher one."""
    precision = correct / np.arange(1, correct.shape[0] + 1)
    return np.maximum.accumulate(precision[::-1])[::-1]
