from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
import torch
from builders.box_cases import target

from polyhead.metrics.voc import area, eleven_points, voc
from polyhead.types import Boxes, Detections


def image(boxes: list[list[float]], difficult: list[bool]) -> Boxes:
    return target(boxes, [0] * len(boxes), 2, ignore=difficult, size=(100, 100))


def detections(boxes: list[list[float]], scores: list[float]) -> Detections:
    corners = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return Detections(corners, torch.tensor(scores), torch.zeros(len(scores), dtype=torch.int64))


def test_eleven_points_by_hand() -> None:
    # precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1: six points at 1, five at 2/3
    hit = np.array([True, False, True])
    assert eleven_points(hit, 2) == pytest.approx((6 + 5 * 2 / 3) / 11)


def test_a_recall_of_three_tenths_reaches_the_point_at_three_tenths() -> None:
    assert eleven_points(np.array([True] * 3), 10) == pytest.approx(4 / 11)


def test_area_by_hand() -> None:
    assert area(np.array([True, False, True]), 2) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert area(np.array([False, True, True]), 2) == pytest.approx(2 / 3)
    assert area(np.array([], dtype=np.bool_), 2) == 0.0


def test_difficult_objects_are_neither_found_nor_punished() -> None:
    first, second = [0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 90.0, 90.0]
    objects = {"a": image([first, second], [False, True])}
    alone = voc(objects, {"a": detections([first], [0.5])}, ["thing", "none"])
    both = voc(objects, {"a": detections([second, second, first], [0.9, 0.8, 0.5])}, ["thing", "none"])
    assert alone.map50 == both.map50 == 1.0
    assert alone.classes[0].objects == 1
    assert alone.absent == ["none"]
    assert np.isnan(alone.classes[1].ap)


def test_a_second_detection_of_one_object_is_wrong() -> None:
    box = [0.0, 0.0, 10.0, 10.0]
    objects = {"a": image([box], [False]), "b": image([box], [False])}
    found = {"a": detections([box, box], [0.9, 0.8]), "b": detections([box], [0.7])}
    assert voc(objects, found, ["thing", "none"], 2010).map50 == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_a_detection_looks_only_at_the_object_that_it_overlaps_most() -> None:
    left, right = [0.0, 0.0, 10.0, 10.0], [2.0, 0.0, 12.0, 10.0]
    objects = {"a": image([left, right], [False, False])}
    greedy = voc(objects, {"a": detections([left, [0.5, 0.0, 10.5, 10.0]], [0.9, 0.8])}, ["thing", "none"], 2010)
    assert greedy.map50 == pytest.approx(0.5)  # the second would be COCO's match of `right`


def test_half_is_enough() -> None:
    objects = {"a": image([[0.0, 0.0, 10.0, 10.0]], [False])}
    assert voc(objects, {"a": detections([[0.0, 0.0, 10.0, 5.0]], [0.9])}, ["thing", "none"]).map50 == 1.0
    assert voc(objects, {"a": detections([[0.0, 0.0, 10.0, 4.99]], [0.9])}, ["thing", "none"]).map50 == 0.0


def test_nothing_to_find() -> None:
    scores = voc({"a": image([], [])}, {"a": detections([[0.0, 0.0, 9.0, 9.0]], [0.5])}, ["thing", "none"])
    assert np.isnan(scores.map50)
    assert scores.absent == ["thing", "none"]


def most_overlapped(box: list[float], objects: Boxes, label: int) -> tuple[float, int]:
    best, which = 0.0, -1
    x1, y1, x2, y2 = box
    for index, (a1, b1, a2, b2) in enumerate(objects.boxes.tolist()):
        width, height = min(x2, a2) - max(x1, a1), min(y2, b2) - max(y1, b1)
        if objects.labels[index] == label and width > 0 and height > 0:
            shared = width * height
            overlap = shared / ((x2 - x1) * (y2 - y1) + (a2 - a1) * (b2 - b1) - shared)
            if overlap > best:
                best, which = overlap, index
    return best, which


def brute_force(targets: dict[str, Boxes], predictions: dict[str, Detections], label: int, year: int) -> float:
    """Run the procedure of VOC's development kit, one detection at a time."""
    lines = []
    for order, name in enumerate(targets):
        if name in predictions:
            found = predictions[name]
            lines += [
                (-score, order, index, name, box)
                for index, (box, score, own) in enumerate(zip(*[column.tolist() for column in found[:3]], strict=True))
                if own == label
            ]
    total = sum(int(((each.labels == label) & ~each.ignore).sum()) for each in targets.values())
    taken, correct, wrong, points = set(), 0, 0, []
    for _, _, _, name, box in sorted(lines, key=lambda line: line[:3]):
        best, which = most_overlapped(box, targets[name], label)
        if best >= 0.5 and targets[name].ignore[which]:
            continue
        if best >= 0.5 and (name, which) not in taken:
            taken.add((name, which))
            correct += 1
        else:
            wrong += 1
        points.append((correct, correct / (correct + wrong)))
    if year == 2007:
        return sum(max((p for r, p in points if r * 10 >= tenth * total), default=0.0) for tenth in range(11)) / 11
    steps = [max((p for r, p in points if r >= count), default=0.0) for count in range(1, total + 1)]
    return sum(steps) / total


@pytest.mark.parametrize("year", [2007, 2010])
@pytest.mark.parametrize("seed", range(3))
def test_equal_to_the_procedure_written_out(
    make_case: Callable[..., Any], seed: int, year: Literal[2007, 2010]
) -> None:
    targets, predictions, names = make_case(seed, images=25)
    scores = voc(targets, predictions, names, year)
    expected = [brute_force(targets, predictions, label, year) for label in range(3)]
    np.testing.assert_allclose([score.ap for score in scores.classes[:3]], expected, atol=1e-12)
    assert scores.map50 == pytest.approx(np.mean(expected))
    assert scores.absent == ["class 3"]
