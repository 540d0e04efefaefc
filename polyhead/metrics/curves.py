"""What happens at overlap .5 when the score threshold moves, and which classes are taken for which. No drawing."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from polyhead.metrics.boxes import gather
from polyhead.metrics.matching import Matches, assign
from polyhead.types import Annotation, Detections

THRESHOLDS = np.linspace(0.0, 1.0, 101)


class Curves(NamedTuple):
    """Figures of each class at each score threshold.

    Attributes:
        thresholds: scores; detections with at least this score count.
        precision: share of the detections that are right; NaN where there is none.
        recall: share of the objects that are found; NaN for a class without objects.
        f1: harmonic mean of both, 0 where nothing is found; NaN for a class without objects.
    """

    thresholds: Float[np.ndarray, " s"]
    precision: Float[np.ndarray, "c s"]
    recall: Float[np.ndarray, "c s"]
    f1: Float[np.ndarray, "c s"]


def curves(matches: Matches) -> Curves:
    """Precision, recall and F1 over :data:`THRESHOLDS`, at the first overlap of ``matches``."""
    classes = matches.objects.shape[1]
    right, wrong = (np.zeros((classes, THRESHOLDS.shape[0])) for _ in range(2))
    for label in range(classes):
        span = matches.span(label)
        kept = np.searchsorted(-matches.scores[span], -THRESHOLDS, side="right")
        hits, skips = matches.hit[0, span], matches.skip[0, span]
        right[label] = np.append(0, np.cumsum(hits))[kept]
        wrong[label] = np.append(0, np.cumsum(~hits & ~skips))[kept]
    total = matches.objects.sum(axis=0)[:, None].astype(np.float64)
    some = np.broadcast_to(total > 0, right.shape)
    return Curves(
        THRESHOLDS,
        precision=_share(right, right + wrong, right + wrong > 0),
        recall=_share(right, total, some),
        f1=_share(2 * right, right + wrong + total, some),
    )


def confusion(
    truths: Sequence[Annotation], predictions: Mapping[str, Detections], names: Sequence[str], threshold: float = 0.25
) -> Int[np.ndarray, "k k"]:
    """How often objects of one class (row) were taken for another (column); the last row and column are background.

    Detections are matched with objects of any class at overlap .5, best score first. Last column: objects that nothing
    found. Last row: detections of nothing. What lies on an object to ignore is not counted.

    Args:
        truths: all pictures of the split.
        predictions: detections by id; a missing id means no detections.
        names: class names.
        threshold: detections below this score are left out.
    """
    objects, finds = gather(truths, predictions, names)
    finds = finds.take(finds.scores >= threshold)
    chosen = assign(
        objects._replace(labels=np.zeros_like(objects.labels)),
        finds._replace(labels=np.zeros_like(finds.labels)),
        np.array([0.5]),
    )[0]
    background = len(names)
    found = chosen >= 0
    true = np.full(chosen.shape, background)
    true[found] = objects.labels[chosen[found]]
    counted = ~found
    counted[found] = ~objects.ignore[chosen[found]]
    missed = ~objects.ignore
    missed[chosen[found]] = False
    matrix = np.zeros((background + 1, background + 1), dtype=np.int64)
    np.add.at(matrix, (true[counted], finds.labels[counted]), 1)
    np.add.at(matrix, (objects.labels[missed], background), 1)
    return matrix


def _share(part: np.ndarray, whole: np.ndarray, where: np.ndarray) -> Float[np.ndarray, "c s"]:
    share: np.ndarray = np.divide(part, whole, out=np.full(part.shape, np.nan), where=where)
    return share
