"""Parts of the reports: confusions, intervals of accuracies, JSON values."""

import json

import numpy as np
import pytest

from polyhead.analysis.reports import confusions, plain, wilson


def test_confusions_are_the_largest_mistakes_first() -> None:
    counts = np.array([[50, 5, 0, 1], [10, 20, 10, 0], [0, 0, 7, 0]])
    assert confusions(counts, ["a", "b", "c"]) == [
        ["b", "a", 0.25],
        ["b", "c", 0.25],
        ["a", "b", 5 / 56],
        ["a", "nothing", 1 / 56],
    ]
    assert confusions(np.eye(3, dtype=np.int64), ["a", "b", "c"]) == []


@pytest.mark.parametrize(
    ("fraction", "count", "low", "high"),
    [(0.0, 10, 0.0, 0.2130), (1.0, 10, 0.7870, 1.0), (0.5, 100, 0.4189, 0.5811)],
)
def test_wilson_intervals_stay_in_range(fraction: float, count: int, low: float, high: float) -> None:
    assert wilson(fraction, count) == pytest.approx((low, high), abs=1e-4)


def test_values_that_json_does_not_have_become_none() -> None:
    value = {"a": (1, 2.5), 3: [float("nan"), float("inf")], "b": {"c": "x", "d": None}}
    assert plain(value) == {"a": [1, 2.5], "3": [None, None], "b": {"c": "x", "d": None}}
    json.dumps(plain(value), allow_nan=False)
