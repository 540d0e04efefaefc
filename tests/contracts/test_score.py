"""Scores have a direction, and a skill that does not depend on it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyhead.contracts.score import Score

BEST = st.sampled_from([1.0, 0.0, -2.0, 100.0])
NUMBER = st.floats(-50, 50).map(lambda value: round(value, 3))


@given(BEST, NUMBER)
def test_the_dummy_has_no_skill_and_the_best_value_has_all(best: float, dummy: float) -> None:
    score = Score("s", "s", best=best)
    if dummy == best:
        assert math.isnan(score.skill(best, dummy))
    else:
        assert score.skill(dummy, dummy) == 0
        assert score.skill(best, dummy) == 1


@given(BEST, NUMBER, NUMBER, st.floats(0.001, 10))
def test_a_better_value_has_more_skill(best: float, distance: float, value: float, gain: float) -> None:
    """Whatever is better; the dummy is never better than the best value."""
    score = Score("s", "s", best=best)
    sign = 1 if score.higher_is_better else -1
    dummy = best - sign * (abs(distance) + 0.01)
    assert score.skill(value + sign * gain, dummy) > score.skill(value, dummy)
    assert (score.skill(value, dummy) > 0) == (sign * value > sign * dummy)


@pytest.mark.parametrize(("best", "higher"), [(1.0, True), (0.5, True), (0.0, False), (-1.0, False)])
def test_the_best_value_decides_the_direction(best: float, higher: bool) -> None:
    assert Score("s", "s", best=best).higher_is_better == higher


def test_skill_by_hand() -> None:
    assert Score("mae", "MAE", best=0.0).skill(2.0, dummy=8.0) == 0.75
    assert Score("mae", "MAE", best=0.0).skill(12.0, dummy=8.0) == -0.5
    assert Score("accuracy", "accuracy").skill(0.75, dummy=0.5) == 0.5
