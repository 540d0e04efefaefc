"""Before a training with several image sizes, its model and data are tried with each of them."""

from typing import Any

import pytest
import torch
from builders.toy_parts import Squares, Tint, Tints, ToyBackbone, toy_model
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from polyhead.config.recipe import Parts
from polyhead.config.settings import Settings
from polyhead.contracts.network import Backbone
from polyhead.data.loading.source import Source
from polyhead.engine.stage import Stage
from polyhead.errors import PolyheadError
from polyhead.modalities.image.transforms import TrainImage
from polyhead.nets.heads.classify import Classify
from polyhead.nets.model import Model
from polyhead.types import Pyramid, Size
from polyhead.workflows.own_task import Task
from polyhead.workflows.preflight import prepare


def source(reader: Any) -> Source:
    return Source(reader(8), reader(6, 1), reader(6, 2), workers=0)


def images(backbone: Backbone, sizes: list[int], size: Size = (32, 32)) -> Parts:
    """Return the parts of a training of the toy images at these sizes."""
    return Parts(Model(backbone, [], Tint, size), {"tints": source(Tints)}, [Stage(), Stage(sizes=sizes)], Settings())


class Fixed(ToyBackbone):
    """Takes images of one size, as some of timm's networks do."""

    def forward(self, inputs: Tensor) -> Pyramid:
        if inputs.shape[-1] != 32:
            raise AssertionError(f"Input height ({inputs.shape[-2]})\ndoesn't match model (32).")
        return super().forward(inputs)


def test_every_task_of_a_joint_stage_is_tried_and_nothing_of_the_model_changes() -> None:
    sources = {"squares": source(Squares), "tints": source(Tints)}
    model = toy_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    prepare(Parts(model, sources, [Stage(sizes=[24, 32, 48])], Settings()))
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
    assert model.training


@pytest.mark.parametrize(
    ("backbone", "sizes", "size", "message"),
    [
        (
            Fixed,
            [32, 64],
            (32, 32),
            (
                r"^stages\.1\.sizes: the model does not take images of 64 x 64 pixels \(Input height \(64\) doesn't "
                r"match model \(32\)\.\)\. Use other sizes, such as multiples of 32, or a backbone that takes images "
                r"of any size"
            ),
        ),
        (
            ToyBackbone,
            [32, 15, 1],
            (32, 32),
            (
                r"^stages\.1\.sizes: expected sides of 16 pixels or more, 2 cells of the coarsest level of the "
                r"backbone \(stride 8\), got 1\. Use larger sizes\."
            ),
        ),
        (
            ToyBackbone,
            [64],
            (32, 48),
            r"^stages\.1\.sizes: the sizes are sides of square images, but the model is made for images of 32 x 48 ",
        ),
    ],
)
def test_what_the_model_does_not_take_is_refused_before_the_training(
    backbone: type[Backbone], sizes: list[int], size: Size, message: str
) -> None:
    with pytest.raises(PolyheadError, match=message):
        prepare(images(backbone(), sizes, size))


def test_a_size_needs_two_cells_or_what_the_model_has() -> None:
    prepare(images(ToyBackbone(), [16, 32]))
    prepare(images(ToyBackbone(), [12, 16], (12, 12)))


def test_the_size_of_the_model_alone_is_taken_by_every_network() -> None:
    prepare(images(Fixed(), [32]))


def test_inputs_without_a_size_are_refused() -> None:
    data = TensorDataset(torch.randn(20, 2), torch.arange(20) % 2)
    sources = {"side": Task(data, ["left", "right"]).source("side")}
    parts = Parts(Model(nn.Linear(2, 4), [], Classify), sources, [Stage(sizes=[32])], Settings())
    with pytest.raises(
        PolyheadError, match=r"^stages\.0\.sizes: the inputs of 'side' have no size that could change\."
    ):
        prepare(parts)


def test_a_transform_that_ignores_the_sizes_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrainImage, "at", lambda self, side: self)
    message = (
        r"^stages\.1\.sizes: TrainImage, the training transform of task 'tints', has no method 'at' that changes the "
        r"size \(expected images of 64 x 64 pixels, got \(32, 32\)\)\. Write it, or remove the setting\."
    )
    with pytest.raises(PolyheadError, match=message):
        prepare(images(ToyBackbone(), [64]))
