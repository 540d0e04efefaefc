"""Heads and backbones in recipes: by name, with settings, and by import path; errors are one line."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from polyhead import cli
from polyhead.config import recipe
from polyhead.models.heads import HEADS


def write(folder: Path, model: dict[str, Any] | None = None) -> Path:
    """Write a small valid recipe."""
    default = {"class_path": "ssd300", "init_args": {"backbone": "mobilenetv2_035"}}
    data = {"shapes": {"reader": "voc", "root": "nowhere"}}
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"model": model or default, "data": data, "stages": [{}]}), encoding="utf-8")
    return path


SETTINGS = {"dice_weight": 1.0, "all_levels": False}
SEGMENT = {"class_path": "polyhead.nets.heads.segment.Segment", "init_args": SETTINGS}


@pytest.mark.parametrize(
    ("changes", "head"),
    [
        (["model.heads.shapes=segment"], "segment"),
        (["model.heads.shapes=segment", "model.heads.shapes=classify"], "classify"),
        (["model.heads.shapes={class_path: segment}"], SEGMENT),
        (["model.heads.shapes=polyhead.nets.heads.segment.Segment"], SEGMENT),
        (
            ["model.heads.shapes=segment", "model.heads.shapes.dice_weight=2"],
            {**SEGMENT, "init_args": {**SETTINGS, "dice_weight": 2.0}},
        ),
    ],
)
def test_heads_are_named_with_or_without_settings(changes: list[str], head: Any, tmp_path: Path) -> None:
    config = recipe.load(write(tmp_path), changes)
    assert config["model"]["init_args"]["heads"] == {"shapes": head}
    before = recipe.dump(config)
    model = recipe.build_model(config["model"])
    assert set(model.head_factories) == {"shapes", "*"}
    assert recipe.dump(config) == before, "building the model has changed the recipe"
    (tmp_path / "config.yaml").write_text(before, encoding="utf-8")
    assert recipe.load(tmp_path / "config.yaml")["model"] == config["model"]


def test_a_head_that_is_null_is_that_of_the_model(tmp_path: Path) -> None:
    assert recipe.load(write(tmp_path), ["model.heads.shapes="])["model"]["init_args"]["heads"] == {}
    assert recipe.load(write(tmp_path))["model"]["init_args"]["heads"] is None


def test_a_model_of_parts_has_backbones_and_heads_by_name(tmp_path: Path) -> None:
    timm = {"class_path": "polyhead.nets.backbones.timm.Timm", "init_args": {"name": "test_resnet"}}
    classify = {"class_path": "polyhead.nets.heads.classify.Classify"}
    arguments = {"necks": [], "size": [32, 32], "backbone": {"image": timm}, "head": {"shapes": classify, "*": SEGMENT}}
    path = write(tmp_path, model={"class_path": "polyhead.nets.model.Model", "init_args": arguments})
    config = recipe.load(path)
    assert config["model"]["init_args"]["head"]["*"] == SEGMENT
    model = recipe.build_model(config["model"])
    assert set(model.head_factories) == {"shapes", "*"}
    assert list(model.pyramids) == ["image"]
    (tmp_path / "config.yaml").write_text(recipe.dump(config), encoding="utf-8")
    assert recipe.load(tmp_path / "config.yaml")["model"] == config["model"]


BAD = [
    (
        "model.backbone={class_path: os.system}",
        "model.backbone: recipes may not import 'os.system'. If you trust this package, add --allow os",
    ),
    ("model.backbone=3", "model.backbone: expected str or Backbone or a factory of Backbone, got '3'"),
    (
        "model.backbone={class_path: polyhead.nets.heads.classify.Classify}",
        "model.backbone: expected a Backbone, got 'polyhead.nets.heads.classify.Classify'",
    ),
    ("model.heads.shapes=segmnt", "model.heads.shapes: there is no head 'segmnt'; did you mean 'segment'?"),
    (
        "model.heads.shapes={class_path: segmnt}",
        "model.heads.shapes: there is no head 'segmnt'; did you mean 'segment'?",
    ),
    (
        "model.heads={shapes: {class_path: classify, init_args: {dropuot: 0.3}}}",
        "unknown key 'dropuot' of model.heads.shapes; did you mean 'dropout'?",
    ),
    (
        "model.heads={shapes: {class_path: ssd, init_args: {depth: x}}}",
        "model.heads.shapes.depth: expected int, got 'x'",
    ),
    (
        "model.heads.shapes=os.system",
        "model.heads.shapes: recipes may not import 'os.system'. If you trust this package, add --allow os",
    ),
    (
        "model.heads.shapes=polyhead.nets.backbones.timm.Timm",
        "model.heads.shapes: expected a Head, got 'polyhead.nets.backbones.timm.Timm'",
    ),
    (
        "model.heads.shapes=polyhead.nets.heads.classify.Clasify",
        "model.heads.shapes: there is no 'Clasify' in polyhead.nets.heads.classify; did you mean 'Classify'?",
    ),
    ("model.heads=3", "model.heads: expected the head of each task, {TASK: NAME}, got 3"),
    (
        "model.heads.shapes=3",
        f"model.heads.shapes: expected a head ({', '.join(HEADS)}), or {{class_path: NAME}}, got 3",
    ),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_parts_end_in_one_line(
    change: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path)
    assert cli.main(["train", str(path), change, "--print-config"]) == 2
    assert capsys.readouterr().err == f"polyhead: error: {message}\n"
