from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from polyhead.errors import PolyheadError
from polyhead.metrics.coco import coco
from polyhead.metrics.intervals import (
    Interval,
    bootstrap_scores,
    bootstrap_weights,
    intervals,
    mean_over_runs,
    paired,
    percentile_interval,
    wilson,
)
from polyhead.metrics.matching import match
from polyhead.types import Detections


def noisy(predictions: dict[str, Detections], seed: int) -> dict[str, Detections]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: found._replace(scores=found.scores * torch.rand(found.scores.shape, generator=generator))
        for name, found in predictions.items()
    }


def test_the_score_is_that_of_coco_and_within_its_interval(make_case: Callable[..., Any], real_case: Any) -> None:
    for case in (make_case(1), real_case):
        own, scores = intervals(*case, resamples=200), coco(*case)
        assert own["ap"].value == pytest.approx(scores.ap, abs=1e-6)
        assert own["ap50"].value == pytest.approx(scores.ap50, abs=1e-6)
        assert own["ap50"].low < scores.ap50 < own["ap50"].high


def test_every_resample_has_as_many_images_and_the_seed_alone_decides() -> None:
    weights = bootstrap_weights(30, 200, seed=1)
    assert weights.shape == (201, 30)
    assert (weights[0] == 1).all()
    assert (weights.sum(axis=1) == 30).all()
    assert weights[1:].max() > 1
    np.testing.assert_array_equal(weights, bootstrap_weights(30, 200, seed=1))
    assert (weights != bootstrap_weights(30, 200, seed=2)).any()


def test_global_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    bootstrap_weights(30, 200)
    assert torch.equal(before, torch.get_rng_state())


def test_wider_levels_give_wider_intervals(make_case: Callable[..., Any]) -> None:
    samples = bootstrap_scores([match(*make_case(1))], "ap", bootstrap_weights(40, 300))
    narrow, wide = percentile_interval(samples, 0.5), percentile_interval(samples, 0.95)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_few_resamples_are_refused() -> None:
    with pytest.raises(PolyheadError, match=r"199 resamples are too few for an interval \(expected at least 200\)"):
        bootstrap_weights(30, 199)


def test_a_run_differs_from_itself_by_nothing(make_case: Callable[..., Any]) -> None:
    targets, predictions, names = make_case(2)
    assert paired(targets, [predictions], [predictions], names, resamples=200) == Interval(0.0, 0.0, 0.0)


def test_pairing_is_sharper_than_two_intervals(make_case: Callable[..., Any]) -> None:
    targets, predictions, names = make_case(2)
    worse = noisy(predictions, 0)
    difference = paired(targets, [predictions], [worse], names, "ap50", resamples=300)
    apart = [intervals(targets, run, names, resamples=300)["ap50"] for run in (predictions, worse)]
    assert difference.value == pytest.approx(apart[0].value - apart[1].value)
    assert difference.low < difference.value < difference.high
    assert difference.high - difference.low < sum(side.high - side.low for side in apart)
    other_way = paired(targets, [worse], [predictions], names, "ap50", resamples=300)
    assert other_way == pytest.approx((-difference.value, -difference.high, -difference.low))


def test_seeds_of_one_side_are_drawn_as_images_are(make_case: Callable[..., Any]) -> None:
    targets, predictions, names = make_case(2)
    runs = [noisy(predictions, seed) for seed in range(3)]
    weights = bootstrap_weights(len(targets), 200)
    alone = [bootstrap_scores([match(targets, run, names)], "ap", weights) for run in runs]
    joint = bootstrap_scores([match(targets, run, names) for run in runs], "ap", weights)
    np.testing.assert_allclose(joint, mean_over_runs(np.stack(alone)))
    assert joint[0] == pytest.approx(np.mean([run[0] for run in alone]))
    difference = paired(targets, runs, [predictions], names, resamples=200)
    assert difference.value == pytest.approx(
        joint[0] - intervals(targets, predictions, names, resamples=200)["ap"].value
    )


def test_variation_between_seeds_is_part_of_the_interval() -> None:
    """Three seeds score .2, .5 and .8 on every resample of the images: resampled seeds have a mean from .2 to .8."""
    samples = np.repeat([[0.2], [0.5], [0.8]], 1001, axis=1)
    mean = mean_over_runs(samples)
    assert mean[0] == pytest.approx(0.5)
    assert set(mean[1:].round(6)) == {0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8}
    assert mean[1:].std() == pytest.approx(np.std([0.2, 0.5, 0.8]) / 3**0.5, rel=0.1)
    np.testing.assert_allclose(mean_over_runs(samples + 0.1) - mean, 0.1)  # paired seed by seed
    np.testing.assert_array_equal(mean_over_runs(samples[:1]), samples[0])


def test_no_run_on_a_side_is_refused(make_case: Callable[..., Any]) -> None:
    targets, predictions, names = make_case(2)
    with pytest.raises(PolyheadError, match=r"no run to score\. Give at least one on each side"):
        paired(targets, [predictions], [], names)


def test_resamples_without_objects_are_left_out_and_no_objects_give_nan(make_case: Callable[..., Any]) -> None:
    targets, predictions, names = make_case(2)
    empty = dict([(name, each) for name, each in targets.items() if not each.labels.shape[0]][:4])
    full = next(name for name, each in targets.items() if each.labels.shape[0] and name in predictions)
    few = {full: predictions[full]}
    own = intervals({**empty, full: targets[full]}, few, names, resamples=200)["ap50"]
    assert not np.isnan(own).any()
    assert np.isnan(intervals(empty, {}, names, resamples=200)["ap50"]).all()


def test_an_interval_as_text() -> None:
    assert str(Interval(0.51234, 0.4, 0.6)) == "0.512 [0.400, 0.600]"


@pytest.mark.parametrize(
    ("fraction", "count", "low", "high"),
    [(0.0, 10, 0.0, 0.2130), (1.0, 10, 0.7870, 1.0), (0.5, 100, 0.4189, 0.5811)],
)
def test_wilson_intervals_stay_in_range(fraction: float, count: int, low: float, high: float) -> None:
    assert wilson(fraction, count) == pytest.approx((low, high), abs=1e-4)
