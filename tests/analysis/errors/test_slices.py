"""Planted slices are found, and nothing is found where errors are shuffled."""

import numpy as np
import pytest

from polyhead.analysis.errors.slices import FEWEST, Slices, curve, find_slices, ranges
from polyhead.contracts.analyzed import Cases
from polyhead.metrics.intervals import bootstrap_weights

SAMPLES = 90
WEIGHTS = bootstrap_weights(SAMPLES, 200)
NAMES = ["a", "b", "c"]


def planted(seed: int, chance: float) -> tuple[Cases, dict[str, np.ndarray]]:
    """Return objects of samples of random brightness; in the darkest third, ``chance`` of them is wrong."""
    draw = np.random.default_rng(seed)
    brightness, contrast = draw.random(SAMPLES), draw.random(SAMPLES)
    samples = np.repeat(np.arange(SAMPLES), draw.integers(1, 6, SAMPLES))
    dark = (brightness <= np.quantile(brightness, 1 / 3))[samples]
    wrong = draw.random(len(samples)) < np.where(dark, chance, 0.2)
    facts = {"size": draw.random(len(samples)), "crowd": draw.integers(0, 3, len(samples)).astype(float)}
    cases = Cases("objects not found", "objects", samples, wrong, draw.integers(0, 3, len(samples)), facts)
    return cases, {"brightness": brightness, "contrast": contrast}


def found(cases: Cases, facts: dict[str, np.ndarray]) -> Slices:
    return find_slices([cases], NAMES, facts, WEIGHTS)


@pytest.mark.parametrize("seed", range(5))
def test_a_third_that_is_worse_is_found_and_nothing_else(seed: int) -> None:
    cases, facts = planted(seed, 0.6)
    result = found(cases, facts)
    (worst,) = result.worse
    dark = facts["brightness"] <= np.quantile(facts["brightness"], 1 / 3)
    assert worst.name == f"brightness {facts['brightness'].min():.3g} to {facts['brightness'][dark].max():.3g}"
    inside = dark[cases.samples]
    assert (worst.cases, worst.samples) == (inside.sum(), SAMPLES / 3)
    assert worst.value == pytest.approx(cases.wrong[inside].mean())
    assert worst.rest == pytest.approx(cases.wrong[~inside].mean())
    assert worst.difference.value == pytest.approx(worst.value - worst.rest)
    assert 0 < worst.difference.low < worst.difference.value < worst.difference.high
    assert len(result.tried) == 3 + 3 * 3 + 2, "classes, thirds, and of the whole numbers two ranges"
    assert result.tried[0] is worst


def test_shuffled_errors_give_few_false_alarms() -> None:
    """Of 200 shuffles, at most 5 % have a slice that is worse; 17 of 200 would be six in a hundred by chance."""
    alarms = 0
    for seed in range(200):
        cases, facts = planted(seed, 0.6)
        order = np.random.default_rng(1000 + seed).permutation(len(cases.wrong))
        alarms += bool(find_slices([cases._replace(wrong=cases.wrong[order])], NAMES, facts, WEIGHTS[:3]).worse)
    assert alarms <= 16


def test_errors_that_come_in_whole_samples_give_few_false_alarms() -> None:
    """All objects of an image are right or all are wrong; as independent cases they would give many alarms."""
    alarms = naive = 0
    for seed in range(60):
        cases, facts = planted(seed, 0.2)
        bad = np.random.default_rng(5000 + seed).random(SAMPLES) < 0.3
        alike = cases._replace(wrong=bad[cases.samples])
        alone = alike._replace(samples=np.arange(len(alike.wrong)))
        own = {name: values[cases.samples] for name, values in facts.items()}
        alarms += bool(find_slices([alike], NAMES, facts, WEIGHTS[:3]).worse)
        naive += bool(find_slices([alone], NAMES, own, np.ones((3, len(alone.wrong)), dtype=np.int64)).worse)
    assert alarms <= 7
    assert naive > 2 * alarms + 5


def test_more_slices_need_more_evidence() -> None:
    cases, facts = planted(1, 0.5)
    one = found(cases._replace(facts={}, labels=np.zeros_like(cases.labels)), {"brightness": facts["brightness"]})
    many = found(cases, facts)
    assert one.tried[0].name == many.tried[0].name
    assert many.tried[0].p == pytest.approx(one.tried[0].p * len(many.tried) / len(one.tried))


def test_small_slices_are_named_and_not_tried() -> None:
    cases, facts = planted(0, 0.6)
    labels = np.where(cases.samples < FEWEST - 1, 2, 0)
    result = found(cases._replace(labels=labels), facts)
    assert result.left_out == ["objects not found: class a", "objects not found: class c"]
    assert not any(each.name.startswith("class") for each in result.tried)


def test_samples_whose_fact_is_unknown_are_in_no_slice_of_it() -> None:
    cases, facts = planted(0, 0.6)
    facts["brightness"][:30] = np.nan
    thirds = [each for each in found(cases, facts).tried if each.name.startswith("brightness")]
    assert sum(each.samples for each in thirds) == 60
    assert sum(each.cases for each in thirds) == (cases.samples >= 30).sum()
    assert all("nan" not in each.name for each in thirds)


def test_a_constant_fact_has_no_slices() -> None:
    cases, _ = planted(0, 0.6)
    result = found(cases, {"image side": np.full(SAMPLES, 64.0), "unknown": np.full(SAMPLES, np.nan)})
    assert not any(each.name.startswith(("image", "unknown")) for each in result.tried)


def test_no_cases_have_no_slices() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    cases = Cases("wrong boxes", "boxes", nothing, nothing.astype(bool), nothing, {"size": np.zeros(0)})
    result = found(cases, {"brightness": np.linspace(0, 1, SAMPLES)})
    assert result.tried == []
    assert curve(cases, np.zeros(0), WEIGHTS) == []


def test_ranges_split_all_known_values_in_order() -> None:
    values = np.array([0.5, 0.0, 0.0, 0.0, 0.9, np.nan, 0.7, 0.2])
    parts = ranges(values, values, 3)
    assert (np.sum(parts, axis=0) == ~np.isnan(values)).all()
    assert [sorted(values[each].tolist()) for each in parts] == [[0, 0, 0], [0.2, 0.5], [0.7, 0.9]]


def test_a_curve_has_the_fraction_of_each_range() -> None:
    cases, _ = planted(2, 0.2)
    bins = curve(cases, cases.facts["size"], WEIGHTS)
    assert sum(each.cases for each in bins) == len(cases.wrong)
    assert len(bins) == 6
    for each in bins:
        inside = (cases.facts["size"] >= each.low) & (cases.facts["size"] <= each.high)
        assert each.wrong.value == pytest.approx(cases.wrong[inside].mean())
        assert each.wrong.low <= each.wrong.value <= each.wrong.high
