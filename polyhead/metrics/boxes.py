"""Truth and predictions of many pictures, end to end: what every measure of boxes starts from.

Here a false answer of the caller is found once: a prediction for a picture that is not in the truth, a label beyond the
class names, a box or score that is no number.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from polyhead.errors import PolyheadError
from polyhead.types import Annotation, Detections


class Objects(NamedTuple):
    """The true objects of all pictures, in the order of the truth; ``pictures`` is the index of each one's picture."""

    pictures: Int[np.ndarray, " n"]
    boxes: Float[np.ndarray, "n 4"]
    labels: Int[np.ndarray, " n"]
    ignore: Bool[np.ndarray, " n"]
    areas: Float[np.ndarray, " n"]

    def per_picture(self, pictures: int, classes: int) -> Int[np.ndarray, "p c"]:
        """Objects to be found in each picture, by class; those to ignore are left out."""
        counts = np.zeros((pictures, classes), dtype=np.int64)
        np.add.at(counts, (self.pictures[~self.ignore], self.labels[~self.ignore]), 1)
        return counts


class Finds(NamedTuple):
    """The detections of all pictures, in the order of the truth's pictures; within a picture as they were given."""

    pictures: Int[np.ndarray, " n"]
    boxes: Float[np.ndarray, "n 4"]
    labels: Int[np.ndarray, " n"]
    scores: Float[np.ndarray, " n"]

    def take(self, index: Int[np.ndarray, " m"] | Bool[np.ndarray, " n"]) -> "Finds":
        """Some of the detections, by position or by mask."""
        return Finds(self.pictures[index], self.boxes[index], self.labels[index], self.scores[index])


class Pairs(NamedTuple):
    """A detection and an object of the same picture and class, by their positions, with how far they overlap."""

    finds: Int[np.ndarray, " n"]
    objects: Int[np.ndarray, " n"]
    iou: Float[np.ndarray, " n"]


def gather(
    truths: Sequence[Annotation], predictions: Mapping[str, Detections], names: Sequence[str]
) -> tuple[Objects, Finds]:
    """Truth and predictions as arrays.

    A picture without an entry in ``predictions`` has no detections. Detections of classes that were not looked for in a
    picture (``annotated``) are left out: nobody knows whether they are right.

    Raises:
        PolyheadError: when there is no picture, an id comes twice, or a prediction cannot be measured.
    """
    ids = [truth.id for truth in truths]
    if not ids:
        raise PolyheadError("there is nothing to measure: the truth has no picture; check the split")
    if len(set(ids)) != len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise PolyheadError(f"picture {twice!r} is twice in the truth; the ids of a split must be unique")
    unknown = sorted(set(predictions) - set(ids))
    if unknown:
        raise PolyheadError(
            f"{len(unknown)} predicted picture(s) are not in the truth, the first is {unknown[0]!r}; "
            "predictions and truth must come from the same split"
        )
    objects = Objects(
        _pictures([truth.boxes.shape[0] for truth in truths]),
        _floats([truth.boxes for truth in truths]),
        _join([truth.labels for truth in truths]).astype(np.int64),
        _join([truth.ignore for truth in truths]).astype(np.bool_),
        _floats([truth.areas for truth in truths]),
    )
    found = [predictions[name] for name in ids if name in predictions]
    order = np.array([index for index, name in enumerate(ids) if name in predictions], dtype=np.int64)
    finds = Finds(
        order[_pictures([detections.boxes.shape[0] for detections in found])],
        _floats([detections.boxes for detections in found]).reshape(-1, 4),
        _join([detections.labels for detections in found]).astype(np.int64),
        _floats([detections.scores for detections in found]),
    )
    _check_labels(ids, objects, names, "object")
    _check_labels(ids, finds, names, "detection")
    broken = ~(np.isfinite(finds.scores) & np.isfinite(finds.boxes).all(axis=1))
    if broken.any():
        where = ids[finds.pictures[broken.argmax()]]
        raise PolyheadError(
            f"picture {where!r}: a detection has a score or a box that is no finite number; the model has diverged"
        )
    annotated = _join([truth.annotated for truth in truths]).reshape(len(ids), len(names))
    return objects, finds.take(annotated[finds.pictures, finds.labels])


def pairs(objects: Objects, finds: Finds, *, crowds: bool) -> Pairs:
    """All pairs of a detection and an object of the same picture and class, detection by detection.

    Args:
        objects: the truth.
        finds: the detections.
        crowds: whether objects to ignore are COCO's crowds: their overlap is the share of the *detection* that lies in
            them. Otherwise, and for all other objects, it is intersection over union.
    """
    classes = max(objects.labels.max(initial=0), finds.labels.max(initial=0)) + 1
    keys = objects.pictures * classes + objects.labels
    order = np.argsort(keys, kind="stable")
    wanted = finds.pictures * classes + finds.labels
    first = np.searchsorted(keys[order], wanted, side="left")
    count = np.searchsorted(keys[order], wanted, side="right") - first
    left = np.repeat(np.arange(wanted.shape[0]), count)
    step = np.arange(left.shape[0]) - np.repeat(np.cumsum(count) - count, count)
    right = order[np.repeat(first, count) + step]
    crowd = objects.ignore[right] if crowds else np.zeros(right.shape, dtype=np.bool_)
    return Pairs(left, right, _overlap(finds.boxes[left], objects.boxes[right], crowd))


def _overlap(
    found: Float[np.ndarray, "n 4"], true: Float[np.ndarray, "n 4"], crowd: Bool[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    sides = np.minimum(found[:, 2:], true[:, 2:]) - np.maximum(found[:, :2], true[:, :2])
    shared = sides.clip(0).prod(axis=1)
    area = (found[:, 2:] - found[:, :2]).prod(axis=1)
    union = np.where(crowd, area, area + (true[:, 2:] - true[:, :2]).prod(axis=1) - shared)
    iou: np.ndarray = np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)
    return iou


def _pictures(counts: list[int]) -> Int[np.ndarray, " n"]:
    return np.repeat(np.arange(len(counts)), counts)


def _join(tensors: Sequence[torch.Tensor]) -> np.ndarray:
    if not tensors:
        return np.zeros(0)
    joined: np.ndarray = torch.cat([tensor.detach() for tensor in tensors]).cpu().numpy()
    return joined


def _floats(tensors: Sequence[torch.Tensor]) -> np.ndarray:
    return _join([tensor.double() for tensor in tensors])


def _check_labels(ids: list[str], boxes: Objects | Finds, names: Sequence[str], what: str) -> None:
    wrong = (boxes.labels < 0) | (boxes.labels >= len(names))
    if wrong.any():
        first = int(wrong.argmax())
        raise PolyheadError(
            f"picture {ids[boxes.pictures[first]]!r}: {what} with label {boxes.labels[first]}, "
            f"but there are {len(names)} classes; truth and model must have the same class names"
        )
