"""The operating point of a task, from stored predictions of each kind."""

import numpy as np
import pytest
import torch

from polyhead.analysis.operating import choose_point, measure_point, sentences
from polyhead.contracts.operating import Point
from polyhead.kinds.classification import Classification, TestedLabels
from polyhead.kinds.detection import Detection
from polyhead.kinds.segmentation import Segmentation
from polyhead.kinds.statistics import TestedStatistics
from polyhead.metrics.pooled import TestedBoxes
from polyhead.types import Boxes, Detections, Labels

NAMES = ["cat", "dog"]


def boxes(found: list[list[tuple[float, int, bool]]]) -> TestedBoxes:
    """Return a test of images with one object of each class, and detections given as (score, label, on an object)."""
    targets, predictions = {}, {}
    places = torch.tensor([[0.0, 0, 10, 10], [50, 50, 80, 80]])
    for number, image in enumerate(found):
        nothing, every = torch.zeros(2, dtype=torch.bool), torch.ones(2, dtype=torch.bool)
        targets[str(number)] = Boxes(places, torch.arange(2), nothing, torch.full((2,), 100.0), every, (100, 100))
        rows = sorted(image, reverse=True)
        labels = torch.tensor([label for _, label, _ in rows], dtype=torch.int64)
        moved = torch.tensor([0.0 if hit else 200.0 for *_, hit in rows])
        scores = torch.tensor([score for score, *_ in rows])
        predictions[str(number)] = Detections(places[labels] + moved[:, None], scores, labels)
    return TestedBoxes(Detection(), "pets", targets, predictions, NAMES)


IMAGE = [(0.9, 0, True), (0.5, 0, False), (0.4, 1, True), (0.2, 1, False)]
"""Thresholds of .7 for cats and .3 for dogs show the correct boxes alone."""


def test_each_class_has_the_threshold_of_its_own_detections() -> None:
    val = boxes([IMAGE] * 12)
    point = choose_point(val, "val")
    assert point is not None
    assert (point.split, point.precision, point.own, point.temperature) == ("val", None, [True, True], 1.0)
    assert point.thresholds == pytest.approx([0.7, 0.3])
    numbers = measure_point(boxes([IMAGE, IMAGE[1:]]), point, "test")
    assert (numbers["chosen_on"], numbers["goal"], numbers["cross_fitted"]) == ("val", "f1", False)
    assert [numbers[name][0] for name in ("precision", "recall", "f1")] == pytest.approx([1, 0.75, 6 / 7])
    assert numbers["classes"]["cat"] == {
        "threshold": pytest.approx(0.7),
        "own": True,
        "precision": 1.0,
        "recall": pytest.approx(0.5),
    }
    assert measure_point(val, point, "val")["cross_fitted"]


def test_a_precision_that_is_not_reached_is_replaced_by_the_best_f1() -> None:
    point = choose_point(boxes([IMAGE] * 12), "val", 0.9)
    assert point is not None
    assert point.precision == 0.9
    assert point.thresholds == pytest.approx([0.7, 0.3])
    unreached = choose_point(boxes([IMAGE] * 4), "val", 0.9)
    assert unreached is not None
    assert unreached.precision is None


def test_a_detector_that_finds_nothing_has_no_point() -> None:
    assert choose_point(boxes([[(0.9, 0, False)], []]), "val") is None


def labels(images: int, seed: int, sharper: float = 3.0) -> TestedLabels:
    """Return a test of a classifier whose logits are too large by a factor."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(images, 3, generator=generator)
    true = torch.multinomial(logits.softmax(dim=1), 1, generator=generator)[:, 0]
    probabilities = (sharper * logits).softmax(dim=1)
    ids = [str(number) for number in range(images)]
    return TestedLabels(Classification(), "kind", ["a", "b", "c"], ids, probabilities.numpy(), true.numpy())


def test_a_classifier_has_a_temperature_that_calibrates_it() -> None:
    point = choose_point(labels(2000, 0), "val")
    assert point is not None
    assert point == Point("val", None, None, [], [], point.temperature)
    assert point.temperature == pytest.approx(3.0, rel=0.1)
    numbers = measure_point(labels(2000, 1), point, "test")
    assert "f1" not in numbers, "every image gets its most probable class"
    assert numbers["calibration_error"]["before"] > 0.2
    assert numbers["calibration_error"]["after"] < 0.05


def test_a_classifier_is_uncertain_below_the_precision_that_was_asked_for() -> None:
    val, test = labels(3000, 0), labels(3000, 1)
    point = choose_point(val, "val", 0.7)
    assert point is not None
    assert point.precision == 0.7
    numbers = measure_point(test, point, "test")
    assert numbers["precision"][0] == pytest.approx(0.7, abs=0.04)
    accuracy = float((test.probabilities.argmax(axis=1) == test.true).mean())
    assert accuracy < 0.6
    kind, sure, unsure = Classification(), Labels(torch.tensor([0.99, 0.005, 0.005])), Labels(torch.ones(3) / 3)
    assert [kind.certain(each, point.thresholds) for each in (sure, unsure)] == [True, False]
    assert kind.certain(unsure, 0.3)


def test_masks_have_no_point() -> None:
    tested = TestedStatistics(Segmentation(), "road", NAMES, ["0"], np.ones((1, 6)), np.zeros(1))
    assert choose_point(tested, "val", 0.9) is None


def test_the_verdict_quotes_the_figures() -> None:
    point = choose_point(boxes([IMAGE] * 12), "val")
    assert point is not None
    numbers = measure_point(boxes([IMAGE] * 4), point, "test")
    (line,) = sentences(numbers, "test")
    expected = (
        "At the operating point, scores from 0.30 (chosen on val for the best F1): precision 1.000 [1.000, 1.000]"
    )
    assert line == f"{expected}, recall 1.000 [1.000, 1.000] on test."
    assert not sentences({}, "test")
    undefined = {**numbers, "precision": [None, None, None], "goal": {"precision": 0.9}, "cross_fitted": True}
    (line,) = sentences(undefined, "val")
    expected = "At the operating point, scores from 0.30 (chosen on val for a precision of 0.9): precision not defined"
    assert line == f"{expected}, recall 1.000 [1.000, 1.000] on val, cross-fitted."
    calibrated = choose_point(labels(50, 0), "val")
    assert calibrated is not None
    (line,) = sentences(measure_point(labels(50, 1), calibrated, "test"), "test")
    assert line.startswith(f"Probabilities are shown at temperature {calibrated.temperature:.2f}: their calibration")
