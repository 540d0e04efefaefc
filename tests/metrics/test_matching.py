from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from builders.box_cases import target

from polyhead.metrics.coco import coco
from polyhead.metrics.matching import TOP, average_precision, match
from polyhead.types import Detections


@pytest.mark.parametrize("seed", range(4))
def test_equal_to_the_library_class_by_class(make_case: Callable[..., Any], seed: int) -> None:
    case = make_case(seed)
    own, scores = average_precision(match(*case))[0], coco(*case)
    np.testing.assert_allclose(own.mean(axis=0), [score.ap for score in scores.classes], atol=1e-9)
    np.testing.assert_allclose(own[0], [score.ap50 for score in scores.classes], atol=1e-9)
    assert np.isnan(own[:, -1]).all()


def test_equal_to_the_library_on_real_images(real_case: Any) -> None:
    own, scores = average_precision(match(*real_case))[0], coco(*real_case)
    np.testing.assert_allclose(own.mean(axis=0), [score.ap for score in scores.classes], atol=1e-9)


def test_weights_are_copies_of_images(make_case: Callable[..., Any]) -> None:
    targets, predictions, names = make_case(5, images=30, ties=False)
    weights = np.random.default_rng(0).integers(0, 4, len(targets))
    copies = {f"{name} {copy}": name for name, times in zip(targets, weights, strict=True) for copy in range(times)}
    copied = {copy: targets[name] for copy, name in copies.items()}
    found = {copy: predictions[name] for copy, name in copies.items() if name in predictions}
    own = average_precision(match(targets, predictions, names), weights[None])[0].mean(axis=0)
    np.testing.assert_allclose(own, [score.ap for score in coco(copied, found, names).classes], atol=1e-9)


def test_splitting_resamples_into_blocks_changes_nothing(
    make_case: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    matches = match(*make_case(6))
    weights = np.random.default_rng(0).integers(0, 3, (17, 40))
    whole = average_precision(matches, weights)
    monkeypatch.setattr("polyhead.metrics.matching._BLOCK", 1)
    np.testing.assert_array_equal(whole, average_precision(matches, weights))


def test_only_the_best_of_a_class_in_an_image_are_evaluated(make_case: Callable[..., Any]) -> None:
    targets, _, names = make_case(7, images=2, classes=2)
    count = TOP + 5
    scores = torch.linspace(0, 1, count)
    many = Detections(torch.rand(count, 4).sort(dim=1).values, scores, torch.zeros(count, dtype=torch.int64))
    matches = match(targets, dict.fromkeys(targets, many), names)
    assert matches.scores.shape[0] == 2 * TOP
    assert matches.scores.min() == pytest.approx(float(scores[5]))


def test_an_object_is_found_once_and_a_crowd_often() -> None:
    box = torch.tensor([[10.0, 10.0, 50.0, 50.0]])
    targets = {"alone": target(box, [0], 2), "crowd": target(box, [0], 2, ignore=[True])}
    thrice = Detections(box.repeat(3, 1), torch.tensor([0.9, 0.8, 0.7]), torch.zeros(3, dtype=torch.int64))
    matches = match(targets, dict.fromkeys(targets, thrice), ["a", "b"])
    assert matches.image_idx.tolist() == [0, 1, 0, 1, 0, 1]
    assert matches.hit[0].tolist() == [True, False, False, False, False, False]
    assert matches.skip[0].tolist() == [False, True, False, True, False, True]
