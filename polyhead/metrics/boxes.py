"""Arrays of the target and predicted boxes of many images: the input of every box metric.

The boxes of all images are concatenated, and an index says which image each box belongs to. Invalid input is refused
here: a prediction for an image that has no target, a label beyond the class names, a box or score that is not finite.

Shapes: ``p`` images, ``n`` boxes (or pairs of boxes), ``c`` classes. Boxes are xyxy in pixels.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from polyhead.errors import PolyheadError
from polyhead.types import Boxes, Detections


class TargetBoxes(NamedTuple):
    """The target boxes of all images, image by image.

    Attributes:
        image_idx: index of each box's image in the targets.
        boxes: xyxy in pixels.
        labels: class index of each box.
        ignore: boxes that need not be found (COCO's ``iscrowd``, VOC's ``difficult``).
        areas: in square pixels, from the annotations; not always the area of the box.
    """

    image_idx: Int[np.ndarray, " n"]
    boxes: Float[np.ndarray, "n 4"]
    labels: Int[np.ndarray, " n"]
    ignore: Bool[np.ndarray, " n"]
    areas: Float[np.ndarray, " n"]

    def count_per_image(self, images: int, classes: int) -> Int[np.ndarray, "p c"]:
        """Count the objects in each image by class, without the ignored ones."""
        counts = np.zeros((images, classes), dtype=np.int64)  # [p, c]
        np.add.at(counts, (self.image_idx[~self.ignore], self.labels[~self.ignore]), 1)
        return counts


class PredictedBoxes(NamedTuple):
    """The detections of all images, in the order of the targets' images; within an image in the given order.

    Attributes:
        image_idx: index of each box's image in the targets.
        boxes: xyxy in pixels.
        labels: class index of each box.
        scores: in 0..1.
    """

    image_idx: Int[np.ndarray, " n"]
    boxes: Float[np.ndarray, "n 4"]
    labels: Int[np.ndarray, " n"]
    scores: Float[np.ndarray, " n"]

    def take(self, index: Int[np.ndarray, " m"] | Bool[np.ndarray, " n"]) -> "PredictedBoxes":
        """Select detections by index or by boolean mask."""
        return PredictedBoxes(self.image_idx[index], self.boxes[index], self.labels[index], self.scores[index])


class BoxPairs(NamedTuple):
    """Pairs of a detection and a target of the same image and class.

    Attributes:
        predicted_idx: index into :class:`PredictedBoxes`.
        target_idx: index into :class:`TargetBoxes`.
        iou: overlap of the two boxes, 0..1.
    """

    predicted_idx: Int[np.ndarray, " n"]
    target_idx: Int[np.ndarray, " n"]
    iou: Float[np.ndarray, " n"]


def gather_boxes(
    targets: Mapping[str, Boxes], predictions: Mapping[str, Detections], names: Sequence[str]
) -> tuple[TargetBoxes, PredictedBoxes]:
    """Convert targets and predictions to arrays.

    An image without an entry in ``predictions`` has no detections. Detections of classes that are not annotated in
    their image (``Boxes.annotated``) are left out, because nobody knows whether they are correct.

    Raises:
        PolyheadError: when there is no image, or a prediction cannot be scored.
    """
    ids = [*targets]
    _check_ids(ids, predictions)
    target_boxes = TargetBoxes(
        _image_index([target.boxes.shape[0] for target in targets.values()]),
        _concat_float64([target.boxes for target in targets.values()]),
        _concat([target.labels for target in targets.values()]).astype(np.int64),
        _concat([target.ignore for target in targets.values()]).astype(np.bool_),
        _concat_float64([target.areas for target in targets.values()]),
    )
    found = [predictions[image_id] for image_id in ids if image_id in predictions]
    # position in `targets` of each image that has predictions
    with_predictions = np.array(
        [index for index, image_id in enumerate(ids) if image_id in predictions], dtype=np.int64
    )
    predicted_boxes = PredictedBoxes(
        with_predictions[_image_index([detections.boxes.shape[0] for detections in found])],
        _concat_float64([detections.boxes for detections in found]).reshape(-1, 4),
        _concat([detections.labels for detections in found]).astype(np.int64),
        _concat_float64([detections.scores for detections in found]),
    )
    _check_labels(ids, target_boxes, names, "a target")
    _check_labels(ids, predicted_boxes, names, "a detection")
    not_finite = ~(np.isfinite(predicted_boxes.scores) & np.isfinite(predicted_boxes.boxes).all(axis=1))
    if not_finite.any():
        image_id = ids[predicted_boxes.image_idx[not_finite.argmax()]]
        raise PolyheadError(
            f"image {image_id!r}: a detection has a score or a box that is not a finite number: training has diverged. "
            "Try a lower learning rate."
        )
    annotated = _concat([target.annotated for target in targets.values()]).reshape(len(ids), len(names))  # [p, c]
    return target_boxes, predicted_boxes.take(annotated[predicted_boxes.image_idx, predicted_boxes.labels])


def pair_boxes(targets: TargetBoxes, predicted: PredictedBoxes, *, crowds: bool) -> BoxPairs:
    """Return all pairs of a detection and a target of the same image and class, detection by detection.

    Args:
        targets: target boxes.
        predicted: detections.
        crowds: whether ignored targets are COCO's crowds: the overlap with a crowd is the fraction of the *detection*
            that is inside it. Otherwise, and for all other targets, the overlap is intersection over union.
    """
    # One integer key per (image, class), so that the candidates of a detection are the targets with its key.
    classes = max(targets.labels.max(initial=0), predicted.labels.max(initial=0)) + 1
    target_keys = targets.image_idx * classes + targets.labels  # [targets]
    predicted_keys = predicted.image_idx * classes + predicted.labels  # [detections]
    # Sorted by key, the candidates of a detection are adjacent: `count` targets from position `first` on.
    order = np.argsort(target_keys, kind="stable")
    first = np.searchsorted(target_keys[order], predicted_keys, side="left")
    count = np.searchsorted(target_keys[order], predicted_keys, side="right") - first
    predicted_idx = np.repeat(np.arange(predicted_keys.shape[0]), count)  # [pairs]
    # 0, 1, ... count - 1 within each detection: the position of the pair less that of the detection's first pair
    step = np.arange(predicted_idx.shape[0]) - np.repeat(np.cumsum(count) - count, count)  # [pairs]
    target_idx = order[np.repeat(first, count) + step]  # [pairs]
    is_crowd = targets.ignore[target_idx] if crowds else np.zeros(target_idx.shape, dtype=np.bool_)
    iou = _overlap(predicted.boxes[predicted_idx], targets.boxes[target_idx], is_crowd)
    return BoxPairs(predicted_idx, target_idx, iou)


def _overlap(
    predicted: Float[np.ndarray, "n 4"], target: Float[np.ndarray, "n 4"], crowd: Bool[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Return the IoU of each pair; for a crowd, the intersection over the area of the detection."""
    sides = np.minimum(predicted[:, 2:], target[:, 2:]) - np.maximum(predicted[:, :2], target[:, :2])  # [n, 2]
    shared = sides.clip(0).prod(axis=1)  # [n]
    area = (predicted[:, 2:] - predicted[:, :2]).prod(axis=1)
    union = np.where(crowd, area, area + (target[:, 2:] - target[:, :2]).prod(axis=1) - shared)
    # 0 where the boxes do not intersect, which includes a union of 0
    iou: np.ndarray = np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)
    return iou


