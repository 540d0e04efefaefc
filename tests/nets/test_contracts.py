"""Every backbone, neck and head keeps its contract; a new one is tested by existing."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import pytest
import torch
from builders.subclasses import finished
from torch import Tensor, nn

from polyhead import nets
from polyhead.contracts.network import Backbone, Head, Neck
from polyhead.models.efficientdet import efficientdet_head
from polyhead.models.ssd import ssd_head
from polyhead.nets.backbones.timm import Timm
from polyhead.nets.heads.classify import Classify
from polyhead.nets.heads.dense import Dense
from polyhead.nets.necks.ssd_extras import SsdExtras
from polyhead.types import Batch, Pyramid, Size

SIZES: list[Size] = [(96, 64), (75, 100)]
CHANNELS, STRIDES, NAMES = [16, 24, 32], [8, 16, 32], ["cat", "dog", "owl"]
SETTINGS: dict[type[nn.Module], Callable[..., Any]] = {
    Timm: partial(Timm, "test_resnet"),
    SsdExtras: partial(SsdExtras, size=(100, 100), width=32),
    Dense: ssd_head,
}
"""How to build parts that need more than the contract gives them."""

Part = TypeVar("Part", bound=nn.Module)
BACKBONES = finished(Backbone, nets)  # type: ignore[type-abstract]  # subclasses are asked for
NECKS, HEADS = finished(Neck, nets), finished(Head, nets)  # type: ignore[type-abstract]


class Plain(nn.Module):
    """Tensors in, tensors out, as an exporter wants it."""

    def __init__(self, part: nn.Module, canvas: Size | None = None) -> None:
        super().__init__()
        self.part = part
        self.canvas = canvas

    def forward(self, *inputs: Tensor) -> list[Tensor]:
        given = inputs[0] if self.canvas is None else Pyramid(list(inputs), self.canvas)
        return tensors(self.part(given))


def tensors(value: Any) -> list[Tensor]:
    """All tensors of a raw value or a pyramid."""
    if isinstance(value, Tensor):
        return [value]
    return [each for item in value for each in tensors(item)] if isinstance(value, tuple | list) else []


def pyramid(size: Size, count: int = 2, channels: Sequence[int] = tuple(CHANNELS)) -> Pyramid:
    source = torch.Generator().manual_seed(0)
    shapes = [[-(-side // stride) for side in size] for stride in STRIDES]
    levels = zip(channels, shapes, strict=True)
    return Pyramid([torch.randn(count, width, *shape, generator=source) for width, shape in levels], size)


def batch(size: Size, objects: int) -> Batch:
    """Two pictures: one with objects of all scales, one without any."""
    side = torch.logspace(-1.5, 0, max(objects, 1))[:, None] * torch.tensor([size[1], size[0]])
    boxes = torch.cat([torch.zeros_like(side), side], dim=1).repeat(2, 1, 1)
    labels = torch.arange(max(objects, 1)).remainder(len(NAMES)).repeat(2, 1)
    none = torch.ones_like(labels, dtype=torch.bool)
    none[0] = objects == 0
    return Batch(
        torch.zeros(2, 3, *size, dtype=torch.uint8),
        boxes.masked_fill(none[..., None], 0.0),
        labels.masked_fill(none, -1),
        torch.zeros_like(none),
        torch.ones(2, len(NAMES), dtype=torch.bool),
        torch.zeros(2, 3, 2),
        torch.tensor([size, size]),
        ["a", "b"],
        torch.zeros(2, *size, dtype=torch.uint8),
        torch.tensor([0, 2]),
    )


def check_levels(part: Backbone | Neck, levels: list[Tensor], size: Size) -> None:
    """Shapes are what channels and strides tell."""
    assert [level.shape[1] for level in levels] == part.channels
    assert part.strides == sorted(set(part.strides))
    for level, stride in zip(levels, part.strides, strict=True):
        fits = all(abs(have - side / stride) < 1 for have, side in zip(level.shape[2:], size, strict=True))
        assert fits, f"a level of stride {stride} has {list(level.shape[2:])} cells on {size} pixels"


def louder(features: Pyramid) -> list[Tensor]:
    """The same maps, twice as strong: what a network might see after more training."""
    return [2 * level for level in features.levels]


def check_distillation(head: Head, raw: Any, teacher: Any) -> None:
    """Nothing where student and teacher agree; where they do not, positive, finite, and only the student is taught."""
    for value in head.distil(raw, raw, 2.0).values():
        assert abs(float(value.detach())) < 1e-5, "a teacher that agrees still teaches"
    for name, value in head.distil(raw, teacher, 2.0).items():
        assert value.shape == (), f"{name} is no scalar"
        assert value.isfinite(), f"{name} is not finite"
        assert value > 0, f"{name} is not positive where student and teacher differ"


def check_gradients(part: nn.Module, loss: Tensor) -> None:
    """Every parameter learns."""
    part.zero_grad()
    torch.autograd.backward(loss)
    for name, parameter in part.named_parameters():
        assert parameter.grad is not None, f"{name} has no gradient"
        assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"
        assert parameter.grad.any(), f"the gradient of {name} is zero"


def check_export(part: nn.Module, canvas: Size | None, inputs: list[Tensor], others: list[Tensor]) -> None:
    """A graph traced at one batch size gives the same at another."""
    plain = Plain(part.eval(), canvas)
    axes = (tuple({0: torch.export.Dim("b")} for _ in inputs),)
    graph = torch.export.export(plain, tuple(inputs), dynamic_shapes=axes).module()
    with torch.inference_mode():
        for have, want in zip(graph(*others), plain(*others), strict=True):
            torch.testing.assert_close(have, want, atol=1e-4, rtol=1e-4)


def wake(part: Part) -> Part:
    """Parameters that start as zero would hide others behind them: timm's residual branches start closed."""
    with torch.no_grad():
        for parameter in part.parameters():
            parameter.add_(0.1 * (not parameter.any()))
    return part


