"""COCO's scores of a detector (Lin et al., Microsoft COCO, ECCV 2014), as pycocotools computes them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from polyhead.metrics.boxes import PredictedBoxes, TargetBoxes, gather_boxes
from polyhead.metrics.matching import average_precision, match
from polyhead.types import Boxes, Detections

FREQUENT = 5
"""A class needs at least this many test objects for its own AP to be meaningful."""


class ClassScore(NamedTuple):
    """Scores of one class: number of objects (without crowds), AP and AP50; NaN for a class without objects."""

    name: str
    objects: int
    ap: float
    ap50: float


class CocoScores(NamedTuple):
    """COCO's twelve numbers in their order, and the scores of each class; in 0..1, or NaN where there are no objects.

    Attributes:
        ap: mean over ten IoU thresholds (.5 to .95) and all classes that have objects.
        ap50, ap75: at one IoU threshold.
        ap_small, ap_medium, ap_large: objects of less than 32², up to 96², and more pixels (``Boxes.areas``).
        ar1, ar10, ar100: recall with at most 1, 10 and 100 detections of each class in an image.
        ar_small, ar_medium, ar_large: recall by object size.
        classes: scores of every class, in the order of ``names``.
        absent: names of classes without objects; they are not part of any mean.
        ap_frequent, ap50_frequent: means over the classes with at least :data:`FREQUENT` objects.
        images, objects: number of images and of objects (without crowds).
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
    images: int
    objects: int


def coco(targets: Mapping[str, Boxes], predictions: Mapping[str, Detections], names: Sequence[str]) -> CocoScores:
    """Compute COCO's scores.

    Args:
        targets: all images of the split; ``ignore`` means COCO's ``iscrowd``, ``areas`` choose the size range.
        predictions: detections by image id, in pixels of the original image; a missing id means no detections.
        names: class names.

    Raises:
        PolyheadError: see :func:`polyhead.metrics.boxes.gather_boxes`.
    """
    target_boxes, predicted_boxes = gather_boxes(targets, predictions, names)
    evaluation = _evaluate(target_boxes, predicted_boxes, len(targets), len(names))
    twelve = np.where(evaluation.stats < 0, np.nan, evaluation.stats).tolist()  # -1 means "no objects"
    # [iou, recall, class, size, max detections] -> [iou, recall, class]: all sizes, 100 detections
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    precision = np.where(precision < 0, np.nan, precision)
    ap, ap50 = precision.mean(axis=(0, 1)), precision[0].mean(axis=0)  # [c]
    counts = target_boxes.count_per_image(len(targets), len(names)).sum(axis=0)  # [c]
    classes = [
        ClassScore(name, int(count), float(class_ap), float(class_ap50))
        for name, count, class_ap, class_ap50 in zip(names, counts, ap, ap50, strict=True)
    ]
    return CocoScores(
        **dict(zip(CocoScores._fields[:12], twelve, strict=True)),
        classes=classes,
        absent=[score.name for score in classes if not score.objects],
        ap_frequent=_frequent_mean(ap, counts),
        ap50_frequent=_frequent_mean(ap50, counts),
        images=len(targets),
        objects=int(counts.sum()),
    )


def map50(targets: Mapping[str, Boxes], predictions: Mapping[str, Detections], names: Sequence[str]) -> float:
    """Compute COCO's AP50 alone, for validation during training; NaN without objects.

    It is about ten times faster than :func:`coco`.
    """
    aps = average_precision(match(targets, predictions, names, np.array([0.5])))[0, 0]  # [c]
    present = aps[~np.isnan(aps)]
    return float(present.mean()) if present.size else float("nan")


def _frequent_mean(values: Float[np.ndarray, " c"], counts: Int[np.ndarray, " c"]) -> float:
    selected = values[counts >= FREQUENT]
    return float(selected.mean()) if selected.size else float("nan")


def _evaluate(targets: TargetBoxes, predicted: PredictedBoxes, images: int, classes: int) -> Any:
    """Run faster-coco-eval, a fast reimplementation of pycocotools' COCOeval."""
    from faster_coco_eval import COCO, COCOeval_faster

    def silent(*_: object) -> None:
        """Print nothing: the library would report its progress."""

    def table(boxes: TargetBoxes | PredictedBoxes, columns: dict[str, list[Any]]) -> Any:
        """Build the library's data set from boxes and further columns of the annotations."""
        xywh = np.concatenate([boxes.boxes[:, :2], boxes.boxes[:, 2:] - boxes.boxes[:, :2]], axis=1)
        columns = {
            "id": list(range(1, len(xywh) + 1)),  # from 1 on: 0 would mean "not matched"
            "image_id": boxes.image_idx.tolist(),
            "category_id": boxes.labels.tolist(),
            "bbox": xywh.tolist(),
            **columns,
        }
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        content = {
            "images": [{"id": index} for index in range(images)],
            "categories": [{"id": index} for index in range(classes)],
            "annotations": rows,
        }
        return COCO(content, print_function=silent)

    target = table(targets, {"area": targets.areas.tolist(), "iscrowd": targets.ignore.astype(int).tolist()})
    areas = (predicted.boxes[:, 2:] - predicted.boxes[:, :2]).prod(axis=1)
    found = table(
        predicted, {"area": areas.tolist(), "score": predicted.scores.tolist(), "iscrowd": [0] * areas.shape[0]}
    )
    evaluation = COCOeval_faster(target, found, iouType="bbox", print_function=silent)
    evaluation.run()
    return evaluation
