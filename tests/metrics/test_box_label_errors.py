"""Which boxes a detector contradicts, and which it does not."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polyhead.metrics.box_label_errors import LEAST, TYPES, Contradictions, contradictions
from polyhead.types import Boxes, Detections

SIZE = (200, 200)
PLACES = [[10.0, 10.0, 50.0, 60.0], [90.0, 20.0, 140.0, 80.0], [30.0, 110.0, 90.0, 180.0]]


def target_of(boxes: list[list[float]], labels: list[int]) -> Boxes:
    corners = torch.tensor(boxes).reshape(-1, 4)
    nothing, every = torch.zeros(len(labels), dtype=torch.bool), torch.ones(3, dtype=torch.bool)
    return Boxes(corners, torch.tensor(labels, dtype=torch.int64), nothing, torch.ones(len(labels)), every, SIZE)


def found_of(boxes: list[list[float]], labels: list[int], scores: list[float]) -> Detections:
    return Detections(
        torch.tensor(boxes).reshape(-1, 4), torch.tensor(scores), torch.tensor(labels, dtype=torch.int64), None
    )


def rows(found: Contradictions) -> list[tuple[str, float, int, int]]:
    """Return type, score, prediction and box of each, the strongest first."""
    columns = zip(*(each.tolist() for each in found), strict=True)
    return sorted(
        ((TYPES[kind], round(score, 4), *places) for kind, score, *places in columns), key=lambda row: -row[1]
    )


def test_predictions_that_agree_contradict_nothing() -> None:
    target, found = target_of(PLACES, [0, 1, 2]), found_of(PLACES, [0, 1, 2], [0.9, 0.8, 0.1])
    assert rows(contradictions(target, found)) == []


def test_each_type_points_at_its_box_and_prediction() -> None:
    moved = [90.0, 50.0, 140.0, 110.0]  # IoU 1/3 with the second place
    target = target_of([moved, PLACES[2]], [1, 0])
    found = found_of(PLACES, [0, 1, 2], [0.9, 0.8, 0.7])
    assert rows(contradictions(target, found)) == [
        ("swapped", round(0.7 / 0.75, 4), 2, 1),
        ("overlooked", 0.9, 0, -1),
        ("badly located", 0.8, 1, 0),
    ]


def test_what_supports_a_label_weakens_a_contradiction() -> None:
    target = target_of(PLACES[:1], [0])
    alone = rows(contradictions(target, found_of(PLACES[:1], [1], [0.6])))
    supported = rows(contradictions(target, found_of(PLACES[:1] * 2, [1, 0], [0.6, 0.5])))
    assert alone[0][1] > supported[0][1] > LEAST


@pytest.mark.parametrize(
    "changes",
    [
        {"annotated": torch.tensor([True, False, True])},
        {"ignore": torch.tensor([True]), "boxes": torch.tensor([[85.0, 15.0, 150.0, 90.0]])},
    ],
    ids=["not annotated", "ignored region"],
)
def test_where_labels_are_not_complete_nothing_is_overlooked(changes: dict[str, Any]) -> None:
    found = found_of(PLACES[1:2], [1], [0.95])
    assert rows(contradictions(target_of(PLACES[:1], [0]), found)) == [("overlooked", 0.95, 0, -1)]
    assert rows(contradictions(target_of(PLACES[:1], [0])._replace(**changes), found)) == []


def test_two_predictions_of_one_object_are_one_finding() -> None:
    near = [[12.0, 10.0, 52.0, 60.0], PLACES[0]]
    assert len(rows(contradictions(target_of([], []), found_of(near, [0, 0], [0.9, 0.8])))) == 1
    swapped = rows(contradictions(target_of(PLACES[:1], [2]), found_of(near, [0, 1], [0.9, 0.8])))
    assert [(kind, box) for kind, _, _, box in swapped] == [("swapped", 0)]


boxes = st.lists(st.tuples(*[st.integers(0, 190)] * 2, *[st.integers(5, 100)] * 2), max_size=6)


@given(boxes, boxes, st.randoms(use_true_random=False))
def test_scores_are_fractions_and_the_order_of_predictions_does_not_matter(
    own: list[tuple[int, ...]], other: list[tuple[int, ...]], random: Any
) -> None:
    corners = [[[float(x), float(y), float(x + w), float(y + h)] for x, y, w, h in each] for each in (own, other)]
    target = target_of(corners[0], [random.randrange(3) for _ in own])
    scores = random.sample([0.03, 0.2, 0.41, 0.62, 0.83, 0.97], len(other))  # no two are equal
    found = found_of(corners[1], [random.randrange(3) for _ in other], scores)
    errors = contradictions(target, found)
    assert bool(((errors.scores >= LEAST) & (errors.scores <= 1)).all())
    assert len(set(errors.predictions.tolist())) == len(errors.predictions)
    at_boxes = errors.boxes[errors.boxes >= 0].tolist()
    assert len(set(at_boxes)) == len(at_boxes)
    order = random.sample(range(len(other)), len(other))
    again = contradictions(target, found.take(torch.tensor(order, dtype=torch.int64)))
    first = [(kind, score, box) for kind, score, _, box in rows(errors)]
    assert sorted(first) == sorted((kind, score, box) for kind, score, _, box in rows(again))
