"""What is derived from tested detections: plots, confusion, and the cases and gains of the error analysis."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from polyhead.boxes.overlap import box_area, intersection
from polyhead.contracts.analyzed import Analyzable, Cases, Gains
from polyhead.contracts.kind import Tested
from polyhead.metrics.box_errors import CONFIDENT, image_errors
from polyhead.metrics.curves import confusion, curves
from polyhead.metrics.matching import average_precision, match
from polyhead.metrics.pooled import TestedBoxes
from polyhead.metrics.tide import tide
from polyhead.plotting import box_plots
from polyhead.plotting.figures import confusion_matrix
from polyhead.types import Detections, Size

NOTHING = Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))


def plots(tested: TestedBoxes, subject: str, file: Callable[[str], Path]) -> list[Path]:
    """Plot precision over recall, F1 over the score threshold, and the confusion matrix."""
    names = tested.names
    matches = match(tested.targets, tested.predictions, names, np.array([0.5]))
    steps, ap50 = curves(matches), average_precision(matches)[0, 0]
    title = f"confusion, IoU 0.5, score {CONFIDENT} and above\n{subject}"
    return [
        box_plots.precision_recall(steps.recall, steps.precision, ap50, names, subject, file("pr_curve")),
        box_plots.f1(steps.thresholds, steps.f1, names, subject, file("f1_curve")),
        confusion_matrix(confusions(tested), names, file("confusion_matrix"), title),
    ]


def confusions(tested: TestedBoxes) -> Int[np.ndarray, "k k"]:
    """Return how often objects of a class (row) were detected as another (column); the last ones are background."""
    return confusion(tested.targets, tested.predictions, tested.names, CONFIDENT)


def gains(tested: TestedBoxes, weights: Int[np.ndarray, "b n"]) -> Gains:
    """Return what fixing each of TIDE's types of error would gain."""
    return tide(tested.targets, tested.predictions, tested.names, weights)


def cases(tested: TestedBoxes) -> list[Cases]:
    """Return the objects, wrong where not found, and the detections with a score of at least .25, wrong or correct.

    Their size is the side of a square of their area, as a fraction of that of the image. An object is crowded by the
    other objects that its box shares pixels with.
    """
    objects, detections = [], []
    for index, (image_id, target) in enumerate(tested.targets.items()):
        predicted = tested.predictions.get(image_id, NOTHING)
        errors = image_errors(target, predicted)
        real, count = ~target.ignore, int((~target.ignore).sum())
        boxes = target.boxes[real]  # [n, 4]
        crowd = (intersection(boxes, boxes) > 0).sum(1) - (box_area(boxes) > 0).long()  # [n] without itself
        found = predicted.take(errors.detections)
        objects.append(_rows(index, ~errors.found, target.labels[real], _sides(boxes, target.size), count, crowd))
        sides = _sides(found.boxes, target.size)
        detections.append(_rows(index, errors.kinds >= 0, found.labels, sides, count))
    facts = ("size", "objects in the image", "overlapping objects")
    return [
        _cases("objects not found", "objects", torch.cat(objects), facts),
        _cases("wrong boxes", "boxes", torch.cat(detections), facts[:2]),
    ]


def _sides(boxes: Float[Tensor, "n 4"], size: Size) -> Float[Tensor, " n"]:
    """Return the side of a square of the area of each box, as a fraction of that of the image."""
    return (box_area(boxes) / (size[0] * size[1])).sqrt()


def _rows(image: int, wrong: Tensor, labels: Tensor, sides: Tensor, count: int, *more: Tensor) -> Tensor:
    """Return image, wrong, class, size, number of objects and more of each case as columns, ``[n, 5 + more]``."""
    constants = [torch.full(labels.shape, float(number)) for number in (image, count)]
    return torch.stack([constants[0], wrong.float(), labels.float(), sides, constants[1], *more], dim=1).double()


def _cases(title: str, unit: str, rows: Float[Tensor, "n k"], facts: tuple[str, ...]) -> Cases:
    """Return the cases of the rows of all images."""
    samples, wrong, labels, *values = rows.numpy().T
    table = dict(zip(facts, values, strict=True))
    return Cases(title, unit, samples.astype(np.int64), wrong.astype(np.bool_), labels.astype(np.int64), table)


class BoxResults(Analyzable):
    """The results of a detection task."""

    def plot_results(self, tested: Tested, subject: str, file: Callable[[str], Path]) -> list[Path]:
        """Plot precision over recall, F1 over the score threshold, and the confusion matrix."""
        assert isinstance(tested, TestedBoxes)
        return plots(tested, subject, file)

    def confusion(self, tested: TestedBoxes) -> np.ndarray:
        """Count objects by their class and that of the detection that matches, with a score of at least .25."""
        return confusions(tested)

    def cases(self, tested: TestedBoxes) -> list[Cases]:
        """Return the objects and the detections with a score of at least .25."""
        return cases(tested)

    def gains(self, tested: TestedBoxes, weights: np.ndarray) -> Gains:
        """Return the gains of TIDE's types of error."""
        return gains(tested, weights)
