from typing import Any

import pytest
import torch
from builders.box_cases import target

from polyhead.errors import PolyheadError
from polyhead.metrics.coco import coco
from polyhead.metrics.dummy import dummy_predictions

TRAIN = {
    "a": target([[0, 0, 100, 50], [100, 50, 200, 100]], [1, 1], 3, size=(100, 200)),
    "b": target([[0, 0, 10, 10], [0, 0, 1, 1]], [0, 2], 3, ignore=[False, True], size=(10, 10)),
    "c": target([[5, 5, 10, 10]], [1], 3, size=(10, 10)),
}


def test_mean_boxes_of_each_class_scaled_to_the_image() -> None:
    found = dummy_predictions(TRAIN, {"t": target([], [], 3, size=(60, 30))})["t"]
    assert found.labels.tolist() == [1, 0]  # the third class has no training object
    assert found.scores.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert found.boxes[0].tolist() == pytest.approx([10.0, 20.0, 25.0, 50.0])
    assert found.boxes[1].tolist() == pytest.approx([0.0, 0.0, 30.0, 60.0])


def test_test_objects_are_not_read() -> None:
    plain = dummy_predictions(TRAIN, {"t": target([], [], 3, size=(60, 30))})["t"]
    full = dummy_predictions(TRAIN, {"t": target([[1, 2, 3, 4]], [2], 3, size=(60, 30))})["t"]
    assert all(torch.equal(one, other) for one, other in zip(plain[:3], full[:3], strict=True))


def test_its_score_is_low_but_above_zero(real_case: Any) -> None:
    targets, _, names = real_case
    assert 0 < coco(targets, dummy_predictions(targets, targets), names).ap50 < 0.2


def test_no_training_image() -> None:
    with pytest.raises(PolyheadError, match="needs training targets, but the training split has no images"):
        dummy_predictions({}, TRAIN)