def weigh(levels: list[Tensor]) -> Tensor:
    """A scalar that depends on every cell in its own way."""
    source = torch.Generator().manual_seed(1)
    return torch.stack([(level * torch.randn(level.shape, generator=source)).sum() for level in levels]).sum()


def check_backbone(make: Callable[[], Backbone]) -> None:
    torch.manual_seed(0)
    backbone = wake(make())
    for size in SIZES:
        pictures = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
        features: Pyramid = backbone(pictures)
        assert features.canvas == size
        check_levels(backbone, features.levels, size)
        check_gradients(backbone, weigh(features.levels))
    check_export(backbone, None, [pictures], [pictures.repeat(2, 1, 1, 1)[:3]])


def check_neck(make: Callable[[list[int], list[int]], Neck]) -> None:
    torch.manual_seed(0)
    neck = wake(make(list(CHANNELS), list(STRIDES)))
    for size in SIZES:
        features: Pyramid = neck(pyramid(size))
        assert features.canvas == size
        check_levels(neck, features.levels, size)
        check_gradients(neck, weigh(features.levels))
    check_export(neck, size, pyramid(size).levels, pyramid(size, 3).levels)


def check_head(
    make: Callable[[list[int], list[int], list[str]], Head], channels: Sequence[int] = tuple(CHANNELS)
) -> None:
    torch.manual_seed(0)
    head = wake(make(list(channels), list(STRIDES), list(NAMES)))
    assert head.names == NAMES
    for size in SIZES:
        features = pyramid(size, channels=channels)
        for objects in (12, 0):
            raw = head.train()(features)
            assert type(raw) is type(head.eval()(features))
            losses = head.losses(raw, batch(size, objects))
            assert losses
            for name, loss in losses.items():
                assert loss.shape == (), f"{name} is no scalar"
                assert loss.dtype is torch.float32, f"{name} is no float32"
                assert loss.isfinite(), f"{name} is not finite"
            if objects:
                check_gradients(head, torch.stack(list(losses.values())).sum())
        assert len(head.decode(raw)) == 2
        check_distillation(head, raw, head(pyramid(size, channels=[*channels])._replace(levels=louder(features))))
    check_export(head, size, features.levels, pyramid(size, 3, channels).levels)


