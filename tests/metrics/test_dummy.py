from typing import Any

import pytest
import torch

from polyhead.errors import PolyheadError
from polyhead.metrics.coco import coco
from polyhead.metrics.dummy import dummy_predictions
from polyhead.types import Annotation


def image(
    name: str, size: tuple[int, int], boxes: list[list[int]], labels: list[int], ignore: list[bool] | None = None
) -> Annotation:
    flags = torch.tensor(ignore or [False] * len(labels), dtype=torch.bool)
    corners = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    areas = torch.ones(len(labels))
    annotated = torch.ones(3, dtype=torch.bool)
    return Annotation(name, "", size, corners, torch.tensor(labels, dtype=torch.int64), flags, areas, annotated)


TRAIN = [
    image("a", (100, 200), [[0, 0, 100, 50], [100, 50, 200, 100]], [1, 1]),
    image("b", (10, 10), [[0, 0, 10, 10], [0, 0, 1, 1]], [0, 2], [False, True]),
    image("c", (10, 10), [[5, 5, 10, 10]], [1]),
]


def test_mean_boxes_of_each_class_scaled_to_the_image() -> None:
    found = dummy_predictions(TRAIN, [image("t", (60, 30), [], [])])["t"]
    assert found.labels.tolist() == [1, 0]  # the third class has no training object
    assert found.scores.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert found.boxes[0].tolist() == pytest.approx([10.0, 20.0, 25.0, 50.0])
    assert found.boxes[1].tolist() == pytest.approx([0.0, 0.0, 30.0, 60.0])


def test_test_objects_are_not_read() -> None:
    plain = dummy_predictions(TRAIN, [image("t", (60, 30), [], [])])["t"]
    full = dummy_predictions(TRAIN, [image("t", (60, 30), [[1, 2, 3, 4]], [2])])["t"]
    assert all(torch.equal(one, other) for one, other in zip(plain, full, strict=True))


def test_its_score_is_low_but_above_zero(real_case: Any) -> None:
    targets, _, names = real_case
    assert 0 < coco(targets, dummy_predictions(targets, targets), names).ap50 < 0.2


def test_no_training_image() -> None:
    with pytest.raises(PolyheadError, match="needs training targets, but the training split has no images"):
        dummy_predictions([], TRAIN)
