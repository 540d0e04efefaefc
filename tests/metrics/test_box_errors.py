"""The six kinds of errors: one image for each, and properties of all."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.errors import PolyheadError
from polyhead.metrics.box_errors import KINDS, Errors, count_errors, image_errors
from polyhead.types import Boxes, Detections

Box = tuple[float, float, float, float]
OBJECT: Box = (10, 10, 50, 50)
HALF: Box = (10, 10, 50, 28)  # IoU .45 with OBJECT
FAR: Box = (70, 70, 90, 90)


def target(
    *objects: tuple[Box, int], ignore: tuple[int, ...] = (), annotated: tuple[bool, ...] = (True, True)
) -> dict[str, Boxes]:
    boxes = torch.tensor([box for box, _ in objects], dtype=torch.float32).reshape(-1, 4)
    objects_of_image = Boxes(
        size=(100, 100),
        boxes=boxes,
        labels=torch.tensor([label for _, label in objects], dtype=torch.int64),
        ignore=torch.tensor([index in ignore for index in range(len(objects))], dtype=torch.bool),
        areas=(boxes[:, 2:] - boxes[:, :2]).prod(1),
        annotated=torch.tensor(annotated),
    )
    return {"a": objects_of_image}


def detections(*boxes: tuple[Box, int, float]) -> dict[str, Detections]:
    corners = torch.tensor([box for box, _, _ in boxes], dtype=torch.float32).reshape(-1, 4)
    labels = torch.tensor([label for _, label, _ in boxes], dtype=torch.int64)
    return {"a": Detections(corners, torch.tensor([score for _, _, score in boxes]), labels)}


def nonzero(errors: Errors) -> dict[str, int]:
    return {kind: count for kind, count in errors.counts.items() if count}


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([(OBJECT, 0, 0.9)], {}),
        ([], {"missed": 1}),
        ([(OBJECT, 0, 0.2)], {"missed": 1}),  # below the threshold
        ([(OBJECT, 1, 0.9)], {"classification": 1}),  # and the object does not count as missed
        ([(HALF, 0, 0.9)], {"localisation": 1}),
        ([(HALF, 1, 0.9)], {"both": 1, "missed": 1}),
        ([(FAR, 0, 0.9)], {"background": 1, "missed": 1}),
        ([(OBJECT, 0, 0.9), (OBJECT, 0, 0.8)], {"duplicate": 1}),
        ([(OBJECT, 1, 0.9), (OBJECT, 0, 0.8)], {"classification": 1}),
        (
            [(HALF, 0, 0.9), (OBJECT, 0, 0.8), (OBJECT, 0, 0.7), (FAR, 1, 0.6)],
            {"localisation": 1, "duplicate": 1, "background": 1},
        ),
    ],
)
def test_each_kind(boxes: list[tuple[Box, int, float]], expected: dict[str, int]) -> None:
    assert nonzero(count_errors(target((OBJECT, 0)), detections(*boxes))) == expected


def test_the_better_box_is_right_and_the_other_a_duplicate() -> None:
    shifted: Box = (12, 10, 52, 50)
    errors = count_errors(target((OBJECT, 0), (FAR, 0)), detections((OBJECT, 0, 0.9), (shifted, 0, 0.8), (FAR, 0, 0.7)))
    assert (errors.found, errors.objects, errors.detections) == (2, 2, 3)
    assert nonzero(errors) == {"duplicate": 1}


def test_a_wrong_class_next_to_an_object_of_that_class_is_a_wrong_class() -> None:
    neighbor: Box = (44, 10, 84, 50)
    errors = count_errors(target((OBJECT, 0), (neighbor, 1)), detections((OBJECT, 1, 0.9), (neighbor, 1, 0.8)))
    assert nonzero(errors) == {"classification": 1}
    assert errors.confusions == {(0, 1): 1}


def test_ignored_regions_do_not_count() -> None:
    crowd = target((OBJECT, 0), ignore=(0,))
    inside: Box = (20, 20, 30, 30)
    errors = count_errors(crowd, detections((inside, 0, 0.9), (OBJECT, 0, 0.8), (inside, 1, 0.7)))
    assert (errors.objects, errors.found, errors.detections) == (0, 0, 1)
    assert nonzero(errors) == {"background": 1}  # of the other class


def test_classes_that_are_not_annotated_are_left_out() -> None:
    errors = count_errors(target((OBJECT, 0), annotated=(True, False)), detections((FAR, 1, 0.9), (OBJECT, 0, 0.8)))
    assert (errors.detections, errors.found, nonzero(errors)) == (1, 1, {})


def test_sizes_by_area() -> None:
    small: Box = (60, 60, 70, 70)
    errors = count_errors(target((OBJECT, 0), (small, 0)), detections((OBJECT, 0, 0.9)))
    assert errors.sizes == {"small": (0, 1), "medium": (1, 1), "large": (0, 0)}


def test_errors_of_an_image_name_its_detections_and_objects() -> None:
    objects = target((FAR, 0), (OBJECT, 0), (OBJECT, 1), (FAR, 1), ignore=(0,))["a"]
    predicted = detections((FAR, 0, 0.9), (OBJECT, 0, 0.8), (HALF, 1, 0.7), (FAR, 1, 0.1))["a"]
    errors = image_errors(objects, predicted)
    assert errors.detections.tolist() == [1, 2], "one is ignored, and one has a low score"
    assert errors.kinds.tolist() == [-1, KINDS.index("localisation")]
    assert errors.objects.tolist() == [0, 1], "counted without those that are ignored"
    assert errors.found.tolist() == [True, False, False]
    assert errors.missed.tolist() == [False, False, True]


def test_summary_has_names_and_fractions() -> None:
    errors = count_errors(target((OBJECT, 0), (FAR, 0)), detections((OBJECT, 1, 0.9)))
    summary = errors.summary(["cup", "bottle"])
    assert summary["confusions"] == [["cup", "bottle", 1]]
    assert summary["shares"]["missed"] == summary["shares"]["classification"] == 0.5
    assert summary["sizes"]["medium"] == {"found": 0, "objects": 1}


def test_an_image_without_a_prediction_is_named() -> None:
    with pytest.raises(PolyheadError, match=r"image 'a' has no prediction\. Evaluate the run again"):
        count_errors(target(), {})


corners = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(5, 40), st.integers(5, 40)).map(
    lambda box: (float(box[0]), float(box[1]), float(box[0] + box[2]), float(box[1] + box[3]))
)


@settings(max_examples=40, deadline=None)
@given(
    objects=st.lists(st.tuples(corners, st.integers(0, 1)), max_size=6),
    boxes=st.lists(st.tuples(corners, st.integers(0, 1), st.floats(0.3125, 1.0, width=32)), max_size=8),
)
def test_every_detection_is_correct_or_has_one_kind_of_error(
    objects: list[tuple[Box, int]], boxes: list[tuple[Box, int, float]]
) -> None:
    boxes.sort(key=lambda entry: -entry[2])
    errors = count_errors(target(*objects), detections(*boxes))
    wrong = sum(errors.counts[kind] for kind in KINDS if kind != "missed")
    assert errors.found + wrong == errors.detections == len(boxes)
    assert errors.found + errors.counts["missed"] <= errors.objects == len(objects)
    assert sum(errors.fractions.values()) == pytest.approx(1.0 if wrong + errors.counts["missed"] else 0.0)
