"""The mistakes of a detector: as many as the errors that are counted, in words."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float
from torch import Tensor

from polyhead.boxes.overlap import pairwise_iou
from polyhead.contracts.explained import Mistake
from polyhead.kinds.box_mistakes import box_mistakes
from polyhead.metrics.box_errors import count_errors
from polyhead.types import Boxes, Detections

Box = tuple[float, float, float, float]
NAMES = ["cat", "dog"]
OBJECT: Box = (10, 10, 50, 50)
HALF: Box = (10, 10, 50, 28)  # IoU .45 with OBJECT
FAR: Box = (70, 70, 90, 90)


def target(*objects: tuple[Box, int], ignore: tuple[int, ...] = ()) -> Boxes:
    boxes = corners_of([box for box, _ in objects])
    labels = torch.tensor([label for _, label in objects], dtype=torch.int64)
    ignored = torch.tensor([index in ignore for index in range(len(objects))], dtype=torch.bool)
    return Boxes(boxes, labels, ignored, (boxes[:, 2:] - boxes[:, :2]).prod(1), torch.tensor([True, True]), (100, 100))


def detections(*found: tuple[Box, int, float]) -> Detections:
    """Return detections, best first."""
    ordered = sorted(found, key=lambda entry: -entry[2])
    labels = torch.tensor([label for _, label, _ in ordered], dtype=torch.int64)
    return Detections(
        corners_of([box for box, _, _ in ordered]), torch.tensor([score for _, _, score in ordered]), labels
    )


def corners_of(boxes: list[Box]) -> Float[Tensor, "n 4"]:
    return torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)


def found(annotated: Boxes, predicted: Detections) -> list[Mistake]:
    return box_mistakes(annotated, predicted, NAMES, 0.25)


@pytest.mark.parametrize(
    ("predicted", "captions"),
    [
        ([(OBJECT, 0, 0.9)], []),
        ([(OBJECT, 1, 0.9)], ["cat taken for dog, score 0.90"]),
        ([(HALF, 0, 0.9)], ["inexact box of cat (IoU 0.45), score 0.90"]),
        (
            [(HALF, 1, 0.9)],
            ["cat taken for dog, and inexact box (IoU 0.45), score 0.90", "missed cat (no box)"],
        ),
        ([(OBJECT, 0, 0.9), (OBJECT, 0, 0.8)], ["second box of the same cat, score 0.80"]),
        ([(FAR, 1, 0.9), (OBJECT, 0, 0.8)], ["dog where nothing is annotated, score 0.90"]),
        ([], ["missed cat (no box)"]),
        ([(OBJECT, 0, 0.12), (OBJECT, 1, 0.2), (HALF, 0, 0.2)], ["missed cat (best score 0.12)"]),
    ],
)
def test_each_type_in_words(predicted: list[tuple[Box, int, float]], captions: list[str]) -> None:
    assert [each.caption for each in found(target((OBJECT, 0)), detections(*predicted))] == captions


def test_a_wrong_box_is_as_bad_as_its_score_and_is_what_is_explained() -> None:
    (wrong,) = found(target((OBJECT, 0)), detections((OBJECT, 0, 0.9), (FAR, 1, 0.5)))
    assert (wrong.type, wrong.severity, wrong.number) == ("background", 0.5, 1)
    assert wrong.box is not None
    assert wrong.box.tolist() == list(FAR)


def test_a_missed_object_is_as_bad_as_it_is_large_and_explained_by_the_best_weak_box() -> None:
    predicted = detections((FAR, 1, 0.9), (OBJECT, 0, 0.1), (OBJECT, 0, 0.2))
    (missed,) = found(target((FAR, 1), (OBJECT, 0)), predicted)
    assert (missed.type, missed.number) == ("missed", 1)
    assert missed.severity == pytest.approx(0.16)  # 40 x 40 of 100 x 100 pixels
    assert missed.box is not None
    assert missed.box.tolist() == list(OBJECT)


def test_ignored_objects_are_not_missed() -> None:
    assert found(target((OBJECT, 0), (FAR, 1), ignore=(0,)), detections((FAR, 1, 0.9))) == []


def test_a_mistake_does_not_hold_the_other_boxes_in_memory() -> None:
    for each in found(target((OBJECT, 0)), detections((FAR, 1, 0.5))):
        assert each.box is not None
        assert each.box.untyped_storage().nbytes() == 16


corners = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(5, 40), st.integers(5, 40)).map(
    lambda box: (float(box[0]), float(box[1]), float(box[0] + box[2]), float(box[1] + box[3]))
)
objects = st.lists(st.tuples(corners, st.integers(0, 1)), max_size=6)
boxes = st.lists(st.tuples(corners, st.integers(0, 1), st.floats(0.0625, 1.0, width=32)), max_size=8)


@settings(max_examples=60, deadline=None)
@given(objects, boxes, st.sampled_from([(), (0,)]), st.sampled_from([0.125, 0.25, 0.5]))
def test_there_are_as_many_of_each_type_as_errors_are_counted(
    annotated: list[tuple[Box, int]], predicted: list[tuple[Box, int, float]], ignore: tuple[int, ...], conf: float
) -> None:
    image, found_boxes = target(*annotated, ignore=ignore), detections(*predicted)
    every = box_mistakes(image, found_boxes, NAMES, conf)
    errors = count_errors({"a": image}, {"a": found_boxes}, conf)
    assert Counter(each.type for each in every) == {kind: count for kind, count in errors.counts.items() if count}
    for each in every:
        assert 0 <= each.severity <= 1
        assert each.box is not None
        if each.type != "missed":
            assert each.number is not None
            assert each.severity == found_boxes.scores[each.number] >= conf
            assert torch.equal(each.box, found_boxes.boxes[each.number])
        elif each.number is not None:
            assert found_boxes.scores[each.number] < conf
            assert pairwise_iou(found_boxes.boxes[each.number][None], each.box[None]) >= 0.5


@settings(max_examples=20, deadline=None)
@given(objects)
def test_a_perfect_prediction_has_no_mistake(annotated: list[tuple[Box, int]]) -> None:
    image = target(*annotated)
    assert found(image, Detections(image.boxes, torch.ones(len(image.boxes)), image.labels)) == []
