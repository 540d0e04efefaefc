"""IoU of classes: by hand, equal to torchmetrics, with intervals, and where nothing was predicted."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from polyhead.errors import PolyheadError
from polyhead.metrics import masks as own
from polyhead.metrics.intervals import bootstrap_weights, mean_over_runs
from polyhead.metrics.masks import PixelCounts, constant_baseline, count_pixels, masks, paired
from polyhead.types import Mask

NAMES = ["background", "cat", "dog"]


def image(rows: list[list[int]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.uint8)


def random_pair(seed: int, classes: int = 5, correct: float = 0.7) -> tuple[Tensor, Tensor]:
    """Make a target with ignored pixels, and a prediction that is mostly correct."""
    generator = torch.Generator().manual_seed(seed)
    size = (int(torch.randint(4, 20, (), generator=generator)), 13)
    target = torch.randint(classes, size, generator=generator).to(torch.uint8)
    other = torch.randint(classes, size, generator=generator).to(torch.uint8)
    predicted = torch.where(torch.rand(size, generator=generator) < correct, target, other)
    target[torch.rand(size, generator=generator) < 0.1] = 255
    return target, predicted


def counted(seed: int, correct: float = 0.7, count: int = 12) -> list[PixelCounts]:
    pairs = [random_pair(100 * seed + number, correct=correct) for number in range(count)]
    return [count_pixels(Mask(predicted), target, 5) for target, predicted in pairs]


def test_scores_by_hand() -> None:
    target = image([[0, 0, 1, 1], [0, 255, 1, 1]])
    predicted = image([[0, 1, 1, 1], [0, 2, 0, 255]])
    found = count_pixels(Mask(predicted), target, 3)
    assert found.counts.tolist() == [[2, 1, 0, 0], [1, 2, 0, 1], [0, 0, 0, 0]]
    scores = masks([found], NAMES)
    assert scores.iou["background"] == 2 / 4
    assert scores.iou["cat"] == 2 / 5
    assert math.isnan(scores.iou["dog"])
    assert scores.absent == ["dog"]
    assert scores.pixels == {"background": 3, "cat": 4, "dog": 0}
    assert scores.miou == pytest.approx(0.45)
    assert scores.miou_foreground == pytest.approx(0.4)
    assert scores.pixel_accuracy == pytest.approx(4 / 7)
    assert scores.mean_accuracy == pytest.approx((2 / 3 + 2 / 4) / 2)


def test_pixels_without_a_prediction_are_errors_of_their_class_alone() -> None:
    target = image([[0, 1]])
    scores = masks([count_pixels(Mask(image([[0, 255]])), target, 3)], NAMES)
    assert (scores.iou["background"], scores.iou["cat"], scores.pixel_accuracy) == (1.0, 0.0, 0.5)


def test_a_class_that_was_only_predicted_counts_as_wrong() -> None:
    scores = masks([count_pixels(Mask(image([[0, 2]])), image([[0, 0]]), 3)], NAMES)
    assert scores.iou["dog"] == 0.0
    assert scores.absent == ["cat"]
    assert scores.miou == pytest.approx(0.25)
    assert scores.mean_accuracy == 0.5


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_equal_to_torchmetrics(seed: int) -> None:
    from torchmetrics.functional.classification import multiclass_accuracy, multiclass_jaccard_index

    pairs = [random_pair(7 * seed + number) for number in range(3)]
    scores = masks([count_pixels(Mask(predicted), target, 5) for target, predicted in pairs], list("abcde"))
    true, predicted = (torch.cat([pair[side].flatten() for pair in pairs]).long() for side in (0, 1))
    assert scores.miou == pytest.approx(float(multiclass_jaccard_index(predicted, true, 5, ignore_index=255)), abs=1e-6)
    each = multiclass_jaccard_index(predicted, true, 5, ignore_index=255, average="none")
    assert list(scores.iou.values()) == pytest.approx(each.tolist(), abs=1e-6)
    micro = multiclass_accuracy(predicted, true, 5, ignore_index=255, average="micro")
    assert scores.pixel_accuracy == pytest.approx(float(micro), abs=1e-6)
    macro = multiclass_accuracy(predicted, true, 5, ignore_index=255, average="macro")
    assert scores.mean_accuracy == pytest.approx(float(macro), abs=1e-6)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_images_may_come_in_any_order_and_grouping(seed: int, cut: int) -> None:
    found = counted(seed % 50, count=5)
    scores = masks(found, list("abcde"))
    assert masks(found[::-1], list("abcde")) == scores
    joined = [
        PixelCounts(sum((one.counts for one in part), torch.zeros(5, 6).long())) for part in (found[:cut], found[cut:])
    ]
    assert masks(joined, list("abcde")) == scores


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_the_target_is_its_own_best_prediction(seed: int) -> None:
    target, _ = random_pair(seed)
    scores = masks([count_pixels(Mask(torch.where(target == 255, 0, target)), target, 5)], list("abcde"))
    assert scores.pixel_accuracy == scores.miou == 1.0


def test_a_resample_is_the_score_of_its_images() -> None:
    found = counted(2, count=4)
    weights = np.array([[2, 0, 1, 1], [0, 4, 0, 0]])
    drawn = own.bootstrap_scores([own.sum_pixels(found)], "miou", weights)
    for row, times in zip(drawn, weights.tolist(), strict=True):
        drawn_images = [one for one, count in zip(found, times, strict=True) for _ in range(count)]
        assert row == pytest.approx(masks(drawn_images, list("abcde")).miou)


def test_paired_differences_cancel_hard_images() -> None:
    good, bad = counted(3, 0.8, 40), counted(3, 0.7, 40)
    value, low, high = paired([good], [bad])
    difference = masks(good, list("abcde")).miou - masks(bad, list("abcde")).miou
    assert value == pytest.approx(difference)
    assert low < value < high
    assert paired([good, bad], [good, bad], "pixel_accuracy") == (0.0, 0.0, 0.0)
    assert paired([good, bad], [bad]).value == pytest.approx(difference / 2)


def test_the_dummy_baseline_predicts_one_class_everywhere() -> None:
    target = image([[0, 0, 1], [0, 255, 1]])
    baseline = constant_baseline([count_pixels(Mask(image([[0, 1, 1], [0, 2, 0]])), target, 3)], 0)[0]
    assert torch.equal(baseline.counts, count_pixels(Mask(torch.zeros_like(target)), target, 3).counts)


@pytest.mark.parametrize(
    ("predicted", "true", "message"),
    [
        ([[0, 0]], [[0], [0]], "a predicted mask has 2 x 1 pixels, its target 1 x 2"),
        ([[3, 0]], [[0, 0]], r"a predicted mask has the class 3 \(expected 0 to 2"),
        ([[0, 0]], [[3, 0]], r"a target mask has the class 3 \(expected 0 to 2"),
    ],
)
def test_invalid_masks_are_refused(predicted: list[list[int]], true: list[list[int]], message: str) -> None:
    with pytest.raises(PolyheadError, match=message):
        count_pixels(Mask(image(predicted)), image(true), 3)


def test_invalid_counts_are_refused() -> None:
    with pytest.raises(PolyheadError, match="the split has no images"):
        masks([], NAMES)
    with pytest.raises(PolyheadError, match="counted for 5 classes, but the task has 3"):
        masks(counted(1), NAMES)
    with pytest.raises(PolyheadError, match="no run to score"):
        own.bootstrap_scores([], "miou", np.ones((1, 1), dtype=np.int64))


def test_seeds_are_drawn_as_images_are() -> None:
    runs = [own.sum_pixels(counted(seed)) for seed in range(3)]
    weights = bootstrap_weights(len(runs[0].correct), 200)
    alone = np.stack([own.bootstrap_scores([run], "miou", weights) for run in runs])
    np.testing.assert_allclose(own.bootstrap_scores(runs, "miou", weights), mean_over_runs(alone))


def test_a_target_of_ignored_pixels_alone_has_no_score() -> None:
    scores = masks([count_pixels(Mask(image([[0, 1]])), image([[255, 255]]), 3)], NAMES)
    assert math.isnan(scores.miou)
    assert scores.absent == NAMES
