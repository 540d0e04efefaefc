"""Build the report of one task for ``results.json``: scores, intervals, dummy baseline and the most common mistakes.

The keys are explained in ``docs/evaluate.md``.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from polyhead.analysis import errors
from polyhead.metrics.coco import coco
from polyhead.metrics.dummy import dummy_predictions
from polyhead.metrics.intervals import LEVEL, intervals
from polyhead.metrics.labels import labels
from polyhead.metrics.masks import PixelCounts, constant_baseline, masks
from polyhead.metrics.masks import intervals as pixel_intervals
from polyhead.metrics.voc import voc
from polyhead.types import Annotation, Detections, Labels

Z_90 = 1.6449
"""Standard normal quantile of a two-sided 90 % interval."""


def box_numbers(
    targets: Sequence[Annotation], found: Mapping[str, Detections], train: Sequence[Annotation], names: Sequence[str]
) -> dict[str, Any]:
    """Return the COCO and VOC metrics of a detector, with intervals, the dummy baseline and the kinds of error.

    Args:
        targets: annotations of the evaluated images.
        found: detections by image id.
        train: annotations of the training images; the dummy baseline is computed from them.
        names: class names.
    """
    scores = coco(targets, found, names)
    bounds = intervals(targets, found, names)
    dummy = coco(targets, dummy_predictions(train, targets), names)
    voc2007, voc2010 = voc(targets, found, names, year=2007), voc(targets, found, names, year=2010)
    numbers = {key: value for key, value in scores._asdict().items() if isinstance(value, float)}
    return {
        "metric": "AP50",
        "score": scores.ap50,
        "interval": [bounds["ap50"].low, bounds["ap50"].high],
        "level": LEVEL,
        "protocol": "COCO; original pixels; at most 100 detections per class and image; crowd and difficult ignored",
        "objects_measured": scores.objects,
        "coco": numbers,
        "intervals": {key: list(value) for key, value in bounds.items()},
        "voc2007": voc2007.map50,
        "voc2010": voc2010.map50,
        "classes": {
            each.name: {"objects": each.objects, "ap": each.ap, "ap50": each.ap50, "voc2007": old.ap, "voc2010": new.ap}
            for each, old, new in zip(scores.classes, voc2007.classes, voc2010.classes, strict=True)
        },
        "absent": scores.absent,
        "dummy_baseline": {"name": "each class's mean box in every image", "score": dummy.ap50, "ap": dummy.ap},
        "errors": errors.count_errors(targets, found, errors.CONFIDENT).summary(names),
        "train_objects": _object_counts(train, names),
    }


def mask_numbers(
    found: Sequence[PixelCounts], train: Int[Tensor, "p c"], names: Sequence[str], source: str
) -> dict[str, Any]:
    """Return the IoU of a segmentation model, with intervals and the dummy baseline.

    The dummy baseline assigns every pixel to the most frequent class.

    Args:
        found: pixel counts of every evaluated image.
        train: pixels of each class in each image from which the most frequent class is taken.
        names: class names, the background first.
        source: where these images come from, for the name of the dummy baseline: ``"in training"``.
    """
    scores = masks(found, names)
    bounds = pixel_intervals(found)
    most_frequent = int(train.sum(0).argmax())  # [p, c] -> [c]
    counts = torch.stack([image.counts for image in found]).sum(0).numpy()  # [images, c, d] -> [c, d]
    return {
        "metric": "mIoU",
        "score": scores.miou,
        "interval": [bounds["miou"].low, bounds["miou"].high],
        "level": LEVEL,
        "protocol": "IoU of each class over the pixels of all images, background included; original pixels; "
        "255 ignored; classes neither annotated nor predicted left out",
        "miou_foreground": scores.miou_foreground,
        "pixel_accuracy": scores.pixel_accuracy,
        "mean_accuracy": scores.mean_accuracy,
        "intervals": {key: list(value) for key, value in bounds.items()},
        "classes": {name: {"pixels": scores.pixels[name], "iou": scores.iou[name]} for name in names},
        "absent": scores.absent,
        "dummy_baseline": {
            "name": f"every pixel {names[most_frequent]!r}, the most frequent {source}",
            "score": masks(constant_baseline(found, most_frequent), names).miou,
        },
        "confusions": confusions(counts, names),
        "train_images": dict(zip(names, (train > 0).sum(0).tolist(), strict=True)),
    }


def label_numbers(
    targets: Sequence[Annotation],
    found: Mapping[str, Labels],
    train: Sequence[Annotation],
    names: Sequence[str],
    source: str,
) -> dict[str, Any]:
    """Return the accuracy of a classifier, with a Wilson interval and the dummy baseline.

    The dummy baseline always predicts the most frequent class.

    Args:
        targets: annotations of the evaluated images.
        found: class probabilities by image id.
        train: annotations of the images from which the most frequent class is taken.
        names: class names.
        source: where these images come from, for the name of the dummy baseline: ``"in training"``.
    """
    scores = labels(targets, found, names)
    counts = [
        sum(int(target.value) == index for target in train if target.value is not None) for index in range(len(names))
    ]
    most_frequent = max(range(len(names)), key=counts.__getitem__)
    hits = sum(int(target.value) == most_frequent for target in targets if target.value is not None)
    low, high = wilson(scores.accuracy, len(targets))
    return {
        "metric": "accuracy",
        "score": scores.accuracy,
        "interval": [low, high],
        "level": LEVEL,
        "protocol": "top-1, one view of each image",
        "macro_f1": scores.macro_f1,
        "top5": scores.top5,
        "calibration_error": scores.calibration,
        "classes": {name: {"images": scores.images[name], "f1": scores.f1[name]} for name in names},
        "dummy_baseline": {
            "name": f"always {names[most_frequent]!r}, the most frequent class {source}",
            "score": hits / len(targets),
        },
        "confusions": confusions(scores.confusion, names),
        "train_images": dict(zip(names, counts, strict=True)),
    }


def confusions(counts: Int[np.ndarray, "c d"], names: Sequence[str], most: int = 5) -> list[list[Any]]:
    """Return ``[true class, predicted class, fraction of the true class]`` of the most common mistakes, largest first.

    Args:
        counts: confusion matrix: true class (row) by predicted class (column). A column beyond the last class counts
            what was not predicted as any class; it is called "nothing".
        names: class names.
        most: maximum number of mistakes to return.
    """
    wrong = counts * (1 - np.eye(*counts.shape, dtype=np.int64))  # the diagonal holds the correct predictions
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]  # positions in the flattened matrix
    columns = [*names, "nothing"]
    return [
        [names[row], columns[column], float(counts[row, column] / counts[row].sum())]
        for row, column in zip(*np.unravel_index(order, wrong.shape), strict=True)
        if wrong[row, column]
    ]


def wilson(fraction: float, count: int) -> tuple[float, float]:
    """Return the 90 % confidence interval of a fraction of ``count`` independent cases (Wilson, JASA 1927)."""
    z = Z_90
    center = (fraction + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(fraction * (1 - fraction) / count + z * z / (4 * count * count))
    return max(0.0, center - half), min(1.0, center + half)  # rounding may leave 0..1


def plain(value: Any) -> Any:
    """Convert nested values to what JSON can hold: tuples become lists, NaN and infinity become None."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _object_counts(targets: Sequence[Annotation], names: Sequence[str]) -> dict[str, int]:
    """Return the number of objects of each class; ignored objects are not counted."""
    found = torch.cat([target.labels[~target.ignore] for target in targets])  # [objects]
    return dict(zip(names, torch.bincount(found, minlength=len(names)).tolist(), strict=True))
