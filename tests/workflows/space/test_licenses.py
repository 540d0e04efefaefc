"""Licenses are recognized only where a text states nothing else."""

import pytest

from polyhead.data.catalog import CATALOG
from polyhead.data.synthetic.scenes import Scenes
from polyhead.workflows.space.licenses import identifier, is_open, of_data, of_pretrained, of_weights, together


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (Scenes.license, "apache-2.0"),
        ("Apache License 2.0", "apache-2.0"),
        ("CC BY 4.0", "cc-by-4.0"),
        ("cc_by_sa_4.0", "cc-by-sa-4.0"),
        ("CC0", "cc0-1.0"),
        ("MIT License", "mit"),
        ("https://creativecommons.org/licenses/by/4.0/", "cc-by-4.0"),
        ("CC BY-NC 4.0", None),
        ("CC BY-ND 4.0", None),
        ("unknown", None),
        ("", None),
        ("ask Ann", None),
    ],
)
def test_an_open_license_is_recognized_by_the_hubs_identifier(text: str, expected: str | None) -> None:
    assert identifier(text) == expected
    assert is_open(text) is (expected is not None)


def test_no_real_data_set_of_the_catalog_is_passed_on_unasked() -> None:
    """All have photos whose terms are not those of the annotations."""
    assert [name for name, entry in CATALOG.items() if is_open(entry.license)] == []


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["Apache-2.0", "Apache-2.0 (drawn by Polyhead)"], "apache-2.0"),
        (["Apache-2.0", "CC BY 4.0"], "other"),
        (["Apache-2.0", "unknown"], "other"),
        (["MIT; MIT"], "mit"),
        ([], "other"),
    ],
)
def test_a_space_has_a_license_only_if_all_of_it_has_the_same(texts: list[str], expected: str) -> None:
    assert together(texts) == expected


def test_the_license_of_data_is_unknown_where_the_run_does_not_state_it() -> None:
    assert of_data({"data": {"a": {"license": "MIT"}, "b": {"license": ""}}}, ["a", "b", "c"]) == {
        "a": "MIT",
        "b": "unknown",
        "c": "unknown",
    }
    assert of_data({"data": "/some/folder"}, ["a"]) == {"a": "unknown"}


def test_pretrained_weights_are_named_without_their_folders() -> None:
    model = {"init_args": {"backbone": {"weights": "/home/ann/mine.pt"}, "weights": "/w/yolox_nano_coco.safetensors"}}
    found = of_pretrained(model, {}, {})
    assert found == {"mine.pt": "unknown", "yolox_nano": "Apache-2.0"}
    assert of_weights({"a": "MIT", "b": "MIT"}, found) == (
        "data: MIT; pretrained weights: mine.pt: unknown, yolox_nano: Apache-2.0"
    )
    assert of_weights({"a": "MIT"}, {}) == "data: MIT; pretrained weights: none"


def test_weights_of_timm_have_the_license_that_timm_states() -> None:
    found = of_pretrained({"backbone": "resnet18", "weights": "hub"}, {}, {})
    assert list(found) == ["timm's resnet18"]
    assert found["timm's resnet18"].lower().startswith("apache")
    assert of_pretrained({"backbone": None, "weights": "hub"}, {}, {}) == {"timm's weights": "unknown"}


@pytest.mark.parametrize(
    ("config", "manifest"),
    [({"stages": [{"init": {"backbone": "/home/ann/runs/x"}}]}, {}), ({}, {"extends": {"run": "/x", "task": "a"}})],
)
def test_an_earlier_run_has_an_unknown_license(config: dict[str, object], manifest: dict[str, object]) -> None:
    assert of_pretrained({"weights": None}, config, manifest) == {"an earlier run": "unknown"}
