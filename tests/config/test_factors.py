"""Factors: values and ranges are read as they were meant, and mistakes are named."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyhead.config.factors import Bounds, Factor, combinations, factors, one_at_a_time, title, varied_key
from polyhead.data.io.files import is_folder_name
from polyhead.data.io.yaml_files import yaml_value
from polyhead.errors import PolyheadError

VALUES = st.recursive(
    st.integers(-9, 9) | st.booleans() | st.sampled_from(["light", "a b", "x,y", "it's", "[", "}"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["preset", "mosaic"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(st.lists(VALUES, min_size=1, max_size=4))
def test_commas_within_brackets_and_quotes_belong_to_a_value(values: list[Any]) -> None:
    texts = list(dict.fromkeys(json.dumps(value) for value in values))
    names = {title([f"x={text}"]) for text in texts}
    if len(names) == len(texts):  # else two of them would have the same folder
        (factor,) = factors([f"key={','.join(texts)}"])
        assert factor == Factor("key", texts)
        assert [yaml_value(text, text) for text in factor.values] == [json.loads(text) for text in texts]


@given(st.lists(VALUES, min_size=1, max_size=3))
def test_every_variation_has_the_name_of_a_folder(values: list[Any]) -> None:
    name = title([f"data.*.x={value}" for value in values])
    assert is_folder_name(f"{name}.seed0")
    assert not set(name) & set('<>:"/\\|?*')


def test_values_from_python_are_those_of_the_command_line() -> None:
    given = {"lr": [1e-3, 1e-4], "transforms": ["light", "yolov4"], "stages.0.sizes": [[64, 96], None], "batch": "4,8"}
    words = ["lr=0.001,0.0001", "transforms=light,yolov4", "stages.0.sizes=[64, 96],null", "batch=4,8"]
    assert factors(given) == factors(words)


@pytest.mark.parametrize(
    ("word", "bounds", "log"),
    [
        ("lr=1e-5..1e-2", Bounds(1e-5, 1e-2, whole=False), True),
        ("dropout=0..0.5", Bounds(0, 0.5, whole=False), False),
        ("batch=4..64", Bounds(4, 64, whole=True), True),
        ("epochs=4..10", Bounds(4, 10, whole=True), False),
        ("x=-1..1", Bounds(-1, 1, whole=False), False),
    ],
)
def test_a_range(word: str, bounds: Bounds, log: bool) -> None:
    (factor,) = factors([word])
    assert (factor.values, factor.bounds) == ([], bounds)
    assert bounds.is_log is log


def test_one_factor_at_a_time_and_all_combinations() -> None:
    varied = factors(["lr=0.1,0.2", "batch=2,4,8"])
    assert one_at_a_time(varied) == [["lr=0.1"], ["lr=0.2"], ["batch=2"], ["batch=4"], ["batch=8"]]
    assert len(combinations(varied)) == 6
    assert combinations(varied)[1] == ["lr=0.1", "batch=4"]


def test_a_name_has_plain_numbers_and_leads_back_to_what_was_varied() -> None:
    assert title(["lr=1e-3", "batch=08"]) == "lr=0.001,batch=08"
    assert title(["stages.0.sizes=[64,96]", "lr=1e-5"]) == "stages.0.sizes=[64-96],lr=1e-05"
    assert varied_key(title(["stages.0.sizes=[64,96]", "lr=1e-5"])) == "stages.0.sizes, lr"
    assert varied_key("base") == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--vary: nothing is varied. Write KEY=VALUE,VALUE such as lr=0.001,0.0001, or for a search a range"),
        (["lr"], "--vary 'lr': expected a setting with its values. Write KEY=VALUE,VALUE"),
        (["=3"], "--vary '=3': expected a setting with its values."),
        (["lr="], "--vary lr=: a value is missing."),
        (["lr=1,,2"], "--vary lr=1,,2: a value is missing."),
        (["lr=1e-3,0.001"], "--vary lr=1e-3,0.001: the value 0.001 is given twice. Remove one of them."),
        (
            ["lr=1e-2..1e-5"],
            "--vary lr=1e-2..1e-5: expected a range LOW..HIGH of numbers that grow, such as 1e-5..1e-2.",
        ),
        (["lr=a..b"], "--vary lr=a..b: expected a range LOW..HIGH of numbers that grow"),
        (["lr=1..2,3"], "--vary lr=1..2,3: a range stands alone. Give one range, or a list of values."),
        (
            ["lr=1,2", "stages.0.lr=3,4"],
            "--vary stages.0.lr=3,4: 'lr' is varied already. List all values of a setting together, such as stages.0",
        ),
    ],
)
def test_mistakes_are_named(words: list[str], message: str) -> None:
    with pytest.raises(PolyheadError, match=f"^{re.escape(message)}"):
        factors(words)


@pytest.mark.parametrize("values", [3, {"a": 1}])
def test_values_from_python_are_a_list(values: object) -> None:
    with pytest.raises(
        PolyheadError, match=r"vary: expected a list of values such as \{'lr': \[0.001, 0.0001\]\}, got"
    ):
        factors({"lr": values})
