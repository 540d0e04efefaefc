"""Any backbone in every model, also one of the user's own from a recipe; names are checked before data is read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from builders.image_batches import images
from builders.toy_inputs import LateTiny, Tiny

from polyhead.config import recipe
from polyhead.errors import PolyheadError
from polyhead.models import classifier, efficientdet, ssd300, unified
from polyhead.nets.model import Model
from polyhead.types import TaskInfo
from polyhead.workflows.preflight import build

HEADS = {"heads": {"a": "classify"}}
FUNCTIONS: dict[str, Callable[..., Model]] = {
    "ssd300": ssd300,
    "efficientdet": efficientdet,
    "classifier": classifier,
    "unified": unified,
}


def resolved(model: str, backbone: Any, **arguments: Any) -> dict[str, Any]:
    data = {"a": {"reader": "scenes", "count": 6, "size": 64, "target": "times"}}
    spec = {"class_path": model, "init_args": {"backbone": backbone, "size": 64, **HEADS, **arguments}}
    return recipe.resolve({"model": spec, "data": data, "stages": [{}]}, [], "mine")


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("part", [Tiny, LateTiny])
def test_a_backbone_of_the_users_own_works_in_every_model(
    name: str, part: type[Tiny], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = {"class_path": f"builders.toy_inputs.{part.__name__}", "init_args": {"width": 6}}
    monkeypatch.setattr(recipe, "ALLOWED", ["polyhead", "builders"])
    config = resolved(name, spec)
    model = build(config).model.build({"a": TaskInfo(["x", "y"])})
    assert isinstance(model.backbone, part)
    assert model.backbone.channels == [6, 6, 6]
    assert model(images(2, 64))["a"].logits.shape == (2, 2)
    rebuilt = recipe.build_model(config["model"]).build({"a": TaskInfo(["x", "y"])})
    rebuilt.load_state_dict(model.state_dict())
    with pytest.raises(PolyheadError, match=r"unknown key 'widht' of model\.backbone; did you mean 'width'"):
        resolved(name, {**spec, "init_args": {"widht": 6}})


@pytest.mark.parametrize("name", FUNCTIONS)
def test_unknown_names_and_missing_files_are_refused_before_data_is_read(name: str, tmp_path: Path) -> None:
    config = resolved(name, "resnet5O")
    config["data"]["a"]["reader"]["class_path"] = "polyhead.data.readers.folder.Folder"
    config["data"]["a"]["reader"]["init_args"] = {"root": str(tmp_path / "nowhere")}
    with pytest.raises(PolyheadError, match=r"^timm has no network 'resnet5O'; did you mean 'resnet50'\?$"):
        build(config)
    config["model"]["init_args"] |= {"backbone": "test_resnet", "weights": "nowhere.safetensors"}
    with pytest.raises(PolyheadError, match=r"'nowhere\.safetensors' was not found"):
        build(config)


@pytest.mark.parametrize("setting", [{"weights": "x.safetensors"}, {"mean": [0.5] * 3}, {"std": [0.5] * 3}])
def test_settings_of_named_backbones_are_refused_for_others(setting: dict[str, Any]) -> None:
    with pytest.raises(PolyheadError, match=rf"^{next(iter(setting))}: only a backbone that is given by name has this"):
        ssd300(Tiny(), **setting)


def test_a_backbone_with_one_level_cannot_be_fused() -> None:
    backbone = Tiny()
    backbone.channels, backbone.strides = [8], [8]
    with pytest.raises(PolyheadError, match=r"the neck fuses two levels, but the backbone has only that of stride 8\."):
        unified({"a": "classify"}, backbone)


def test_a_module_is_used_as_it_is() -> None:
    backbone = Tiny()
    before = [parameter.clone() for parameter in backbone.parameters()]
    model = classifier(backbone, size=64).build({"a": TaskInfo(["x"])})
    assert model.backbone is backbone
    assert all(torch.equal(one, two) for one, two in zip(backbone.parameters(), before, strict=True))
