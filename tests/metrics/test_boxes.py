import numpy as np
import pytest
import torch

from polyhead.errors import PolyheadError
from polyhead.metrics.boxes import PredictedBoxes, TargetBoxes, gather_boxes, pair_boxes
from polyhead.types import Boxes, Detections


def target(labels: list[int], annotated: tuple[bool, bool] = (True, True)) -> Boxes:
    boxes = torch.tensor([[10.0, 10.0, 20.0, 20.0]]).repeat(len(labels), 1)
    flags = torch.zeros(len(labels), dtype=torch.bool)
    areas = torch.full((len(labels),), 100.0)
    return Boxes(boxes, torch.tensor(labels, dtype=torch.int64), flags, areas, torch.tensor(annotated), (50, 50))


def detections(labels: list[int], score: float = 0.5) -> Detections:
    boxes = torch.tensor([[10.0, 10.0, 20.0, 20.0]]).repeat(len(labels), 1)
    return Detections(boxes, torch.full((len(labels),), score), torch.tensor(labels, dtype=torch.int64))


NAMES = ["cat", "dog"]


def test_images_without_predictions_or_objects_count() -> None:
    boxes, predicted = gather_boxes(
        {"a": target([0, 1]), "b": target([]), "c": target([1])}, {"c": detections([0, 1])}, NAMES
    )
    assert boxes.image_idx.tolist() == [0, 0, 2]
    assert predicted.image_idx.tolist() == [2, 2]
    assert boxes.count_per_image(3, 2).tolist() == [[1, 1], [0, 0], [0, 1]]


def test_no_predictions_at_all() -> None:
    boxes, predicted = gather_boxes({"a": target([0])}, {}, NAMES)
    assert predicted.boxes.shape == (0, 4)
    assert pair_boxes(boxes, predicted, crowds=True).iou.shape == (0,)


def test_detections_of_classes_that_are_not_annotated_are_left_out() -> None:
    _, predicted = gather_boxes(
        {"a": target([0], (True, False)), "b": target([])}, {"a": detections([0, 1]), "b": detections([1])}, NAMES
    )
    assert list(zip(predicted.image_idx, predicted.labels, strict=True)) == [(0, 0), (1, 1)]


@pytest.mark.parametrize(
    ("targets", "predictions", "message"),
    [
        ({}, {}, "the split has no images. Check the split."),
        (
            {"a": target([])},
            {"x": detections([]), "b": detections([])},
            r"2 predicted image\(s\) have no target, the first is 'b'",
        ),
        ({"a": target([2])}, {}, "image 'a': a target has label 2, but there are 2 classes"),
        ({"z": target([]), "a": target([])}, {"a": detections([0, 3])}, "image 'a': a detection has label 3"),
        (
            {"a": target([])},
            {"a": detections([0], float("nan"))},
            "image 'a': a detection has a score .* not a finite number",
        ),
    ],
)
def test_invalid_input_is_named(targets: dict[str, Boxes], predictions: dict[str, Detections], message: str) -> None:
    with pytest.raises(PolyheadError, match=message):
        gather_boxes(targets, predictions, NAMES)


def test_overlap_with_a_crowd_is_the_fraction_of_the_detection() -> None:
    corners = np.array([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 10.0], [50.0, 0.0, 60.0, 10.0]])
    zero = np.zeros(3, dtype=np.int64)
    targets = TargetBoxes(zero, corners, zero, np.array([False, True, False]), np.full(3, 100.0))
    predicted = PredictedBoxes(zero[:1], np.array([[0.0, 0.0, 5.0, 5.0]]), zero[:1], np.ones(1))
    assert pair_boxes(targets, predicted, crowds=True).iou.tolist() == [0.25, 1.0, 0.0]
    assert pair_boxes(targets, predicted, crowds=False).iou.tolist() == [0.25, 0.25, 0.0]


def test_a_box_without_area_overlaps_nothing() -> None:
    zero = np.zeros(1, dtype=np.int64)
    point = np.array([[5.0, 5.0, 5.0, 5.0]])
    targets = TargetBoxes(zero, point, zero, np.array([True]), np.zeros(1))
    assert pair_boxes(targets, PredictedBoxes(zero, point, zero, np.ones(1)), crowds=True).iou.tolist() == [0.0]
