"""Classes that are not equally frequent: repeat factors and weights."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.data.loading.balance import class_weights, repeat_factors
from polyhead.errors import SettingError
from polyhead.types import ShownClass

SHOWN = st.lists(st.sets(st.tuples(st.just("object"), st.integers(0, 4))), min_size=1, max_size=40)
COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 1000), min_size=1)


@settings(max_examples=100, deadline=None)
@given(SHOWN, st.floats(0.01, 1))
def test_a_sample_has_the_factor_of_its_rarest_class(shown: list[set[ShownClass]], threshold: float) -> None:
    if not any(shown):
        with pytest.raises(SettingError, match="repeat_factor: no training sample shows a class"):
            repeat_factors(shown, threshold)
        return
    factors = repeat_factors(shown, threshold)
    assert min(factors) >= 1
    for classes, factor in zip(shown, factors, strict=True):
        fractions = [sum(each in other for other in shown) / len(shown) for each in classes]
        assert factor == pytest.approx(max(1, (threshold / min(fractions, default=1)) ** 0.5))


def test_auto_takes_the_median_of_the_classes() -> None:
    shown: list[set[ShownClass]] = [{("object", 0), ("object", 1)}] * 36 + [{("object", 2)}] * 4
    assert set(repeat_factors(shown, "auto")) == {1.0, 3.0}


@settings(max_examples=100, deadline=None)
@given(COUNTS, st.sampled_from(["balanced", "sqrt"]))
def test_the_mean_weight_is_one_and_rarer_classes_weigh_more(counts: dict[str, int], weighting: str) -> None:
    total = sum(counts.values())
    if not total:
        with pytest.raises(SettingError, match="class_weights: the training data has no classes to weigh"):
            class_weights(counts, "balanced")
        return
    weights = class_weights(counts, "balanced" if weighting == "balanced" else "sqrt")
    assert sum(counts[name] * weights[name] for name in counts) / total == pytest.approx(1)
    power = 1 if weighting == "balanced" else 0.5
    present = [name for name in counts if counts[name]]
    for one in present:
        for other in present:
            assert weights[one] / weights[other] == pytest.approx((counts[other] / counts[one]) ** power)
    assert all(weights[name] == 1 for name in counts if not counts[name])