def _image_index(counts: list[int]) -> Int[np.ndarray, " n"]:
    """Return the image index of each box: counts ``[2, 0, 1]`` become ``[0, 0, 2]``."""
    return np.repeat(np.arange(len(counts)), counts)


def _concat(tensors: Sequence[torch.Tensor]) -> np.ndarray:
    if not tensors:
        return np.zeros(0)
    array: np.ndarray = torch.cat([tensor.detach() for tensor in tensors]).cpu().numpy()
    return array


def _concat_float64(tensors: Sequence[torch.Tensor]) -> np.ndarray:
    return _concat([tensor.double() for tensor in tensors])


def _check_ids(ids: list[str], predictions: Mapping[str, Detections]) -> None:
    """Refuse an empty split, and predictions of images that have no target."""
    if not ids:
        raise PolyheadError("cannot compute scores: the split has no images. Check the split.")
    unknown = sorted(set(predictions) - set(ids))
    if unknown:
        raise PolyheadError(
            f"{len(unknown)} predicted image(s) have no target, the first is {unknown[0]!r}. "
            "Predictions and targets must come from the same split."
        )


def _check_labels(ids: list[str], boxes: TargetBoxes | PredictedBoxes, names: Sequence[str], what: str) -> None:
    """Refuse a class index beyond the class names; ``what`` names the boxes in the message."""
    wrong = (boxes.labels < 0) | (boxes.labels >= len(names))
    if wrong.any():
        first = int(wrong.argmax())
        raise PolyheadError(
            f"image {ids[boxes.image_idx[first]]!r}: {what} has label {boxes.labels[first]}, "
            f"but there are {len(names)} classes. Data and model must have the same class names."
        )
