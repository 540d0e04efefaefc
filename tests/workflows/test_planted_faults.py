"""Ten faults that are planted in a training are named before its first epoch."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from builders.toy_parts import SIDE, Cells, Squares, Tint, Tints, ToyBackbone
from torch import Tensor, nn

from polyhead.boxes.matching import by_iou
from polyhead.config.recipe import Parts
from polyhead.config.settings import Settings
from polyhead.contracts.network import Head
from polyhead.data.loading.source import Source
from polyhead.engine.stage import Stage
from polyhead.errors import PolyheadError
from polyhead.models.efficientdet import EfficientDetHead
from polyhead.models.ssd import SsdHead
from polyhead.nets.model import Model
from polyhead.types import Batch, Boxes, ClassLabel, LossTerm, PyramidSpec, TaskInfo
from polyhead.workflows import train
from polyhead.workflows.own import fit
from polyhead.workflows.own_task import Task

IMAGES = torch.full((12, 3, SIDE, SIDE), 100, dtype=torch.uint8)
Fault = Callable[[Path], list[str]]


@pytest.fixture(autouse=True)
def _no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "finish", lambda parts, tasks, run, *_: run)


def lines_of(folder: Path, model: Model, source: Source, stage: Stage | None = None) -> list[str]:
    """Return what is logged before the first epoch of a training on one task."""
    lines: list[str] = []
    settings = Settings(0, "32-true", "run", str(folder), 0.0)
    train.train_parts(Parts(model, {"a": source}, [stage or Stage(epochs=1)], settings), lines.append)
    return lines


def tints(train_reader: Tints | None = None) -> Source:
    return Source(train_reader or Tints(12), Tints(6, 1), Tints(6, 2), batch=4, workers=0)


def squares(reader: Squares | None = None) -> Source:
    return Source(reader or Squares(12), Squares(6, 1), Squares(6, 2), batch=4, workers=0)


def model_of(head: Any, backbone: nn.Module | None = None) -> Model:
    return Model(backbone or pretrained(ToyBackbone()), [], head, (SIDE, SIDE))


def pretrained(backbone: ToyBackbone) -> ToyBackbone:
    """Give the batch norms statistics, as trained ones have."""
    for norm in backbone.modules():
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_mean is not None
            norm.running_mean += 0.01
    return backbone


def fit_pairs(folder: Path, kind: str, pairs: list[Any]) -> list[str]:
    """Fit plain pairs of images and targets; return the lines."""
    lines: list[str] = []
    head: type[Head] = Tint if kind == "classification" else Cells
    task = Task(pairs, ["left", "right"], kind=kind, modality="image", batch=4)
    fit(model_of(head), {"a": task}, epochs=1, runs=folder, show=lines.append)
    return lines


class OneClass(Tints):
    """Shows a single class."""

    def target(self, index: int) -> ClassLabel:
        return ClassLabel(torch.tensor(1))


class Ignored(Squares):
    """Marks all objects as ignored."""

    def target(self, index: int) -> Boxes:
        return super().target(index)._replace(ignore=torch.tensor([True]))


class Unmatched(EfficientDetHead):
    """Has anchors that are far too large, and no best one for each object."""

    def __init__(self, spec: PyramidSpec, info: TaskInfo) -> None:
        super().__init__(spec, info, depth=1, anchor_scale=200.0)
        self.matcher = partial(by_iou, high=0.5, low=0.4, force_best=False)


class Normalize(nn.Module):
    """Subtracts the mean of ImageNet, and divides by its deviation."""

    def forward(self, images: Tensor) -> Tensor:
        images = images if images.is_floating_point() else images / 255
        return (images - 0.45) / 0.225


class NotFinite(Tint):
    """Has a loss that is infinite."""

    def losses(self, raw: Tensor, batch: Batch, progress: float = 0.0) -> dict[str, LossTerm]:
        return {"class": LossTerm(raw.sum() / 0, 1)}


def twice(layers: int) -> nn.Module:
    return nn.Sequential(*(Normalize() for _ in range(layers)), nn.Conv2d(3, 8, 8, 8))


def boxes_of(x: float, y: float, w: float, h: float) -> dict[str, Any]:
    return {"boxes": torch.tensor([[x, y, w, h]]), "labels": torch.tensor([0])}


FAULTS: dict[str, tuple[Fault, str]] = {
    "labels beyond the class list": (
        lambda folder: fit_pairs(folder, "classification", [(image, 2) for image in IMAGES]),
        "expected the index of a class (0 to 1), got 2",
    ),
    "one class only": (
        lambda folder: lines_of(folder, model_of(Tint), tints(OneClass(12))),
        "no training image shows red, blue, so this cannot be learned",
    ),
    "boxes as xywh read as xyxy": (
        lambda folder: fit_pairs(folder, "detection", [(image, boxes_of(20, 5, 8, 9)) for image in IMAGES]),
        "the box from (20, 5) to (8, 9) has negative width or height and therefore no area (expected x1, y1, x2, y2 in",
    ),
    "all objects ignored": (
        lambda folder: lines_of(folder, model_of(Cells), squares(Ignored(12))),
        "data.a: all training objects are ignored (crowd or difficult), so nothing can be learned",
    ),
    "no anchor matched": (
        lambda folder: lines_of(folder, model_of(Unmatched), squares()),
        "task 'a': 0 of 4 objects in a training batch are matched to an anchor",
    ),
    "mean and std applied twice": (
        lambda folder: lines_of(folder, model_of(Tint, twice(2)), tints()),
        "the images seem to be normalized twice",
    ),
    "pretrained weights not loaded": (
        lambda folder: lines_of(folder, model_of(Tint, ToyBackbone()), tints()),
        "the backbone starts from random weights, on 12 training samples",
    ),
    "everything frozen": (
        lambda folder: lines_of(
            folder, model_of(Tint), tints(), Stage(epochs=1, lr_mult={"backbone": 0.0, "neck": 0.0, "heads": 0.0})
        ),
        "every part of the model is frozen",
    ),
    "learning rate 100": (
        lambda folder: lines_of(folder, model_of(Tint), tints(), Stage(epochs=1, lr=100.0)),
        "stages.0: one step with a learning rate of 100 changes the loss of its batch from 1.",
    ),
    "a loss that is not finite": (
        lambda folder: lines_of(folder, model_of(NotFinite), tints()),
        "task 'a': before the first step, a loss is not finite (class). Check the data with 'polyhead data check'",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_before_the_first_epoch(name: str, tmp_path: Path) -> None:
    plant, expected = FAULTS[name]
    try:
        text = "\n".join(plant(tmp_path))
    except PolyheadError as error:
        text = str(error)
        assert not [*tmp_path.iterdir()]  # no run folder is left behind
    assert expected in text


@pytest.mark.parametrize(
    ("head", "source"), [(Tint, tints()), (Cells, squares()), (SsdHead, squares()), (Tint, tints(Tints(1)))]
)
def test_nothing_is_reported_where_nothing_is_wrong(head: type[Head], source: Source, tmp_path: Path) -> None:
    lines = lines_of(tmp_path, model_of(head), source)
    assert [line for line in lines if "task 'a'" in line or "stages" in line or "gradient" in line] == []
    assert not [line for line in lines if "random weights" in line or "normalized" in line]


def test_images_that_are_normalized_once_are_not_reported(tmp_path: Path) -> None:
    assert not [line for line in lines_of(tmp_path, model_of(Tint, twice(1)), tints()) if "normalized" in line]


class Detached(Tint):
    """Trains its own layer only, which does not show in the loss."""

    def forward(self, pyramid: Any) -> Tensor:
        return super().forward(pyramid._replace(levels=[level.detach() for level in pyramid.levels]))


def test_a_part_that_no_gradient_reaches_is_named(tmp_path: Path) -> None:
    lines = lines_of(tmp_path, model_of(Detached), tints())
    assert "no gradient reaches backbone, so it does not learn. Is its output used, and not detached?" in lines


class Confident(Tint):
    """Starts with very large logits."""

    def expected_losses(self) -> dict[str, float]:
        return {"class": 1.1}

    def forward(self, pyramid: Any) -> Tensor:
        return 1000 * super().forward(pyramid)


def test_a_loss_that_is_too_high_at_the_start_is_named(tmp_path: Path) -> None:
    lines = lines_of(tmp_path, model_of(Confident), tints())
    found = [line for line in lines if "before the first step, the loss 'class' is" in line]
    assert len(found) == 1
    assert "; a head that knows nothing has 1.1. Check the normalization" in found[0]
