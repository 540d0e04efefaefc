"""Odd boxes are found, with their image, and sound ones are not."""

import pytest
import torch

from polyhead.contracts.kind import Targets
from polyhead.kinds.detection import Detection
from polyhead.types import Boxes

SOUND = (100, 100, 300, 200)
Box = tuple[float, float, float, float]


def found(*images: list[tuple[int, Box]], ignore: bool = False) -> list[tuple[str, str]]:
    """Return the check and the place of each finding in images of 640 x 480 pixels."""
    targets = []
    for objects in images:
        boxes = torch.tensor([box for _, box in objects], dtype=torch.float32).reshape(-1, 4)
        labels = torch.tensor([label for label, _ in objects], dtype=torch.int64)
        ignored = torch.full((len(labels),), ignore)
        area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
        targets.append(Boxes(boxes, labels, ignored, area, torch.ones(2, dtype=torch.bool), (480, 640)))
    ids = [str(number) for number in range(len(images))]
    kind = Detection()
    places = [f"{number}.jpg" for number in ids]
    return [
        (each.check, each.problem.where)
        for each in kind.check(Targets(kind, ["cat", "dog"], ids, targets.__getitem__), places)
    ]


@pytest.mark.parametrize(
    ("box", "check"),
    [((100, 100, 101.9, 200), "tiny-boxes"), ((0, 0, 640, 480), "huge-boxes"), ((0, 0, 640, 470), None), (SOUND, None)],
)
def test_tiny_and_huge_boxes(box: Box, check: str | None) -> None:
    assert found([(0, SOUND)], [], [(1, box)]) == ([(check, "2.jpg")] if check else [])
    assert found([(0, box)], ignore=True) == []


@pytest.mark.parametrize(
    ("label", "box", "duplicate"),
    [
        (0, SOUND, True),
        (1, SOUND, True),
        (0, (100, 100, 302, 201), True),
        (1, (100, 100, 302, 201), False),
        (0, (100, 100, 330, 200), False),
    ],
)
def test_duplicate_boxes_of_an_image(label: int, box: Box, duplicate: bool) -> None:
    other: Box = (400, 300, 500, 400)
    objects = [(0, SOUND), (1, other), (label, box)]
    assert found([(0, SOUND)], objects) == ([("duplicate-boxes", "1.jpg")] if duplicate else [])
    assert found(objects[:1], [(label, box)]) == [], "boxes of two images are not duplicates"


def test_no_boxes_at_all() -> None:
    assert found([], []) == []
    assert found() == []
