"""PASCAL VOC's average precision at overlap .5 (Everingham et al., The PASCAL VOC Challenge, IJCV 2010).

Boxes here are edges, not the first and last pixel as in VOC's files, so width is ``x2 - x1`` and no 1 is added.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from polyhead.metrics.boxes import Finds, Objects, gather, pairs
from polyhead.types import Annotation, Detections

_IOU = 0.5


class VocClass(NamedTuple):
    """One class: its objects to be found (difficult ones left out) and AP; NaN for a class without objects."""

    name: str
    objects: int
    ap: float


class VocScores(NamedTuple):
    """Mean AP over the classes that have objects (NaN when none has), each class, and the names of those without."""

    map50: float
    classes: list[VocClass]
    absent: list[str]


def voc(
    truths: Sequence[Annotation],
    predictions: Mapping[str, Detections],
    names: Sequence[str],
    year: Literal[2007, 2010] = 2007,
) -> VocScores:
    """VOC's scores; unlike COCO's, with every detection, however many there are in a picture.

    Args:
        truths: all pictures of the split; ``ignore`` means ``difficult``.
        predictions: detections by id, in pixels of the original picture; a missing id means no detections.
        names: class names.
        year: 2007 for the mean of precision at eleven recalls, 2010 for the area under the curve.

    Raises:
        PolyheadError: see :func:`polyhead.metrics.boxes.gather`.
    """
    objects, finds = gather(truths, predictions, names)
    finds = finds.take(np.lexsort((-finds.scores, finds.labels)))
    hit, skip = _judge(objects, finds)
    counts = objects.per_picture(len(truths), len(names)).sum(axis=0)
    curve = {2007: eleven_points, 2010: area}[year]
    classes = []
    for label, (name, count) in enumerate(zip(names, counts.tolist(), strict=True)):
        kept = (finds.labels == label) & ~skip
        classes.append(VocClass(name, count, curve(hit[kept], count) if count else float("nan")))
    present = [score.ap for score in classes if score.objects]
    mean = float(np.mean(present)) if present else float("nan")
    return VocScores(mean, classes, [score.name for score in classes if not score.objects])


def _judge(objects: Objects, finds: Finds) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Which detections, given best first, find an object, and which find a difficult one.

    Each detection looks only at the object that it overlaps most; where that one is already found, it is wrong.
    """
    found, true, iou = pairs(objects, finds, crowds=False)
    order = np.lexsort((true, -iou, found))
    found, true, iou = found[order], true[order], iou[order]
    best = (np.diff(found, prepend=-1) != 0) & (iou >= _IOU)
    found, true = found[best], true[best]
    hit = np.zeros(finds.scores.shape[0], dtype=np.bool_)
    skip = hit.copy()
    skip[found[objects.ignore[true]]] = True
    hit[found[np.unique(true, return_index=True)[1]]] = True
    return hit & ~skip, skip


def eleven_points(hit: Bool[np.ndarray, " n"], total: int) -> float:
    """Mean over recalls 0, .1 … 1 of the best precision at that recall or beyond; recalls are compared as fractions.

    Args:
        hit: whether each detection of a class is right, best first.
        total: objects to be found, at least 1.
    """
    true = np.cumsum(hit)
    best = _envelope(true)
    first = np.searchsorted(true * 10, np.arange(11) * total)  # recall >= k / 10
    return float(np.append(best, 0.0)[first].sum() / 11)


def area(hit: Bool[np.ndarray, " n"], total: int) -> float:
    """Area under the precision-recall curve made monotone; arguments as in :func:`eleven_points`."""
    return float(_envelope(np.cumsum(hit))[hit].sum() / total)


def _envelope(true: np.ndarray) -> Float[np.ndarray, " n"]:
    precision = true / np.arange(1, true.shape[0] + 1)
    return np.maximum.accumulate(precision[::-1])[::-1]
