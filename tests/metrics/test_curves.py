from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from builders.box_cases import target

from polyhead.metrics.curves import THRESHOLDS, confusion, curves
from polyhead.metrics.matching import match
from polyhead.types import Detections

NAMES = ["cat", "dog", "cow"]
BOXES = torch.tensor(
    [[0.0, 0.0, 10.0, 10.0], [20.0, 0.0, 30.0, 10.0], [40.0, 0.0, 60.0, 10.0], [70.0, 0.0, 80.0, 10.0]]
)


@pytest.fixture
def case() -> Any:
    """Two cats, a crowd of dogs and a dog; detected: a cat, a cat as a dog, one in the crowd, one of the background."""
    objects = target(BOXES, [0, 0, 1, 1], 3, ignore=[False, False, True, False], size=(50, 90))
    boxes = torch.cat([BOXES[:3], torch.tensor([[0.0, 30.0, 10.0, 40.0], [70.0, 0.0, 80.0, 10.0]])])
    found = Detections(boxes, torch.tensor([0.9, 0.8, 0.7, 0.6, 0.1]), torch.tensor([0, 1, 1, 0, 1]))
    return {"a": objects}, {"a": found}, NAMES


def test_confusion_counts_every_object_and_detection_once(case: Any) -> None:
    assert confusion(*case).tolist() == [
        [1, 1, 0, 0],  # one cat is correct, one is detected as a dog
        [0, 0, 0, 1],  # the dog is missed, the crowd does not count
        [0, 0, 0, 0],
        [1, 0, 0, 0],  # a cat detected in the background
    ]


def test_a_lower_threshold_finds_the_dog(case: Any) -> None:
    targets, predictions, names = case
    assert confusion(targets, predictions, names, threshold=0.05)[1].tolist() == [0, 1, 0, 0]


def test_no_detections_are_all_missed(case: Any) -> None:
    targets, _, names = case
    assert confusion(targets, {}, names)[:, -1].tolist() == [2, 1, 0, 0]


def test_rows_add_up_to_the_objects(make_case: Callable[..., Any]) -> None:
    targets, predictions, names = make_case(3)
    matrix = confusion(targets, predictions, names, threshold=0.0)
    objects = torch.cat([each.labels[~each.ignore] for each in targets.values()]).bincount(minlength=len(names))
    assert matrix[:-1].sum(axis=1).tolist() == objects.tolist()
    assert matrix[:-1].trace() > 0


def test_curves_by_hand(case: Any) -> None:
    own = curves(match(*case))
    at = {score: int(np.argmin(np.abs(THRESHOLDS - score))) for score in (0.05, 0.3, 0.65, 0.85, 0.95)}
    assert own.precision[0, [at[0.3], at[0.65]]].tolist() == [0.5, 1.0]
    assert np.isnan(own.precision[0, at[0.95]])
    assert own.recall[0, [at[0.3], at[0.95]]].tolist() == [0.5, 0.0]
    assert own.f1[0, at[0.85]] == pytest.approx(2 / 3)
    assert own.precision[1, at[0.05]] == 0.5  # the cat is an error, the detection in the crowd is not
    assert own.recall[1, at[0.05]] == 1.0
    assert np.isnan(own.recall[2]).all()
    assert np.isnan(own.f1[2]).all()


def test_a_score_at_the_threshold_counts(case: Any) -> None:
    targets, predictions, names = case
    exact = {"a": predictions["a"]._replace(scores=torch.full((5,), 0.5))}
    own = curves(match(targets, exact, names))
    assert own.recall[0, [50, 51]].tolist() == [0.5, 0.0]


def test_recall_only_falls_as_the_threshold_rises(make_case: Callable[..., Any]) -> None:
    own = curves(match(*make_case(4)))
    assert (np.diff(own.recall[:3], axis=1) <= 0).all()
    np.testing.assert_allclose(
        np.nan_to_num(2 * own.precision * own.recall / (own.precision + own.recall))[:3], own.f1[:3], atol=1e-12
    )
