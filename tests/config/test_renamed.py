"""Old recipe keys are refused with their new name, wherever they are."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from polyhead import cli
from polyhead.config import recipe
from polyhead.config.renamed import RENAMED, suggest_key
from polyhead.engine.stage import Stage
from polyhead.errors import PolyheadError

SCENES = {"reader": "scenes", "count": 9, "size": 48}


def write(folder: Path, **changes: Any) -> Path:
    """Write a small valid recipe with some changes."""
    content: dict[str, Any] = {"model": "ssd300", "data": {"shapes": SCENES}, "stages": [{"epochs": 2}], **changes}
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def refused(path: Path, *changes: str) -> str:
    """Return the error message of a recipe that is refused."""
    with pytest.raises(PolyheadError) as caught:
        recipe.load(path, changes)
    return str(caught.value)


@pytest.mark.parametrize("key", ["balance", "clip", "fixed_norms", "keep", "mixing", "rates", "ratio"])
def test_a_key_of_a_stage(key: str, tmp_path: Path) -> None:
    message = refused(write(tmp_path, stages=[{"epochs": 2}, {key: 1}]))
    assert message == f"unknown key {key!r} of stages.1; it has been renamed to {RENAMED[key]!r}"
    assert RENAMED[key] in vars(Stage())


def test_a_key_of_a_task(tmp_path: Path) -> None:
    message = refused(write(tmp_path, data={"shapes": {**SCENES, "licence": "CC0"}}))
    assert message == "unknown key 'licence' of data.shapes; it has been renamed to 'license'"


@pytest.mark.parametrize(
    ("entry", "where"),
    [
        ({**SCENES, "truth": "masks"}, "data.shapes"),
        ({"reader": {**SCENES, "truth": "masks"}}, "data.shapes"),
        ({"reader": {"class_path": "scenes", "init_args": {"count": 9, "truth": "masks"}}}, "data.shapes"),
        ({**SCENES, "val": {"truth": "masks"}}, "data.shapes.val"),
        ({**SCENES, "test": {**SCENES, "truth": "masks"}}, "data.shapes.test"),
    ],
)
def test_a_key_of_a_reader(entry: dict[str, Any], where: str, tmp_path: Path) -> None:
    message = refused(write(tmp_path, data={"shapes": entry}))
    assert message == f"unknown key 'truth' of {where}; it has been renamed to 'target'"


def test_a_key_of_a_reader_in_a_merged_one(tmp_path: Path) -> None:
    parts = {"a": {**SCENES, "truth": "masks"}, "b": SCENES}
    message = refused(write(tmp_path, data={"both": {"reader": "merge", "parts": parts}}))
    assert "'truth'" in message
    assert message.endswith("it has been renamed to 'target'")


@pytest.mark.parametrize("reader", ["kept", {"reader": "kept", "root": "x"}, {"class_path": "kept"}])
def test_the_name_of_a_reader(reader: object, tmp_path: Path) -> None:
    message = refused(write(tmp_path, data={"shapes": {"reader": reader}}))
    assert message == "data.shapes.reader: unknown data format 'kept'; it has been renamed to 'exemplars'"


def test_a_key_at_the_top_level(tmp_path: Path) -> None:
    message = refused(write(tmp_path, memory=4))
    assert message == "unknown key 'memory' of the recipe; it has been renamed to 'exemplar_mib'"


@pytest.mark.parametrize(
    ("change", "old", "where", "new"),
    [
        ("stages.0.rates.backbone=0", "rates", "stages.0", "lr_mult"),
        ("stages.0.rates.neck.0=0", "rates", "stages.0", "lr_mult"),
        ("stages.*.clip=1", "clip", "stages.0", "grad_clip_norm"),
        ("stages.0.keep.0.weight=1", "keep", "stages.0", "continual"),
        ("data.shapes.licence=CC0", "licence", "data.shapes", "license"),
        ("data.*.truth=masks", "truth", "data.shapes", "target"),
        ("data.shapes.reader.truth=masks", "truth", "data.shapes", "target"),
        ("memory=4", "memory", "the recipe", "exemplar_mib"),
    ],
)
def test_a_key_on_the_command_line(
    change: str, old: str, where: str, new: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["train", str(write(tmp_path)), change, "--print-config"]) == 2
    message = f"polyhead: error: unknown key {old!r} of {where}; it has been renamed to {new!r}\n"
    assert capsys.readouterr().err == message


def test_split_by_picture_names_image(tmp_path: Path) -> None:
    old = "picture"  # the old value of the setting
    message = refused(write(tmp_path, data={"shapes": {**SCENES, "split": {"val": 0.1, "test": 0.1, "by": old}}}))
    assert message.startswith("data.shapes: split: by must be 'image'")
    assert repr(old) in message


def test_a_new_name_is_only_suggested_where_it_is_a_key() -> None:
    assert suggest_key("rates", ["lr_mult", "lr"]) == "; it has been renamed to 'lr_mult'"
    assert suggest_key("rates", ["weights", "lr"]) == "; choose from lr, weights"
    assert suggest_key("epoch", ["epochs"]) == "; did you mean 'epochs'?"
