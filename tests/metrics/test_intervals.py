from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from polyhead.errors import PolyheadError
from polyhead.metrics.coco import coco
from polyhead.metrics.intervals import Interval, draw, interval, intervals, over_runs, paired, sample
from polyhead.metrics.matching import match
from polyhead.types import Detections


def noisy(predictions: dict[str, Detections], seed: int) -> dict[str, Detections]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: found._replace(scores=found.scores * torch.rand(found.scores.shape, generator=generator))
        for name, found in predictions.items()
    }


def test_the_figure_is_that_of_coco_and_lies_in_its_interval(make_case: Callable[..., Any], real_case: Any) -> None:
    for case in (make_case(1), real_case):
        own, scores = intervals(*case, resamples=200), coco(*case)
        assert own["ap"].value == pytest.approx(scores.ap, abs=1e-6)
        assert own["ap50"].value == pytest.approx(scores.ap50, abs=1e-6)
        assert own["ap50"].low < scores.ap50 < own["ap50"].high


def test_every_resample_has_as_many_pictures_and_the_seed_alone_decides() -> None:
    weights = draw(30, 200, seed=1)
    assert weights.shape == (201, 30)
    assert (weights[0] == 1).all()
    assert (weights.sum(axis=1) == 30).all()
    assert weights[1:].max() > 1
    np.testing.assert_array_equal(weights, draw(30, 200, seed=1))
    assert (weights != draw(30, 200, seed=2)).any()


def test_global_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    draw(30, 200)
    assert torch.equal(before, torch.get_rng_state())


def test_wider_levels_give_wider_intervals(make_case: Callable[..., Any]) -> None:
    samples = sample([match(*make_case(1))], "ap", draw(40, 300))
    narrow, wide = interval(samples, 0.5), interval(samples, 0.95)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_few_resamples_are_refused() -> None:
    with pytest.raises(PolyheadError, match="199 resamples are too few for an interval; take 200 or more"):
        draw(30, 199)


def test_a_run_differs_from_itself_by_nothing(make_case: Callable[..., Any]) -> None:
    truths, predictions, names = make_case(2)
    assert paired(truths, [predictions], [predictions], names, resamples=200) == Interval(0.0, 0.0, 0.0)


def test_pairing_is_sharper_than_two_intervals(make_case: Callable[..., Any]) -> None:
    truths, predictions, names = make_case(2)
    worse = noisy(predictions, 0)
    difference = paired(truths, [predictions], [worse], names, "ap50", resamples=300)
    apart = [intervals(truths, run, names, resamples=300)["ap50"] for run in (predictions, worse)]
    assert difference.value == pytest.approx(apart[0].value - apart[1].value)
    assert difference.low < difference.value < difference.high
    assert difference.high - difference.low < sum(side.high - side.low for side in apart)
    other_way = paired(truths, [worse], [predictions], names, "ap50", resamples=300)
    assert other_way == pytest.approx((-difference.value, -difference.high, -difference.low))


def test_seeds_of_one_side_are_drawn_as_pictures_are(make_case: Callable[..., Any]) -> None:
    truths, predictions, names = make_case(2)
    runs = [noisy(predictions, seed) for seed in range(3)]
    weights = draw(len(truths), 200)
    alone = [sample([match(truths, run, names)], "ap", weights) for run in runs]
    together = sample([match(truths, run, names) for run in runs], "ap", weights)
    np.testing.assert_allclose(together, over_runs(np.stack(alone)))
    assert together[0] == pytest.approx(np.mean([run[0] for run in alone]))
    difference = paired(truths, runs, [predictions], names, resamples=200)
    assert difference.value == pytest.approx(
        together[0] - intervals(truths, predictions, names, resamples=200)["ap"].value
    )


def test_what_differs_between_seeds_alone_is_in_the_interval() -> None:
    """Three seeds of .2, .5 and .8 whatever is drawn: a resample of them has a mean from .2 to .8."""
    samples = np.repeat([[0.2], [0.5], [0.8]], 1001, axis=1)
    mean = over_runs(samples)
    assert mean[0] == pytest.approx(0.5)
    assert set(mean[1:].round(6)) == {0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8}
    assert mean[1:].std() == pytest.approx(np.std([0.2, 0.5, 0.8]) / 3**0.5, rel=0.1)
    np.testing.assert_allclose(over_runs(samples + 0.1) - mean, 0.1)  # paired seed by seed
    np.testing.assert_array_equal(over_runs(samples[:1]), samples[0])


def test_no_run_on_a_side_is_refused(make_case: Callable[..., Any]) -> None:
    truths, predictions, names = make_case(2)
    with pytest.raises(PolyheadError, match="no run to measure; give at least one on each side"):
        paired(truths, [predictions], [], names)


def test_resamples_without_objects_are_left_out_and_nothing_to_find_is_nan(make_case: Callable[..., Any]) -> None:
    truths, predictions, names = make_case(2)
    bare = [truth for truth in truths if not truth.labels.shape[0]][:4]
    full = next(truth for truth in truths if truth.labels.shape[0] and truth.id in predictions)
    few = {full.id: predictions[full.id]}
    own = intervals([*bare, full], few, names, resamples=200)["ap50"]
    assert not np.isnan(own).any()
    assert np.isnan(intervals(bare, {}, names, resamples=200)["ap50"]).all()


def test_an_interval_reads_well() -> None:
    assert str(Interval(0.51234, 0.4, 0.6)) == "0.512 [0.400, 0.600]"
