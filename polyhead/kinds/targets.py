"""Targets in the forms in which plain data sets give them, checked (:meth:`polyhead.contracts.kind.Kind.as_target`)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, UInt8
from PIL import Image
from torch import Tensor

from polyhead.data.readers.in_memory import check_box
from polyhead.errors import SampleError
from polyhead.types import IGNORED, Boxes, Size

COUNT = "count classes from 0, and name every class"
"""What to do about a class that has no name."""


def class_index(value: Any, names: Sequence[str]) -> Int[Tensor, ""]:
    """Return the index of a class, int64.

    Raises:
        SampleError: when it is none.
    """
    label = _tensor(value)
    expected = f"expected the index of a class (0 to {len(names) - 1})"
    if label.numel() != 1 or label.is_floating_point():
        what = f"{expected}, got {_form(label)}: {label.tolist()!r:.40}"
        raise SampleError(what, "give an integer; of a one-hot vector, its argmax")
    if not 0 <= int(label) < len(names):
        raise SampleError(f"{expected}, got {int(label)}", COUNT)
    return torch.tensor(int(label))


def class_mask(value: Any, size: Size | None, names: Sequence[str]) -> UInt8[Tensor, "h w"]:
    """Return the class of each pixel, uint8, of a mask of any integers ``[h, w]`` or ``[1, h, w]``, or a PIL image.

    Raises:
        SampleError: when it has another form or size, or a value that is no class.
    """
    mask = _tensor(np.array(value) if isinstance(value, Image.Image) else value)
    mask = mask[0] if mask.ndim == 3 and mask.shape[0] == 1 else mask
    if mask.ndim != 2 or mask.is_floating_point():
        what = f"expected a mask of integers [h, w], got {_form(mask)}"
        raise SampleError(what, "give the index of the class of each pixel")
    if size is not None and tuple(mask.shape) != size:
        what = f"expected a mask of {size[1]} x {size[0]} pixels, as its image, got {mask.shape[1]} x {mask.shape[0]}"
        raise SampleError(what, "resize the mask and the image alike")
    wrong = mask[(mask < 0) | ((mask >= len(names)) & (mask != IGNORED))]
    if wrong.numel():
        what = f"expected pixels of a class (0 to {len(names) - 1}) or {IGNORED} (ignored), got {int(wrong[0])}"
        raise SampleError(what, COUNT)
    return mask.to(torch.uint8)


def boxes_of(value: Any, size: Size | None, names: Sequence[str]) -> Boxes:
    """Return the objects of a mapping with ``boxes`` (xyxy in pixels) and ``labels``, clipped to the image.

    Raises:
        SampleError: for the first box or label that is not valid.
    """
    if isinstance(value, Boxes):
        rows = [len(column) for column in (value.boxes, value.labels, value.ignore, value.areas)]
        if len(set(rows)) > 1:
            raise SampleError(f"expected columns of one length, got {rows}", "give each object all of its columns")
        _check_objects(value.boxes, value.labels, value.size, names)
        if len(value.annotated) != len(names):
            what = f"expected flags of {len(names)} annotated classes, got {len(value.annotated)}"
            raise SampleError(what, "give one for each class")
        return value
    if size is None:
        raise SampleError("expected an input with a height and a width, which boxes are in", "use modality='image'")
    if not (isinstance(value, Mapping) and {"boxes", "labels"} <= value.keys()):
        what = f"expected {{'boxes': [n, 4], 'labels': [n]}}, got {type(value).__name__} {value!r:.60}"
        raise SampleError(what, "give boxes in pixels, and the class of each")
    boxes, labels = _tensor(value["boxes"]).float(), _tensor(value["labels"])
    boxes = boxes.reshape(-1, 4) if boxes.numel() == 0 else boxes
    labels = labels.long() if labels.numel() == 0 else labels
    if boxes.ndim != 2 or boxes.shape[1] != 4 or labels.shape != boxes.shape[:1] or labels.is_floating_point():
        what = f"expected boxes [n, 4] and integer labels [n], got {_form(boxes)} and {_form(labels)}"
        raise SampleError(what, "give each box as x1, y1, x2, y2, with the index of its class")
    _check_objects(boxes, labels, size, names)
    boxes = boxes.clamp(min=0).minimum(torch.tensor([size[1], size[0]] * 2))  # they may leave it by a pixel
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)  # [n]
    ignore, annotated = torch.zeros(len(labels), dtype=torch.bool), torch.ones(len(names), dtype=torch.bool)
    return Boxes(boxes, labels.long(), ignore, areas, annotated, size)


def _check_objects(boxes: Tensor, labels: Tensor, size: Size, names: Sequence[str]) -> None:
    if boxes.numel() and float(boxes.max()) <= 1 < max(size):
        what = f"expected boxes in pixels of an image of {size[1]} x {size[0]}, got none beyond 1"
        raise SampleError(what, "multiply fractions by the width and height of the image")
    for number, (box, label) in enumerate(zip(boxes.tolist(), labels.tolist(), strict=True)):
        if not 0 <= label < len(names):
            what = f"box {number}: expected the index of a class (0 to {len(names) - 1}), got {label}"
            raise SampleError(what, COUNT)
        x1, y1, x2, y2 = box
        if fault := check_box((x1, y1, x2, y2), size):
            raise SampleError(f"box {number}: {fault[0]} (expected x1, y1, x2, y2 in pixels)", fault[1])


def _tensor(value: Any) -> Tensor:
    try:
        return torch.as_tensor(value).as_subclass(Tensor)
    except (TypeError, ValueError, RuntimeError) as error:
        what = f"expected a target of numbers, got {type(value).__name__} {value!r:.60}"
        raise SampleError(what, "convert it to a tensor") from error


def _form(value: Tensor) -> str:
    return f"{value.dtype} {list(value.shape)}"