def test_no_part_is_overlooked() -> None:
    assert {Timm} <= set(BACKBONES)
    assert {"Bifpn", "Fpn", "Fuse", "SsdExtras", "Trunk"} <= {neck.__name__ for neck in NECKS}
    assert {"Classify", "Dense", "Segment"} <= {head.__name__ for head in HEADS}


@pytest.mark.parametrize("part", BACKBONES)
def test_backbone(part: type[Backbone]) -> None:
    check_backbone(SETTINGS.get(part, part))


@pytest.mark.parametrize("part", NECKS)
def test_neck(part: type[Neck]) -> None:
    check_neck(SETTINGS.get(part, part))


@pytest.mark.parametrize("part", HEADS)
def test_head(part: type[Head]) -> None:
    check_head(SETTINGS.get(part, part))


@pytest.mark.parametrize("loss", ["huber", "ciou"])
def test_heads_that_want_levels_of_one_width(loss: str) -> None:
    check_head(partial(efficientdet_head, depth=1, anchor_scale=2.0, loss=loss), [16] * 3)  # type: ignore[arg-type]


class WrongStride(Timm):
    """Tells a stride that it does not have."""

    def __init__(self) -> None:
        super().__init__("test_resnet", strides=(8, 16))
        self.strides = [8, 32]


class IdleLayer(SsdExtras):
    """Has a layer that nothing goes through."""

    def __init__(self, channels: list[int], strides: list[int]) -> None:
        super().__init__(channels, strides, size=(100, 100), width=32)
        self.idle = nn.Linear(2, 2)


class OtherCanvas(SsdExtras):
    """Changes the canvas on the way."""

    def __init__(self, channels: list[int], strides: list[int]) -> None:
        super().__init__(channels, strides, size=(100, 100), width=32)

    def forward(self, pyramid: Pyramid) -> Pyramid:
        return Pyramid(super().forward(pyramid).levels, (1, 1))


class Stubborn(Classify):
    """Teaches also what is already known."""

    def distil(self, raw: Any, teacher: Any, temperature: float) -> dict[str, Tensor]:
        return {"class": raw.logits.square().sum() * temperature + 1.0}


def careless(loss: str) -> Callable[..., Head]:
    """A head one of whose losses is not finite without objects, or is no scalar."""

    def bad(matched: Any) -> Tensor:
        total: Tensor = matched.raw.codes[matched.picture, matched.anchor].abs()
        return total.mean() if loss == "mean" else total

    def make(channels: list[int], strides: list[int], names: list[str]) -> Head:
        head = ssd_head(channels, strides, names)
        head.parts["bad"] = (1.0, bad)
        return head

    return make


@pytest.mark.parametrize(
    ("check", "broken", "message"),
    [
        (check_backbone, WrongStride, "a level of stride 32 has"),
        (check_neck, IdleLayer, "idle.weight has no gradient"),
        (check_neck, OtherCanvas, r"assert \(1, 1\) == "),
        (check_head, careless("mean"), "bad is not finite"),
        (check_head, careless("rows"), "bad is no scalar"),
        (check_head, Stubborn, "a teacher that agrees still teaches"),
    ],
)
def test_a_broken_part_is_found(check: Callable[[Any], None], broken: Callable[..., Any], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check(broken)


def test_broken_parts_of_the_tests_are_not_taken_for_parts_of_the_package() -> None:
    found = {part.__name__ for part in [*BACKBONES, *NECKS, *HEADS]}
    assert not {"WrongStride", "IdleLayer", "OtherCanvas", "Stubborn"} & found
