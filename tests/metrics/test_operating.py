"""Thresholds and temperatures that are chosen on val, and what they are worth on other samples."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from polyhead.contracts.operating import Decisions
from polyhead.metrics.operating import (
    FEW,
    TEMPERATURES,
    at_temperature,
    choose,
    cross_fitted,
    fit_temperature,
    measure,
    shown,
    threshold,
)

LISTS = st.lists(st.tuples(st.integers(0, 10), st.booleans()), min_size=1, max_size=30)
"""Scores in tenths, many of them equal, each with whether the decision is correct."""


def f1_at(scores: np.ndarray, hit: np.ndarray, objects: int, limit: float) -> float:
    """Return the F1 of the decisions from a score on, counted one by one."""
    above = [correct for score, correct in zip(scores, hit, strict=True) if score >= limit]
    return float(2 * sum(above) / (len(above) + objects))


@given(LISTS, st.integers(0, 5))
def test_no_threshold_has_a_better_f1(rows: list[tuple[int, bool]], missed: int) -> None:
    scores, hit = np.array([score / 10 for score, _ in rows]), np.array([correct for _, correct in rows])
    objects = int(hit.sum()) + missed
    found = threshold(scores, hit, objects)
    if not hit.any():
        assert found is None
        return
    assert found is not None
    best = max(f1_at(scores, hit, objects, each) for each in scores)
    assert f1_at(scores, hit, objects, found) == pytest.approx(best)


@pytest.mark.parametrize(
    ("scores", "hit", "objects", "expected"),
    [
        ([0.8, 0.9, 0.95], [True, True, True], 3, 0.4),  # all from .00 to .80 are as good: the middle
        ([0.9, 0.8, 0.2], [True, True, False], 2, 0.5),  # between the last correct and the first wrong one
        ([0.9, 0.5, 0.5], [True, True, False], 2, 0.25),  # equal scores are shown together
        ([0.9, 0.8, 0.3, 0.2], [True, False, False, True], 3, 0.1),  # .5 with one, .571 with all
        ([0.9, 0.8, 0.7, 0.6, 0.1], [True, False, True, False, False], 2, 0.65),
        ([0.9, 0.6, 0.5, 0.4], [True, False, False, True], 4, 0.2),  # 2/5 twice, .60 to .90 and below .40: the wider
    ],
)
def test_the_threshold_is_in_the_middle_of_those_that_are_equally_good(
    scores: list[float], hit: list[bool], objects: int, expected: float
) -> None:
    assert threshold(np.array(scores), np.array(hit), objects) == pytest.approx(expected)


@given(LISTS, st.sampled_from([0.3, 0.5, 0.8]))
def test_a_precision_is_reached_with_one_wrong_decision_more_and_as_many_as_possible(
    rows: list[tuple[int, bool]], precision: float
) -> None:
    scores, hit = np.array([score / 10 for score, _ in rows]), np.array([correct for _, correct in rows])
    found = threshold(scores, hit, len(rows), precision)
    reached = [
        int((scores >= each).sum())
        for each in scores
        if hit[scores >= each].sum() / ((scores >= each).sum() + 1) >= precision
    ]
    if hit.any() and reached:
        assert found is not None
        assert (scores >= found).sum() == max(reached)
    else:
        assert found is None


def test_eight_correct_ones_are_no_proof_of_a_precision_of_nine_tenths() -> None:
    for count, expected in ((8, None), (9, 0.4)):
        assert threshold(np.full(count, 0.8), np.ones(count, dtype=np.bool_), count, 0.9) == expected


def decisions(objects: np.ndarray, rows: list[tuple[int, int, float, bool]]) -> Decisions:
    """Return decisions that are given as (sample, label, score, correct)."""
    samples, labels, scores, hit = (np.array(column) for column in zip(*rows, strict=True))
    return Decisions(samples, labels, scores.astype(np.float64), hit, objects)


def test_a_class_with_few_objects_has_the_threshold_of_all_classes() -> None:
    objects = np.array([[FEW, FEW - 1]])
    rows = [(0, 0, 0.9, True)] * FEW + [(0, 0, 0.5, False)] + [(0, 1, 0.4, True)] * (FEW - 1) + [(0, 1, 0.2, False)]
    found = choose(decisions(objects, rows))
    assert found is not None
    assert found.classes.tolist() == pytest.approx([0.7, 0.3])
    assert found.own.tolist() == [True, False]
    assert found.pooled == pytest.approx(0.3)


def test_a_class_whose_objects_are_never_found_has_the_threshold_of_all_classes() -> None:
    objects = np.array([[FEW, FEW]])
    found = choose(decisions(objects, [(0, 0, 0.8, True), (0, 1, 0.6, False)]))
    assert found is not None
    assert (found.classes.tolist(), found.own.tolist()) == ([0.4, 0.7], [True, False])
    assert choose(decisions(objects, [(0, 1, 0.6, False)])) is None, "nothing is found at all"


def test_figures_are_those_counted_by_hand() -> None:
    rows = [(0, 0, 0.9, True), (0, 1, 0.8, False), (1, 1, 0.7, True), (1, 0, 0.3, False), (2, 0, 0.1, True)]
    given_decisions = decisions(np.array([[1, 1], [0, 2], [1, 0]]), rows)
    reached = shown(given_decisions, np.array([0.2, 0.75]))
    assert reached.tolist() == [True, True, False, True, False]
    found = measure(given_decisions, reached)
    assert (found.precision.value, found.recall.value, found.f1.value) == pytest.approx((1 / 3, 1 / 5, 2 / 8))
    assert found.class_precision.tolist() == [1 / 2, 0]
    assert found.class_recall.tolist() == [1 / 2, 0]
    assert found.precision.low <= found.precision.value <= found.precision.high


def noisy(samples: int, seed: int) -> Decisions:
    """Return ten decisions on each sample, whose scores say little about whether they are correct."""
    generator = np.random.default_rng(seed)
    count = 10 * samples
    hit = generator.random(count) < 0.4
    scores = 1 / (1 + np.exp(-generator.normal(np.where(hit, 0.5, -0.5), 1)))
    labels = generator.integers(0, 4, count)
    index = np.arange(count) % samples
    objects = np.zeros((samples, 4), dtype=np.int64)
    np.add.at(objects, (index[hit], labels[hit]), 1)
    return Decisions(index, labels, scores, hit, objects)


def test_cross_fitted_figures_are_not_too_good() -> None:
    """F1 at thresholds that are judged by the samples that chose them is higher than on new samples."""
    optimism, corrected = [], []
    for seed in range(30):
        val, test = noisy(12, seed), noisy(400, 1000 + seed)
        found = choose(val)
        assert found is not None
        expected = measure(test, shown(test, found.classes)).f1.value
        optimism.append(measure(val, shown(val, found.classes)).f1.value - expected)
        corrected.append(measure(val, cross_fitted(val, found.classes)).f1.value - expected)
    assert np.mean(optimism) > 0.02
    assert abs(np.mean(corrected)) < np.mean(optimism) / 2


def test_cross_fitting_one_sample_uses_its_own_threshold() -> None:
    one = noisy(1, 0)
    found = choose(one)
    assert found is not None
    assert cross_fitted(one, found.classes).tolist() == shown(one, found.classes).tolist()


@pytest.mark.parametrize("planted", [0.4, 1.0, 2.5])
def test_the_temperature_is_the_one_that_probabilities_were_changed_by(planted: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(4000, 5, generator=generator)
    true = torch.multinomial(logits.softmax(dim=1), 1, generator=generator)[:, 0].numpy()
    given_probabilities = (logits * planted).softmax(dim=1)
    found = fit_temperature(given_probabilities.numpy(), true)
    assert found == pytest.approx(planted, rel=0.06)
    assert at_temperature(given_probabilities, planted).numpy() == pytest.approx(
        logits.softmax(dim=1).numpy(), abs=1e-5
    )


def test_no_other_temperature_has_a_higher_likelihood() -> None:
    generator = torch.Generator().manual_seed(1)
    probabilities = (3 * torch.randn(3000, 4, generator=generator)).softmax(dim=1)
    true = torch.randint(4, (3000,), generator=generator)
    true[:2000] = probabilities[:2000].argmax(dim=1)
    found = fit_temperature(probabilities.numpy(), true.numpy())

    def loss(temperature: float) -> float:
        chosen = at_temperature(probabilities.double(), temperature).gather(1, true[:, None])
        return -float(chosen.log().mean())

    assert all(loss(found) < loss(found * factor) for factor in (0.8, 0.95, 1.05, 1.25))


def test_a_few_correct_predictions_do_not_become_certain() -> None:
    """Without smoothing, the lowest temperature would be the best one."""
    probabilities = np.array([[0.7, 0.3], [0.2, 0.8], [0.6, 0.4]], dtype=np.float32)
    found = fit_temperature(probabilities, np.array([0, 1, 0]))
    assert 0.3 < found < 1
    assert fit_temperature(probabilities, np.array([1, 0, 1])) == pytest.approx(TEMPERATURES[1], rel=1e-5)


@given(arrays(np.float32, 6, elements=st.floats(0, 1, width=32)), st.floats(0.05, 20))
def test_a_temperature_leaves_the_order_of_the_classes(values: np.ndarray, temperature: float) -> None:
    probabilities = torch.from_numpy(values)
    changed = at_temperature(probabilities, temperature)
    order = probabilities.argsort(stable=True)
    assert all(low <= high for low, high in pairwise(changed[order].tolist()))
    assert at_temperature(probabilities, 1.0) is probabilities
