"""The unified network on YOLOX: one trunk for three heads, of which detection knows COCO's classes before training."""

from pathlib import Path
from typing import Any

import pytest
import torch
from builders.image_batches import images
from builders.official_weights import random_model, write_official

from polyhead.contracts.coco_names import COCO_NAMES
from polyhead.errors import SettingError
from polyhead.models import unified, yolox
from polyhead.nets.calibrate import folded_norms, recalibrate
from polyhead.nets.heads.dense import Dense
from polyhead.nets.model import Model
from polyhead.types import Detections, Labels, Mask, TaskInfo

HEADS = {"seg": "segment", "det": "detect", "cls": "classify"}
NAMES = ["sofa", "forklift", "Person"]


def built(names: list[str] | None = None, **settings: Any) -> Model:
    model = unified(HEADS, "yolox_nano", size=64, **settings)
    return model.build({task: TaskInfo(NAMES if names is None else names) for task in HEADS}).eval()


@torch.no_grad()
def detections(model: Model, task: str, size: int) -> list[Detections]:
    head = model.head(task)
    assert isinstance(head, Dense)
    return head.decode(head(model.trunk(images(2, size))))


def check_same(one: Model, other: Model, size: int) -> None:
    """Compare what a unified network and a YOLOX detect."""
    pairs = zip(detections(one, "det", size), detections(other, "coco", size), strict=True)
    for found, expected in pairs:
        assert len(expected.scores) > 0
        assert torch.equal(found.labels, expected.labels)
        torch.testing.assert_close(found.boxes, expected.boxes, atol=1e-3, rtol=1e-5)
        torch.testing.assert_close(found.scores, expected.scores, atol=1e-5, rtol=0)


def test_with_the_same_weights_it_detects_what_yolox_detects(tmp_path: Path) -> None:
    original = random_model()
    path = write_official(tmp_path / "nano.pth", original)
    check_same(built(COCO_NAMES, weights=str(path)), original, 64)


def test_official_weights_detect_what_they_detect_in_yolox(weights_root: Path) -> None:
    path = str(weights_root / "yolox_nano_coco.safetensors")
    names = ["dog", "chair", "person"]
    check_same(built(names, weights=path), yolox(weights=path).build({"coco": TaskInfo(names)}).eval(), 320)


def test_known_classes_start_from_their_rows(tmp_path: Path) -> None:
    path = str(write_official(tmp_path / "nano.pth"))
    assert list(built(weights=path).head("det").known) == ["sofa", "Person"]
    assert not built().head("det").known


def test_all_heads_read_one_trunk_and_are_output_layers_only() -> None:
    model = built()
    assert model.pyramid_spec().strides == [8, 16, 32]
    assert model.pyramid_spec().channels == [2 * 64 + width for width in (64, 128, 256)]
    raws = model(images(2, 64))
    kinds = {task: type(model.head(task).decode(raw)[0]) for task, raw in raws.items()}
    assert kinds == {"seg": Mask, "det": Detections, "cls": Labels}
    layers = {type(each).__name__ for head in model.heads.values() for each in head.modules() if not [*each.children()]}
    assert layers == {"Conv2d", "Linear", "Dropout"}
    assert all(each.kernel_size == (1, 1) for each in model.heads.modules() if isinstance(each, torch.nn.Conv2d))


def test_it_has_fewer_than_8_million_parameters() -> None:
    with torch.device("meta"):
        model = unified(HEADS, "yolox_nano")
        counts = {"seg": 21, "det": 10, "cls": 10}
        model.build({task: TaskInfo([str(each) for each in range(count)]) for task, count in counts.items()})
    trunk = sum(each.numel() for each in (*model.backbone.parameters(), *model.neck.parameters()))
    assert trunk == 912_159 - 3 * (80 + 4 + 1) * (64 + 1)  # YOLOX-nano without its output layers
    assert sum(each.numel() for each in model.parameters()) - trunk < 50_000


def test_folded_norms_of_the_shared_convolutions_are_restored(weights_root: Path) -> None:
    model = built(weights=str(weights_root / "yolox_nano_coco.safetensors"))
    before = detections(model, "det", 128)
    count = len(folded_norms(model))
    assert count == len([each for each in model.modules() if isinstance(each, torch.nn.BatchNorm2d)])
    assert recalibrate(model, [("seg", images(2, 128))]) == count
    assert not folded_norms(model)
    for one, other in zip(detections(model, "det", 128), before, strict=True):
        torch.testing.assert_close(one.scores[:3], other.scores[:3], atol=1e-3, rtol=0)


@pytest.mark.parametrize("setting", [{"shortcut": True}, {"residual": True}, {"mean": [0.5, 0.5, 0.5]}])
def test_settings_of_other_backbones_are_refused(setting: dict[str, Any]) -> None:
    message = f"{next(iter(setting))}: the backbone yolox_nano does not have this setting. Remove it."
    with pytest.raises(SettingError, match=message):
        unified(HEADS, "yolox_nano", **setting)
