"""The cases of a detector are its objects and its confident boxes; right and wrong are those of the report."""

import numpy as np
import pytest
import torch
from builders.box_cases import NOTHING, random_case, target

from polyhead.kinds.detection import Detection
from polyhead.metrics.box_errors import count_errors
from polyhead.metrics.pooled import TestedBoxes
from polyhead.types import Detections


def test_numbers_are_those_of_the_counted_errors() -> None:
    targets, predictions, names = random_case(0, images=20)
    predictions = {image_id: predictions.get(image_id, NOTHING) for image_id in targets}
    errors = count_errors(targets, predictions)
    objects, boxes = Detection().cases(TestedBoxes(Detection(), "a", targets, predictions, names))
    assert (len(objects.wrong), int((~objects.wrong).sum())) == (errors.objects, errors.found)
    assert (len(boxes.wrong), int((~boxes.wrong).sum())) == (errors.detections, errors.found)
    counts = [int((~each.ignore).sum()) for each in targets.values()]
    assert np.bincount(objects.samples, minlength=20).tolist() == counts
    assert (objects.facts["objects in the image"] == np.array(counts)[objects.samples]).all()
    assert objects.labels.tolist() == [
        label for each in targets.values() for label in each.labels[~each.ignore].tolist()
    ]


def test_size_and_crowding_of_an_object() -> None:
    corners = [[0, 0, 50, 50], [40, 40, 60, 60], [60, 0, 100, 40], [0, 0, 100, 100]]
    target_boxes = target(corners, [0, 1, 1, 0], 2, ignore=[False, False, False, True], size=(100, 100))
    found = Detections(
        torch.tensor([[0.0, 0, 50, 50], [0, 50, 20, 70]]), torch.tensor([0.9, 0.5]), torch.tensor([0, 1])
    )
    objects, boxes = Detection().cases(TestedBoxes(Detection(), "a", {"x": target_boxes}, {"x": found}, ["cat", "dog"]))
    assert objects.facts["size"].tolist() == pytest.approx([0.5, 0.2, 0.4])
    assert objects.facts["overlapping objects"].tolist() == [1, 1, 0]
    assert objects.wrong.tolist() == [False, True, True]
    assert boxes.facts["size"].tolist() == pytest.approx([0.5, 0.2])
    assert boxes.wrong.tolist() == [False, True]


def test_nothing_detected_is_all_objects_and_no_boxes() -> None:
    tested = TestedBoxes(Detection(), "a", {"x": target([[0, 0, 9, 9]], [0], 1), "y": target([], [], 1)}, {}, ["cat"])
    objects, boxes = Detection().cases(tested)
    assert objects.wrong.tolist() == [True]
    assert boxes.wrong.tolist() == []
