"""Targets of plain data sets: the forms that are accepted, and messages for all others."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from polyhead.errors import SampleError
from polyhead.kinds.targets import boxes_of, class_index, class_mask

NAMES = ["a", "b"]
MASK = torch.tensor([[0, 1, 255], [1, 0, 0]])
BOX = [4.0, 4.0, 20.0, 20.0]


@pytest.mark.parametrize(
    "label",
    [1, np.int32(1), np.array([1]), torch.tensor(1, dtype=torch.int32), torch.tensor([1]), torch.tensor(True)],
    ids=range(6),
)
def test_a_class_index_has_any_integer_type(label: Any) -> None:
    found = class_index(label, NAMES)
    assert (found.dtype, found.shape, int(found)) == (torch.int64, (), 1)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (-1, "expected the index of a class (0 to 1), got -1; count classes from 0, and name every class"),
        (2, "(0 to 1), got 2;"),
        (torch.tensor(1.0), "got torch.float32 []: 1.0; give an integer"),
        (torch.tensor([0, 1]), "got torch.int64 [2]: [0, 1]; give an integer; of a one-hot vector, its argmax"),
        ("cat", "expected a target of numbers, got str 'cat'; convert it to a tensor"),
        (None, "expected a target of numbers, got NoneType None"),
    ],
)
def test_what_is_no_class_index_is_refused(label: Any, message: str) -> None:
    with pytest.raises(SampleError) as caught:
        class_index(label, NAMES)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "mask",
    [MASK, MASK[None], MASK.int(), MASK.byte(), MASK.byte().numpy(), Image.fromarray(MASK.byte().numpy())],
    ids=range(6),
)
def test_a_mask_has_any_integer_type(mask: Any) -> None:
    found = class_mask(mask, (2, 3), NAMES)
    assert found.dtype == torch.uint8
    assert torch.equal(found, MASK.byte())


def test_a_mask_may_be_of_true_and_false() -> None:
    assert class_mask(MASK == 1, None, NAMES).tolist() == [[0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (MASK * 7, "expected pixels of a class (0 to 1) or 255 (ignored), got 7; count classes from 0"),
        (-MASK, "got -1;"),
        (MASK[:1], "expected a mask of 3 x 2 pixels, as its image, got 3 x 1; resize"),
        (MASK.float(), "expected a mask of integers [h, w], got torch.float32 [2, 3]"),
        (torch.stack([MASK, MASK]), "expected a mask of integers [h, w], got torch.int64 [2, 2, 3]"),
    ],
)
def test_what_is_no_mask_is_refused(mask: Tensor, message: str) -> None:
    with pytest.raises(SampleError) as caught:
        class_mask(mask, (2, 3), NAMES)
    assert message in str(caught.value)


def test_boxes_may_leave_the_image_by_a_pixel() -> None:
    made = boxes_of({"boxes": [[-0.5, 2, 30.8, 6]], "labels": np.array([1], dtype=np.int32)}, (20, 30), NAMES)
    assert (made.boxes.tolist(), made.areas.tolist(), made.labels.dtype) == ([[0, 2, 30, 6]], [120], torch.int64)


@pytest.mark.parametrize(
    ("boxes", "labels", "message"),
    [
        ([BOX], [2], "box 0: expected the index of a class (0 to 1), got 2; count classes from 0"),
        ([BOX, BOX], [0, -1], "box 1: expected the index of a class (0 to 1), got -1"),
        ([[20, 20, 5, 5]], [0], "box 0: the box from (20, 20) to (5, 5) has negative width or height"),
        ([[20, 20, 20, 20]], [0], "has no width or height and therefore no area (expected x1, y1, x2, y2 in pixels)"),
        ([[90, 90, 99, 99]], [0], "is outside the image of 32 x 30 pixels"),
        ([[float("nan"), 2, 9, 9]], [0], "has a number that is not finite"),
        ([[0.1, 0.1, 0.5, 0.5]], [0], "got none beyond 1; multiply fractions by the width and height"),
        ([BOX], [0, 1], "expected boxes [n, 4] and integer labels [n], got torch.float32 [1, 4] and torch.int64 [2]"),
        ([BOX], [0.0], "and torch.float32 [1]"),
        ([[BOX, BOX]], [0], "got torch.float32 [1, 2, 4]"),
    ],
)
def test_boxes_that_are_not_valid_are_refused(boxes: Any, labels: Any, message: str) -> None:
    with pytest.raises(SampleError) as caught:
        boxes_of({"boxes": boxes, "labels": labels}, (30, 32), NAMES)
    assert message in str(caught.value)


def test_objects_that_are_no_boxes_with_labels_are_refused() -> None:
    with pytest.raises(SampleError, match=r"expected {'boxes': \[n, 4\], 'labels': \[n\]}, got dict"):
        boxes_of({"bbox": [], "labels": []}, (30, 32), NAMES)
    with pytest.raises(SampleError, match="expected an input with a height and a width"):
        boxes_of({"boxes": [], "labels": []}, None, NAMES)
    given = boxes_of({"boxes": [BOX], "labels": [1]}, (30, 32), NAMES)
    with pytest.raises(SampleError, match="got 1"):
        boxes_of(given, (30, 32), ["only"])
