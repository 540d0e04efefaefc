"""Shapes of stored values: what fits is accepted, and the first difference is named with its place."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyhead.stored.shape import fault

SHAPE = {"splits?": {str: {str: [str]}}, "score": (float, None), "images": int, "more?": Any}
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"score": None, "images": 3, "another": []}, None),
        ({"score": 1, "images": 3, "splits": {"a": {"val": ("x",)}}}, None),
        ({"score": 1.5}, "images is missing"),
        ([], "expected a mapping, got a list"),
        ({"score": "x", "images": 3}, "score: expected a number or null, got text"),
        ({"score": True, "images": 3}, "score: expected a number or null, got true or false"),
        ({"score": 1.5, "images": 3.0}, "images: expected a whole number, got a number"),
        ({"score": 1.5, "images": 10**30}, "images: expected a whole number, got a number that is too large"),
        ({"images": 3, "score": 1, "splits": {"a": {"v": [3]}}}, "splits.a.v.0: expected text, got a whole number"),
        ({"score": 1, "images": 3, "splits": {"a": []}}, "splits.a: expected a mapping, got a list"),
        ({"score": 1, "images": 3, "splits": {2: {}}}, "splits.2: expected text, got a whole number"),
    ],
)  # fmt: skip
def test_the_first_difference_is_named(value: Any, expected: str | None) -> None:
    assert fault(value, SHAPE) == expected


@given(PLAIN)
def test_any_value_has_a_shape_or_one_short_fault(value: Any) -> None:
    found = fault(value, SHAPE)
    assert found is None or "\n" not in found.replace(json.dumps(value), "")
    assert fault(value, Any) is None
    assert (fault(value, (dict, list, str, float, bool, None)) is None) or abs(value) >= 2**63
