"""Overrides of a recipe on the command line."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyhead.config import overrides
from polyhead.errors import PolyheadError

KNOWN = ["model", "data", "stages", "seed", "name"]


@pytest.mark.parametrize(("text", "value"), [("2024_01", "2024_01"), ("on", "on"), ("'a b'", "a b"), ("null", None)])
def test_the_name_of_a_run_is_the_text_that_was_typed(text: str, value: str | None) -> None:
    changed = config()
    overrides.apply(changed, f"name={text}", KNOWN)
    assert changed["name"] == value


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


def test_the_last_option_needs_a_value() -> None:
    with pytest.raises(PolyheadError, match=r"^--epochs needs a value\. Write --epochs VALUE or epochs=VALUE\.$"):
        overrides.separate(["ssd", "--epochs"], [])


def test_key_paths_go_through_lists_and_init_args() -> None:
    assert changed("stages.0.epochs=5")["stages"] == [{"epochs": 5}]
    assert changed("stages.*.lr=0.1", 2)["stages"] == [{"epochs": 3, "lr": 0.1}] * 2
    removed = {"data": {"a": {"count": 1}, "b": None}}
    overrides.apply(removed, "data.*.count=5", ["data"])
    assert removed == {"data": {"a": {"count": 5}, "b": None}}
    assert changed("model.backbone=resnet18")["model"]["init_args"] == {"size": 300, "backbone": "resnet18"}
    assert changed("model.init_args.size=512")["model"]["init_args"] == {"size": 512}
    assert changed("data.a.reader.split=train")["data"]["a"]["reader"] == {"split": "train"}
    assert changed("model=other")["model"] == "other"
    assert changed("data.new.deep=[1, 2]")["data"]["new"] == {"deep": [1, 2]}


def test_a_head_by_name_gets_settings() -> None:
    settings = config()
    overrides.apply(settings, "model.heads.a=segment", KNOWN)
    assert settings["model"]["init_args"]["heads"] == {"a": "segment"}
    overrides.apply(settings, "model.heads.a.dice_weight=2", KNOWN)
    assert settings["model"]["init_args"]["heads"] == {"a": {"class_path": "segment", "init_args": {"dice_weight": 2}}}


def test_short_keys() -> None:
    assert changed("epochs=5")["stages"] == [{"epochs": 5}]
    assert changed("batch=2")["data"] == {"a": {"batch": 2}, "b": {"batch": 2}}
    assert changed("imgsz=512")["model"]["init_args"] == {"size": 512}


def test_names_of_parts_keep_their_dots() -> None:
    assert changed("stages.0.lr_mult.neck.0=0.1")["stages"][0]["lr_mult"] == {"neck.0": 0.1}
    assert changed("stages.0.lr_mult.backbone=0")["stages"][0]["lr_mult"] == {"backbone": 0}


@pytest.mark.parametrize(
    ("change", "stages", "message"),
    [
        ("stages.5.epochs=1", 1, "'stages.5.epochs=1': there is no entry 5. The recipe has 1 entry: 0"),
        ("stages.2.epochs=1", 2, "'stages.2.epochs=1': there is no entry 2. The recipe has 2 entries: 0 to 1"),
        ("stages.x=1", 1, "'stages.x=1': expected an index into a list (the first entry is 0), got 'x'"),
        ("epoch=1", 1, "unknown key 'epoch' of the recipe; did you mean 'epochs'?"),
        ("bach.x=1", 1, "unknown key 'bach' of the recipe; did you mean 'batch'?"),
        ("epochs=1", 2, "'epochs' is ambiguous: the recipe has 2 stages. Write stages.0.epochs=1"),
        ("seed.x=1", 1, "'seed.x=1': cannot set 'x': 0 has no settings"),
        ("seed", 1, "'seed' is not an override. Write seed=VALUE."),
        ("seed=[1", 1, "'seed=[1': the value is not valid YAML. Put it in quotes."),
        (
            "seed={a: 1, a: 2}",
            1,
            "'seed={a: 1, a: 2}': the key 'a' is given twice, first on the same line; rename or delete one of the two.",
        ),
    ],
)
def test_bad_overrides(change: str, stages: int, message: str) -> None:
    with pytest.raises(PolyheadError) as caught:
        changed(change, stages)
    assert str(caught.value) == message


WORDS = ["stages", "data", "model", "seed", "a", "0", "1", "-1", "*", "lr_mult", "neck.0", "class_path", "", "new"]


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=5), st.text(max_size=10))
def test_any_key_path_is_applied_or_refused_with_a_message(path: list[str], value: str) -> None:
    change = f"{'.'.join(path)}={value}"
    with suppress(PolyheadError):
        changed(change, 2)
