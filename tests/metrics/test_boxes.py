import numpy as np
import pytest
import torch

from polyhead.errors import PolyheadError
from polyhead.metrics.boxes import Finds, Objects, gather, pairs
from polyhead.types import Annotation, Detections


def truth(name: str, labels: list[int], annotated: tuple[bool, bool] = (True, True)) -> Annotation:
    boxes = torch.tensor([[10.0, 10.0, 20.0, 20.0]]).repeat(len(labels), 1)
    flags = torch.zeros(len(labels), dtype=torch.bool)
    areas = torch.full((len(labels),), 100.0)
    return Annotation(
        name, "", (50, 50), boxes, torch.tensor(labels, dtype=torch.int64), flags, areas, torch.tensor(annotated)
    )


def detections(labels: list[int], score: float = 0.5) -> Detections:
    boxes = torch.tensor([[10.0, 10.0, 20.0, 20.0]]).repeat(len(labels), 1)
    return Detections(boxes, torch.full((len(labels),), score), torch.tensor(labels, dtype=torch.int64))


NAMES = ["cat", "dog"]


def test_pictures_without_predictions_or_objects_are_kept() -> None:
    objects, finds = gather([truth("a", [0, 1]), truth("b", []), truth("c", [1])], {"c": detections([0, 1])}, NAMES)
    assert objects.pictures.tolist() == [0, 0, 2]
    assert finds.pictures.tolist() == [2, 2]
    assert objects.per_picture(3, 2).tolist() == [[1, 1], [0, 0], [0, 1]]


def test_no_predictions_at_all() -> None:
    objects, finds = gather([truth("a", [0])], {}, NAMES)
    assert finds.boxes.shape == (0, 4)
    assert pairs(objects, finds, crowds=True).iou.shape == (0,)


def test_detections_of_classes_that_were_not_looked_for_are_left_out() -> None:
    _, finds = gather(
        [truth("a", [0], (True, False)), truth("b", [])], {"a": detections([0, 1]), "b": detections([1])}, NAMES
    )
    assert list(zip(finds.pictures, finds.labels, strict=True)) == [(0, 0), (1, 1)]


@pytest.mark.parametrize(
    ("truths", "predictions", "message"),
    [
        ([], {}, "nothing to measure: the truth has no picture; check the split"),
        ([truth("a", []), truth("a", [])], {}, "picture 'a' is twice in the truth"),
        ([truth("a", [])], {"x": detections([]), "b": detections([])}, r"2 predicted picture\(s\).*the first is 'b'"),
        ([truth("a", [2])], {}, "picture 'a': object with label 2, but there are 2 classes"),
        ([truth("z", []), truth("a", [])], {"a": detections([0, 3])}, "picture 'a': detection with label 3"),
        (
            [truth("a", [])],
            {"a": detections([0], float("nan"))},
            "picture 'a': a detection has a score .* no finite number",
        ),
    ],
)
def test_what_cannot_be_measured_is_named(
    truths: list[Annotation], predictions: dict[str, Detections], message: str
) -> None:
    with pytest.raises(PolyheadError, match=message):
        gather(truths, predictions, NAMES)


def test_overlap_with_a_crowd_is_the_share_of_the_detection() -> None:
    boxes = np.array([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 10.0], [50.0, 0.0, 60.0, 10.0]])
    zero = np.zeros(3, dtype=np.int64)
    objects = Objects(zero, boxes, zero, np.array([False, True, False]), np.full(3, 100.0))
    finds = Finds(zero[:1], np.array([[0.0, 0.0, 5.0, 5.0]]), zero[:1], np.ones(1))
    assert pairs(objects, finds, crowds=True).iou.tolist() == [0.25, 1.0, 0.0]
    assert pairs(objects, finds, crowds=False).iou.tolist() == [0.25, 0.25, 0.0]


def test_a_box_without_area_overlaps_nothing() -> None:
    zero = np.zeros(1, dtype=np.int64)
    point = np.array([[5.0, 5.0, 5.0, 5.0]])
    objects = Objects(zero, point, zero, np.array([True]), np.zeros(1))
    assert pairs(objects, Finds(zero, point, zero, np.ones(1)), crowds=True).iou.tolist() == [0.0]
