"""COCO's scores of a detector (Lin et al., Microsoft COCO, ECCV 2014), as pycocotools computes them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from polyhead.metrics.boxes import Finds, Objects, gather
from polyhead.metrics.matching import average_precision, match
from polyhead.types import Annotation, Detections

FREQUENT = 5
"""Test objects from which on a class's own AP says something."""


class ClassScore(NamedTuple):
    """One class: its objects to be found (crowds left out), AP and AP50; NaN for a class without objects."""

    name: str
    objects: int
    ap: float
    ap50: float


class CocoScores(NamedTuple):
    """COCO's twelve numbers in their order, and what stands behind them; 0..1, or NaN where there is nothing to find.

    Attributes:
        ap: mean over ten overlaps (.5 to .95) and all classes that have objects.
        ap50, ap75: at one overlap.
        ap_small, ap_medium, ap_large: objects of less than 32², up to 96² and more pixels (``Annotation.areas``).
        ar1, ar10, ar100: recall with so many detections of each class in a picture.
        ar_small, ar_medium, ar_large: recall by size.
        classes: every class, in the order of ``names``.
        absent: names of classes without objects; they are in no mean.
        ap_frequent, ap50_frequent: means over the classes with at least :data:`FREQUENT` objects.
        pictures, objects: how many there were to measure.
    """

    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar1: float
    ar10: float
    ar100: float
    ar_small: float
    ar_medium: float
    ar_large: float
    classes: list[ClassScore]
    absent: list[str]
    ap_frequent: float
    ap50_frequent: float
    pictures: int
    objects: int


def coco(truths: Sequence[Annotation], predictions: Mapping[str, Detections], names: Sequence[str]) -> CocoScores:
    """COCO's scores.

    Args:
        truths: all pictures of the split; ``ignore`` means COCO's ``iscrowd``, ``areas`` choose the size range.
        predictions: detections by id, in pixels of the original picture; a missing id means no detections.
        names: class names.

    Raises:
        PolyheadError: see :func:`polyhead.metrics.boxes.gather`.
    """
    objects, finds = gather(truths, predictions, names)
    evaluation = _evaluate(objects, finds, len(truths), len(names))
    twelve = np.where(evaluation.stats < 0, np.nan, evaluation.stats).tolist()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]  # overlap, recall, class; all sizes, 100 detections
    precision = np.where(precision < 0, np.nan, precision)
    ap, ap50 = precision.mean(axis=(0, 1)), precision[0].mean(axis=0)
    counts = objects.per_picture(len(truths), len(names)).sum(axis=0)
    classes = [
        ClassScore(name, int(count), float(own), float(own50))
        for name, count, own, own50 in zip(names, counts, ap, ap50, strict=True)
    ]
    return CocoScores(
        **dict(zip(CocoScores._fields[:12], twelve, strict=True)),
        classes=classes,
        absent=[score.name for score in classes if not score.objects],
        ap_frequent=_frequent_mean(ap, counts),
        ap50_frequent=_frequent_mean(ap50, counts),
        pictures=len(truths),
        objects=int(counts.sum()),
    )


def map50(truths: Sequence[Annotation], predictions: Mapping[str, Detections], names: Sequence[str]) -> float:
    """COCO's AP50 alone, about ten times faster than :func:`coco`: for validation in training. NaN without objects."""
    aps = average_precision(match(truths, predictions, names, np.array([0.5])))[0, 0]
    present = aps[~np.isnan(aps)]
    return float(present.mean()) if present.size else float("nan")


def _frequent_mean(values: Float[np.ndarray, " c"], counts: Int[np.ndarray, " c"]) -> float:
    chosen = values[counts >= FREQUENT]
    return float(chosen.mean()) if chosen.size else float("nan")


def _evaluate(objects: Objects, finds: Finds, pictures: int, classes: int) -> Any:
    from faster_coco_eval import COCO, COCOeval_faster

    def silent(*_: object) -> None:
        """The library tells its progress; we do not."""

    def table(boxes: Objects | Finds, columns: dict[str, list[Any]]) -> Any:
        sides = np.concatenate([boxes.boxes[:, :2], boxes.boxes[:, 2:] - boxes.boxes[:, :2]], axis=1)
        columns = {
            "id": list(range(1, len(sides) + 1)),  # 0 would mean "not matched"
            "image_id": boxes.pictures.tolist(),
            "category_id": boxes.labels.tolist(),
            "bbox": sides.tolist(),
            **columns,
        }
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        images = [{"id": index} for index in range(pictures)]
        categories = [{"id": index} for index in range(classes)]
        content = {"images": images, "categories": categories, "annotations": rows}
        return COCO(content, print_function=silent)

    truth = table(objects, {"area": objects.areas.tolist(), "iscrowd": objects.ignore.astype(int).tolist()})
    areas = (finds.boxes[:, 2:] - finds.boxes[:, :2]).prod(axis=1)
    found = table(finds, {"area": areas.tolist(), "score": finds.scores.tolist(), "iscrowd": [0] * areas.shape[0]})
    evaluation = COCOeval_faster(truth, found, iouType="bbox", print_function=silent)
    evaluation.run()
    return evaluation
