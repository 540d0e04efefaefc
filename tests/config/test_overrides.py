"""Overrides of a recipe on the command line."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyhead.config import overrides
from polyhead.errors import PolyheadError

KNOWN = ["model", "data", "stages", "seed", "name"]


def config(stages: int = 1) -> dict[str, Any]:
    return {
        "model": {"class_path": "ssd300", "init_args": {"size": 300}},
        "data": {"a": {"batch": 8}, "b": {"batch": 8}},
        "stages": [{"epochs": 3} for _ in range(stages)],
        "seed": 0,
    }


def changed(change: str, stages: int = 1) -> dict[str, Any]:
    settings = config(stages)
    overrides.apply(settings, change, KNOWN)
    return settings


@pytest.mark.parametrize(
    ("argv", "rest", "changes"),
    [
        (["ssd", "epochs=5"], ["ssd"], ["epochs=5"]),
        (["ssd", "--epochs", "5"], ["ssd"], ["epochs=5"]),
        (["--epochs=5", "ssd"], ["ssd"], ["epochs=5"]),
        (["--seed", "3", "ssd", "a.0.b=x=y"], ["ssd"], ["seed=3", "a.0.b=x=y"]),
        (["ssd", "--resume", "runs/x"], ["ssd", "--resume", "runs/x"], []),
        (["ssd", "--resume=runs/x", "-h"], ["ssd", "--resume=runs/x", "-h"], []),
        (["./a=b.yaml"], ["./a=b.yaml"], []),
        (["data.my-shapes.batch=4"], [], ["data.my-shapes.batch=4"]),
    ],
)
def test_separate(argv: list[str], rest: list[str], changes: list[str]) -> None:
    assert overrides.separate(argv, ["--resume"]) == (rest, changes)


def test_separate_wants_a_value() -> None:
    with pytest.raises(PolyheadError, match=r"^--epochs needs a value: --epochs VALUE or epochs=VALUE$"):
        overrides.separate(["ssd", "--epochs"], [])


def test_paths_go_through_lists_and_init_args() -> None:
    assert changed("stages.0.epochs=5")["stages"] == [{"epochs": 5}]
    assert changed("stages.*.lr=0.1", 2)["stages"] == [{"epochs": 3, "lr": 0.1}] * 2
    left_out = {"data": {"a": {"count": 1}, "b": None}}
    overrides.apply(left_out, "data.*.count=5", ["data"])
    assert left_out == {"data": {"a": {"count": 5}, "b": None}}
    assert changed("model.backbone=resnet18")["model"]["init_args"] == {"size": 300, "backbone": "resnet18"}
    assert changed("model.init_args.size=512")["model"]["init_args"] == {"size": 512}
    assert changed("data.a.reader.split=train")["data"]["a"]["reader"] == {"split": "train"}
    assert changed("model=other")["model"] == "other"
    assert changed("data.new.deep=[1, 2]")["data"]["new"] == {"deep": [1, 2]}


def test_short_keys() -> None:
    assert changed("epochs=5")["stages"] == [{"epochs": 5}]
    assert changed("batch=2")["data"] == {"a": {"batch": 2}, "b": {"batch": 2}}
    assert changed("imgsz=512")["model"]["init_args"] == {"size": 512}


def test_names_of_parts_keep_their_dots() -> None:
    assert changed("stages.0.rates.neck.0=0.1")["stages"][0]["rates"] == {"neck.0": 0.1}
    assert changed("stages.0.rates.backbone=0")["stages"][0]["rates"] == {"backbone": 0}


@pytest.mark.parametrize(
    ("change", "stages", "message"),
    [
        ("stages.5.epochs=1", 1, "'stages.5.epochs=1': there is no entry 5; the recipe has 1 entry, 0"),
        ("stages.2.epochs=1", 2, "'stages.2.epochs=1': there is no entry 2; the recipe has 2 entries, 0 to 1"),
        ("stages.x=1", 1, "'stages.x=1': 'x' stands where a position in a list is expected, counted from 0"),
        ("epoch=1", 1, "unknown key 'epoch' of the recipe; did you mean 'epochs'?"),
        ("bach.x=1", 1, "unknown key 'bach' of the recipe; did you mean 'batch'?"),
        ("epochs=1", 2, "'epochs' is ambiguous: the recipe has 2 stages; write stages.0.epochs=1"),
        ("seed.x=1", 1, "'seed.x=1' leads nowhere: there is nothing to set inside of 0"),
        ("seed", 1, "'seed' is no override; write seed=VALUE"),
        ("seed=[1", 1, "'seed=[1': the value is no valid YAML; put it in quotes"),
    ],
)
def test_bad_overrides(change: str, stages: int, message: str) -> None:
    with pytest.raises(PolyheadError) as caught:
        changed(change, stages)
    assert str(caught.value) == message


WORDS = ["stages", "data", "model", "seed", "a", "0", "1", "-1", "*", "rates", "neck.0", "class_path", "", "new"]


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=5), st.text(max_size=10))
def test_any_path_is_taken_or_refused_in_words(path: list[str], value: str) -> None:
    change = f"{'.'.join(path)}={value}"
    with suppress(PolyheadError):
        changed(change, 2)
