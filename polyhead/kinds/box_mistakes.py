"""The mistakes of a detector in one image, in words: the six kinds of :mod:`polyhead.metrics.box_errors`."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from polyhead.boxes.overlap import box_area, pairwise_iou
from polyhead.contracts.explained import Mistake
from polyhead.contracts.operating import Conf
from polyhead.kinds.box_decisions import lowest, reach
from polyhead.metrics.box_errors import KINDS, ImageErrors, image_errors
from polyhead.types import Boxes, Detections

MATCH = 0.5
"""IoU from which a box matches an object."""


def box_mistakes(target: Boxes, predicted: Detections, names: Sequence[str], conf: Conf) -> list[Mistake]:
    """Return the wrong detections and the missed objects of an image.

    The severity of a wrong detection is its score: the surer, the worse. That of a missed object is the fraction of the
    image that its box covers: the easier to see, the worse.

    Args:
        target: the objects.
        predicted: all detections, in pixels of the original image, best first.
        names: class names.
        conf: lowest score of the detections that count; a lower one can show why an object was missed.
    """
    errors = image_errors(target, predicted, lowest(predicted, conf), match=MATCH)
    sure = reach(predicted, conf)
    return [*_wrong(errors, target, predicted, names), *_missed(errors, target, predicted, names, sure)]


def _wrong(errors: ImageErrors, target: Boxes, predicted: Detections, names: Sequence[str]) -> Iterator[Mistake]:
    """Yield the wrong detections."""
    boxes, labels = target.boxes[~target.ignore], target.labels[~target.ignore]  # [n, 4], [n]
    columns = (errors.detections, errors.kinds, errors.objects)
    for number, kind, index in zip(*(column.tolist() for column in columns), strict=True):
        if kind < 0:  # correct
            continue
        box, score = predicted.boxes[number], float(predicted.scores[number])
        found, meant = names[int(predicted.labels[number])], "" if index < 0 else names[int(labels[index])]
        overlap = 0.0 if index < 0 else float(pairwise_iou(box[None], boxes[index][None]))
        text = {
            "classification": f"{meant} taken for {found}",
            "localisation": f"inexact box of {found} (IoU {overlap:.2f})",
            "both": f"{meant} taken for {found}, and inexact box (IoU {overlap:.2f})",
            "duplicate": f"second box of the same {found}",
            "background": f"{found} where nothing is annotated",
        }[KINDS[kind]]
        yield Mistake(KINDS[kind], f"{text}, score {score:.2f}", score, number, _copy(box))


def _missed(
    errors: ImageErrors, target: Boxes, predicted: Detections, names: Sequence[str], sure: Tensor
) -> Iterator[Mistake]:
    """Yield the missed objects, each with the best detection that matches it and is not ``sure`` enough: ``[d]``."""
    boxes, labels = target.boxes[~target.ignore], target.labels[~target.ignore]  # [n, 4], [n]
    iou = pairwise_iou(predicted.boxes, boxes)  # [d, n]
    weak = (iou >= MATCH) & (predicted.labels[:, None] == labels) & ~sure[:, None]  # [d, n]
    for index in errors.missed.nonzero()[:, 0].tolist():
        number = next(iter(weak[:, index].nonzero()[:, 0].tolist()), None)  # the first is the best
        score = "no box" if number is None else f"best score {float(predicted.scores[number]):.2f}"
        covered = min(1.0, float(box_area(boxes[index])) / (target.size[0] * target.size[1]))
        yield Mistake("missed", f"missed {names[int(labels[index])]} ({score})", covered, number, _copy(boxes[index]))


def _copy(box: Tensor) -> Tensor:
    """Return a box of its own: a view would hold all boxes of the image in memory."""
    return box.clone()
