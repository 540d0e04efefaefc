"""Precision, recall and F1 over the score threshold at IoU .5, and the confusion matrix of a detector."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from polyhead.metrics.boxes import gather_boxes
from polyhead.metrics.matching import Matches, assign
from polyhead.types import Boxes, Detections

THRESHOLDS = np.linspace(0.0, 1.0, 101)


class Curves(NamedTuple):
    """Precision, recall and F1 of each class (``c``) at each score threshold (``s``).

    Attributes:
        thresholds: detections with at least this score count.
        precision: fraction of the detections that are correct; NaN where there is no detection.
        recall: fraction of the objects that are found; NaN for a class without objects.
        f1: harmonic mean of both, 0 where nothing is found; NaN for a class without objects.
    """

    thresholds: Float[np.ndarray, " s"]
    precision: Float[np.ndarray, "c s"]
    recall: Float[np.ndarray, "c s"]
    f1: Float[np.ndarray, "c s"]


def curves(matches: Matches) -> Curves:
    """Compute precision, recall and F1 over :data:`THRESHOLDS`, at the first IoU threshold of ``matches``."""
    classes = matches.objects.shape[1]
    correct, wrong = (np.zeros((classes, THRESHOLDS.shape[0])) for _ in range(2))  # [c, s]
    for label in range(classes):
        span = matches.class_slice(label)
        # Scores descend; negated, they ascend as searchsorted needs. A score equal to the threshold counts.
        above = np.searchsorted(-matches.scores[span], -THRESHOLDS, side="right")  # [s] number of detections
        hits, skips = matches.hit[0, span], matches.skip[0, span]
        correct[label] = np.append(0, np.cumsum(hits))[above]
        wrong[label] = np.append(0, np.cumsum(~hits & ~skips))[above]
    total = matches.objects.sum(axis=0)[:, None].astype(np.float64)  # [c, 1]
    has_objects = np.broadcast_to(total > 0, correct.shape)
    return Curves(
        THRESHOLDS,
        precision=_fraction(correct, correct + wrong, correct + wrong > 0),
        recall=_fraction(correct, total, has_objects),
        f1=_fraction(2 * correct, correct + wrong + total, has_objects),
    )


def confusion(
    targets: Mapping[str, Boxes], predictions: Mapping[str, Detections], names: Sequence[str], threshold: float = 0.25
) -> Int[np.ndarray, "k k"]:
    """Count how often objects of one class (row) were detected as another (column).

    The last row and the last column are background.
    Detections are matched with objects of any class at IoU .5, best score first. Last column: objects that no detection
    matches. Last row: detections that match no object. Detections of ignored objects are not counted.

    Args:
        targets: all images of the split.
        predictions: detections by image id; a missing id means no detections.
        names: class names.
        threshold: detections below this score are left out.

    Returns:
        A matrix ``[c + 1, c + 1]``.
    """
    target_boxes, predicted = gather_boxes(targets, predictions, names)
    predicted = predicted.take(predicted.scores >= threshold)
    # With all labels 0, a detection may match an object of any class.
    matched_target = assign(
        target_boxes._replace(labels=np.zeros_like(target_boxes.labels)),
        predicted._replace(labels=np.zeros_like(predicted.labels)),
        np.array([0.5]),
    )[0]  # [n] index of the target, or -1
    background = len(names)
    matched = matched_target >= 0
    target_label = np.full(matched_target.shape, background)
    target_label[matched] = target_boxes.labels[matched_target[matched]]
    counted = ~matched
    counted[matched] = ~target_boxes.ignore[matched_target[matched]]
    missed = ~target_boxes.ignore
    missed[matched_target[matched]] = False
    matrix = np.zeros((background + 1, background + 1), dtype=np.int64)
    np.add.at(matrix, (target_label[counted], predicted.labels[counted]), 1)
    np.add.at(matrix, (target_boxes.labels[missed], background), 1)
    return matrix


def _fraction(part: np.ndarray, total: np.ndarray, where: np.ndarray) -> Float[np.ndarray, "c s"]:
    """Divide, with NaN where ``where`` is false."""
    fraction: np.ndarray = np.divide(part, total, out=np.full(part.shape, np.nan), where=where)
    return fraction
