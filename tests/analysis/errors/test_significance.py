"""The test of one slice is Fisher's, and several tests are corrected for their number."""

from itertools import combinations

import numpy as np
import pytest

from polyhead.analysis.errors.significance import correlation, holm, p_worse, upper_tail


@pytest.mark.parametrize(("drawn", "wrong", "size"), [(3, 4, 8), (5, 2, 7), (4, 8, 8), (3, 0, 6)])
def test_the_tail_counts_all_draws(drawn: int, wrong: int, size: int) -> None:
    found = [sum(case < wrong for case in draw) for draw in combinations(range(size), drawn)]
    for least in range(-1, drawn + 2):
        expected = sum(number >= least for number in found) / len(found)
        assert upper_tail(least, drawn, wrong, size) == pytest.approx(expected)


def test_one_case_in_each_sample_gives_fishers_test() -> None:
    wrong, inside = np.arange(40) < 12, np.arange(40) % 2 == 0
    wrong[:12:3] = False
    p = p_worse(np.arange(40), wrong, inside, correlation(np.arange(40), wrong))
    assert p == pytest.approx(upper_tail(int(wrong[inside].sum()), 20, int(wrong.sum()), 40))


def test_copies_of_the_same_case_prove_nothing_more() -> None:
    """Samples whose cases are all right or all wrong are one case each."""
    wrong, inside = np.arange(30) % 3 == 0, np.arange(30) < 10
    wrong[:8] = True
    single = p_worse(np.arange(30), wrong, inside, 0.0)
    copies, samples = np.repeat(wrong, 9), np.repeat(np.arange(30), 9)
    alike = correlation(samples, copies)
    assert alike == pytest.approx(1.0)
    several = p_worse(samples, copies, np.repeat(inside, 9), alike)
    assert single / 4 < several < 4 * single
    assert p_worse(samples, copies, np.repeat(inside, 9), 0.0) < single / 1000


def test_independent_cases_are_not_alike() -> None:
    draw = np.random.default_rng(0)
    assert correlation(np.repeat(np.arange(2000), 3), draw.random(6000) < 0.3) < 0.03
    assert correlation(np.arange(5), np.ones(5, dtype=bool)) == 0
    assert correlation(np.zeros(5, dtype=np.int64), np.ones(5, dtype=bool)) == 0


def test_holm_is_between_no_correction_and_bonferroni() -> None:
    ps = [0.001, 0.2, 0.011, 0.9, 0.04]
    corrected = holm(ps)
    assert corrected == pytest.approx([0.005, 0.4, 0.044, 0.9, 0.12])
    assert all(p <= each <= min(1, 5 * p) for p, each in zip(ps, corrected, strict=True))
    assert not holm([])
