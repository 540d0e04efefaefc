"""Planted label errors, and how their recall is counted."""

from typing import Any

import numpy as np
import torch

from benchmarks import label_errors
from benchmarks.label_errors import (
    MOVED,
    Planted,
    Ranked,
    cleanlab_boxes,
    judged,
    plant_boxes,
    plant_classes,
    precision,
)
from polyhead.boxes.overlap import pairwise_iou
from polyhead.data.synthetic.scenes import Scenes
from polyhead.kinds.label_errors import box_label_errors
from polyhead.types import Boxes, ClassLabel, Detections

SCENES = Scenes(30, size=96)
TARGETS = {
    SCENES.entry(index).id: target for index in range(len(SCENES)) if isinstance(target := SCENES.target(index), Boxes)
}


def sure() -> dict[str, Detections]:
    """Return predictions that are equal to the labels."""
    return {
        image: Detections(each.boxes, torch.full((len(each.labels),), 0.97), each.labels, None)
        for image, each in TARGETS.items()
    }


def test_a_third_of_the_planted_boxes_has_each_error() -> None:
    before = {image: each.boxes.clone() for image, each in TARGETS.items()}
    changed, errors = plant_boxes(TARGETS, SCENES.names, 0)
    total = sum(len(each.labels) for each in TARGETS.values())
    assert len(errors) == round(0.1 * total)
    assert all(torch.equal(before[image], each.boxes) for image, each in TARGETS.items())
    kinds = [each.type for each in errors]
    assert max(map(kinds.count, kinds)) - min(map(kinds.count, kinds)) <= 1
    assert sum(len(each.labels) for each in changed.values()) == total - kinds.count("overlooked")
    for error in errors:
        boxes = changed[error.image].boxes
        assert error.before is not None
        if error.type == "badly located":
            assert error.now is not None
            assert MOVED[0] <= float(pairwise_iou(error.before[None], error.now[None])) <= MOVED[1]
            assert bool((boxes == error.now).all(dim=1).any())
        else:
            there = (boxes == error.before).all(dim=1)
            assert int(there.sum()) == (error.type == "swapped")
            assert SCENES.names[int(changed[error.image].labels[there].sum())] != error.label or not there.any()
    again, _ = plant_boxes(TARGETS, SCENES.names, 0)
    assert all(torch.equal(again[image].boxes, each.boxes) for image, each in changed.items())


def test_a_perfect_detector_finds_all_and_so_does_cleanlab() -> None:
    changed, errors = plant_boxes(TARGETS, SCENES.names, 1)
    for search, share in (
        (box_label_errors, 1),
        (cleanlab_boxes, 0.5),
    ):  # whose scores need objects that do not overlap
        ranked = judged(search(changed, sure(), SCENES.names), errors)[: len(errors)]
        assert sum(each.error is not None for each in ranked) >= share * len(errors), search


def test_a_finding_counts_once() -> None:
    targets = {str(number): ClassLabel(torch.tensor(number % 3)) for number in range(40)}
    changed, errors = plant_classes(targets, ["a", "b", "c"], 0)
    wrong = [image for image in targets if not torch.equal(changed[image].label, targets[image].label)]
    assert sorted(wrong) == sorted(each.image for each in errors)
    assert len(errors) == 4
    place: dict[str, Any] = {"x": 0, "y": 1}
    error = Planted("wrong class", "x", "a")
    ranked = [Ranked(0.9, "y", None), Ranked(0.8, "x", error)]
    weights = np.array([[1, 1], [2, 0], [0, 2]])
    assert precision([error], ranked, weights, place).tolist() == [0, 1, 0]
    assert label_errors.PLANTED == 0.1
