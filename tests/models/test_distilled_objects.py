"""Distillation of heads with objectness covers each of the three things that they predict."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from builders.image_batches import images
from torch import Tensor

from polyhead.boxes.raw import DensePredictions
from polyhead.models import unified, yolov3, yolov3_tiny, yolox
from polyhead.nets.model import Model
from polyhead.types import TaskInfo

MODELS: dict[str, Callable[..., Model]] = {
    "yolox": partial(yolox, size=64),
    "yolov3": partial(yolov3, size=64, width=0.125, depth=0.125),
    "yolov3_tiny": partial(yolov3_tiny, size=64, width=0.25),
    "unified": partial(unified, {"pets": "detect"}, "yolox_nano", size=64),
}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Model:
    torch.manual_seed(0)
    return MODELS[request.param]().build({"pets": TaskInfo(["cat", "dog"])}).eval()


@torch.no_grad()
def raw_of(model: Model) -> DensePredictions:
    raw: DensePredictions = model(images(2, 64))["pets"]
    return raw


def changed(raw: DensePredictions, part: str) -> DensePredictions:
    """Return predictions of which one part is another."""
    value: Tensor = getattr(raw, part)
    replaced: Any = {part: value + torch.linspace(-1, 1, value.numel()).reshape(value.shape)}
    return raw._replace(**replaced)


@pytest.mark.parametrize(("part", "loss"), [("objectness", "class"), ("logits", "class"), ("deltas", "box")])
def test_a_difference_in_one_part_alone_has_a_loss(model: Model, part: str, loss: str) -> None:
    head, raw = model.head("pets"), raw_of(model)
    assert all(value.item() == 0 for value in head.distill(raw, raw, 2.0).values())
    losses = head.distill(changed(raw, part), raw, 2.0)
    assert losses[loss] > 1e-4
    assert all(value.item() == 0 for name, value in losses.items() if name != loss)


@pytest.mark.parametrize("part", ["objectness", "logits", "deltas"])
def test_the_loss_pulls_each_part_to_the_teacher(model: Model, part: str) -> None:
    teacher = raw_of(model)
    student: Any = changed(teacher, part)
    value: Tensor = getattr(student, part).requires_grad_()
    losses = model.head("pets").distill(student._replace(**{part: value}), teacher, 2.0)
    torch.autograd.backward(torch.stack([*losses.values()]).sum())
    assert value.grad is not None
    difference = value.detach() - getattr(teacher, part)
    assert (value.grad * difference).sum() > 0
