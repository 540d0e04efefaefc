"""Every backbone, neck and head fulfills its contract; new ones are found and tested without being listed."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import pytest
import torch
from builders.subclasses import concrete_subclasses
from torch import Tensor, nn

from polyhead import nets
from polyhead.contracts.network import Backbone, Head, HeadFactory, Neck, NeckFactory
from polyhead.kinds import kind_of
from polyhead.models.efficientdet import EfficientDetHead
from polyhead.models.ssd import SsdHead
from polyhead.nets.backbones.plain import Plain
from polyhead.nets.backbones.timm import Timm
from polyhead.nets.backbones.vit import Vit
from polyhead.nets.heads.classify import Classify
from polyhead.nets.heads.dense import Dense
from polyhead.nets.necks.ssd_extras import SsdExtras
from polyhead.types import Batch, BoxBatch, InputSpec, LabelBatch, Meta, Pyramid, PyramidSpec, Size, SumCount, TaskInfo

SIZES: list[Size] = [(96, 64), (75, 100)]
CHANNELS, STRIDES, NAMES = [16, 24, 32], [8, 16, 32], ["cat", "dog", "owl"]
SETTINGS: dict[type[nn.Module], Callable[..., Any]] = {
    Plain: partial(Plain, nn.Conv2d(3, 8, 3, stride=4, padding=1), InputSpec(size=(64, 64))),
    Timm: partial(Timm, "test_resnet"),
    Vit: partial(Vit, "test_vit"),
    SsdExtras: partial(SsdExtras, size=(100, 100), width=32),
    Dense: SsdHead,
    EfficientDetHead: partial(EfficientDetHead, depth=1, anchor_scale=2.0),
}
"""Factories of parts that need more arguments than the contract provides."""

SAME_WIDTH = (EfficientDetHead,)
"""Heads that need levels with the same number of channels."""

Part = TypeVar("Part", bound=nn.Module)
BACKBONES = concrete_subclasses(Backbone, nets)  # type: ignore[type-abstract]  # their subclasses are listed
NECKS, HEADS = concrete_subclasses(Neck, nets), concrete_subclasses(Head, nets)  # type: ignore[type-abstract]


class AsTensors(nn.Module):
    """A wrapper with tensors as inputs and outputs, as needed for an export."""

    def __init__(self, part: nn.Module, canvas: Size | None = None) -> None:
        super().__init__()
        self.part = part
        self.canvas = canvas

    def forward(self, *inputs: Tensor) -> list[Tensor]:
        given = inputs[0] if self.canvas is None else Pyramid(list(inputs), self.canvas)
        return tensors(self.part(given))


def tensors(value: Any) -> list[Tensor]:
    """Return all tensors of raw predictions or of a pyramid."""
    if isinstance(value, Tensor):
        return [value]
    return [each for item in value for each in tensors(item)] if isinstance(value, tuple | list) else []


def pyramid(size: Size, count: int = 2, channels: Sequence[int] = tuple(CHANNELS)) -> Pyramid:
    generator = torch.Generator().manual_seed(0)
    shapes = [[-(-side // stride) for side in size] for stride in STRIDES]
    levels = zip(channels, shapes, strict=True)
    return Pyramid([torch.randn(count, width, *shape, generator=generator) for width, shape in levels], size)


def batch(kind: str, size: Size, objects: int) -> Batch:
    """Return a batch of two images with the targets of a kind."""
    return Batch(torch.zeros(2, 3, *size, dtype=torch.uint8), target(kind, size, objects), [Meta("a"), Meta("b")])


def target(kind: str, size: Size, objects: int) -> Any:
    """Return the targets of two images: for detection, one has objects of all scales, one has none."""
    if kind == "classification":
        return LabelBatch(torch.tensor([0, 2]))
    if kind != "detection":
        return kind_of(kind).collate([kind_of(kind).example(NAMES, size)] * 2)
    side = torch.logspace(-1.5, 0, max(objects, 1))[:, None] * torch.tensor([size[1], size[0]])
    boxes = torch.cat([torch.zeros_like(side), side], dim=1).repeat(2, 1, 1)
    labels = torch.arange(max(objects, 1)).remainder(len(NAMES)).repeat(2, 1)
    none = torch.ones_like(labels, dtype=torch.bool)
    none[0] = objects == 0
    return BoxBatch(
        boxes.masked_fill(none[..., None], 0.0),
        labels.masked_fill(none, -1),
        torch.zeros_like(none),
        torch.ones(2, len(NAMES), dtype=torch.bool),
    )


def check_levels(part: Backbone | Neck, levels: list[Tensor], size: Size) -> None:
    """Check that the shapes match channels and strides."""
    assert [level.shape[1] for level in levels] == part.channels
    assert part.strides == sorted(set(part.strides))
    for level, stride in zip(levels, part.strides, strict=True):
        fits = all(abs(cells - side / stride) < 1 for cells, side in zip(level.shape[2:], size, strict=True))
        assert fits, f"a level of stride {stride} has {list(level.shape[2:])} cells on {size} pixels"


def scaled_up(features: Pyramid) -> list[Tensor]:
    """Return the same maps times two, as they might be after more training."""
    return [2 * level for level in features.levels]


def check_distillation(head: Head, raw: Any, teacher: Any) -> None:
    """Check that the distillation losses are 0 where student and teacher agree, else finite, positive scalars."""
    for value in head.distill(raw, raw, 2.0).values():
        assert abs(float(value.detach())) < 1e-5, "the loss is not 0 where student and teacher agree"
    for name, value in head.distill(raw, teacher, 2.0).items():
        assert value.shape == (), f"{name} is not a scalar"
        assert value.isfinite(), f"{name} is not finite"
        assert value > 0, f"{name} is not positive where student and teacher differ"


def check_gradients(part: nn.Module, loss: Tensor) -> None:
    """Check that every parameter has a finite gradient other than 0."""
    part.zero_grad()
    torch.autograd.backward(loss)
    for name, parameter in part.named_parameters():
        assert parameter.grad is not None, f"{name} has no gradient"
        assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"
        assert parameter.grad.any(), f"the gradient of {name} is zero"


def check_export(part: nn.Module, canvas: Size | None, inputs: list[Tensor], others: list[Tensor]) -> None:
    """Check that a graph exported at one batch size gives the same results at another."""
    plain = AsTensors(part.eval(), canvas)
    axes = (tuple({0: torch.export.Dim("b")} for _ in inputs),)
    graph = torch.export.export(plain, tuple(inputs), dynamic_shapes=axes).module()
    with torch.inference_mode():
        for exported, expected in zip(graph(*others), plain(*others), strict=True):
            torch.testing.assert_close(exported, expected, atol=1e-4, rtol=1e-4)


def without_zeros(part: Part) -> Part:
    """Change parameters that are initialized to zero, because they block gradients (timm's residual branches)."""
    with torch.no_grad():
        for parameter in part.parameters():
            parameter.add_(0.1 * (not parameter.any()))
    return part


def weighted_sum(levels: list[Tensor]) -> Tensor:
    """Return a scalar that depends on every cell with another weight."""
    generator = torch.Generator().manual_seed(1)
    return torch.stack([(level * torch.randn(level.shape, generator=generator)).sum() for level in levels]).sum()


def check_backbone(make: Callable[[], Backbone]) -> None:
    torch.manual_seed(0)
    backbone = without_zeros(make())
    for size in SIZES:
        images = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
        features: Pyramid = backbone(images)
        assert features.canvas == size
        check_levels(backbone, features.levels, size)
        check_gradients(backbone, weighted_sum(features.levels))
    check_export(backbone, None, [images], [images.repeat(2, 1, 1, 1)[:3]])


def check_neck(make: NeckFactory) -> None:
    torch.manual_seed(0)
    neck = without_zeros(make(PyramidSpec(list(CHANNELS), list(STRIDES))))
    for size in SIZES:
        mask = torch.ones(2, 3, dtype=torch.bool)
        features: Pyramid = neck(pyramid(size)._replace(mask=mask))
        assert features.canvas == size
        assert features.mask is mask
        check_levels(neck, features.levels, size)
        check_gradients(neck, weighted_sum(features.levels))
    check_export(neck, size, pyramid(size).levels, pyramid(size, 3).levels)


def check_head(make: HeadFactory, channels: Sequence[int] = tuple(CHANNELS)) -> None:
    torch.manual_seed(0)
    head = without_zeros(make(PyramidSpec(list(channels), list(STRIDES)), TaskInfo(list(NAMES))))
    assert head.names == NAMES
    assert head.kind
    for size in SIZES:
        features = pyramid(size, channels=channels)
        for objects in (12, 0):
            raw = head.train()(features)
            assert type(raw) is type(head.eval()(features))
            losses = head.losses(raw, batch(head.kind, size, objects))
            assert losses
            for name, loss in losses.items():
                assert loss.sum.shape == loss.value.shape == (), f"{name} is not a scalar"
                assert loss.sum.dtype is loss.value.dtype is torch.float32, f"{name} is not float32"
                assert loss.value.isfinite(), f"{name} is not finite"
                assert loss.count >= 0, f"{name} has a negative count"
            for name, (total, count) in head.stats(raw, batch(head.kind, size, objects)).items():
                assert total.shape == (), f"{name} is not a scalar"
                assert total.isfinite(), f"{name} is not finite"
                assert count >= 0, f"{name} has a negative count"
            if objects:
                check_gradients(head, torch.stack([loss.value for loss in losses.values()]).sum())
        assert len(head.decode(raw)) == 2
        check_distillation(head, raw, head(pyramid(size, channels=[*channels])._replace(levels=scaled_up(features))))
    check_export(head, size, features.levels, pyramid(size, 3, channels).levels)


def test_all_parts_are_found() -> None:
    assert {Plain, Timm, Vit} <= set(BACKBONES)
    assert {"Bifpn", "Fpn", "Fuse", "SharedStem", "SsdExtras"} <= {neck.__name__ for neck in NECKS}
    assert {"Classify", "Dense", "EfficientDetHead", "GridHead", "Segment", "SsdHead"} <= {
        head.__name__ for head in HEADS
    }


@pytest.mark.parametrize("part", BACKBONES)
def test_backbone(part: type[Backbone]) -> None:
    check_backbone(SETTINGS.get(part, part))


@pytest.mark.parametrize("part", NECKS)
def test_neck(part: type[Neck]) -> None:
    check_neck(SETTINGS.get(part, part))


@pytest.mark.parametrize("part", HEADS)
def test_head(part: type[Head]) -> None:
    check_head(SETTINGS.get(part, part), [16] * 3 if part in SAME_WIDTH else CHANNELS)


@pytest.mark.parametrize("part", HEADS)
def test_the_weight_of_a_class_changes_the_loss_of_its_objects_only(part: type[Head]) -> None:
    make: Callable[..., Head] = SETTINGS.get(part, part)
    channels = [16] * 3 if part in SAME_WIDTH else CHANNELS
    spec = PyramidSpec(list(channels), list(STRIDES))
    features, targets = pyramid(SIZES[0], channels=channels), batch(part.kind, SIZES[0], 12)

    def loss(**weights: float) -> float:
        torch.manual_seed(0)
        head = make(spec, TaskInfo(list(NAMES), weights=weights)).train()
        assert "class_weights" not in head.state_dict()
        return sum(float(each.sum.detach()) for each in head.losses(head(features), targets).values())

    plain, three, five, other = loss(), loss(cat=3.0), loss(cat=5.0), loss(absent=9.0)
    assert five - plain == pytest.approx(2 * (three - plain), rel=1e-3)  # linear in the weight
    assert three > plain * 1.001
    assert other == plain


def test_efficientdet_head_with_ciou() -> None:
    check_head(partial(EfficientDetHead, depth=1, anchor_scale=2.0, loss="ciou"), [16] * 3)


@pytest.mark.parametrize("part", HEADS)
def test_every_head_can_have_the_distillation_of_the_contract(
    part: type[Head], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part, "distill", Head.distill)
    make: Callable[..., Head] = SETTINGS.get(part, part)
    channels = [16] * 3 if part in SAME_WIDTH else CHANNELS
    head = make(PyramidSpec(list(channels), list(STRIDES)), TaskInfo(list(NAMES))).eval()
    features = pyramid(SIZES[0], channels=channels)
    check_distillation(head, head(features), head(features._replace(levels=scaled_up(features))))


class WrongStride(Timm):
    """States a stride that it does not have."""

    def __init__(self) -> None:
        super().__init__("test_resnet", strides=(8, 16))
        self.strides = [8, 32]


class IdleLayer(SsdExtras):
    """Has a layer that is not used."""

    def __init__(self, spec: PyramidSpec) -> None:
        super().__init__(spec, size=(100, 100), width=32)
        self.idle = nn.Linear(2, 2)


class OtherCanvas(SsdExtras):
    """Changes the canvas."""

    def __init__(self, spec: PyramidSpec) -> None:
        super().__init__(spec, size=(100, 100), width=32)

    def forward(self, pyramid: Pyramid) -> Pyramid:
        return super().forward(pyramid)._replace(canvas=(1, 1))


class DistillsAlways(Classify):
    """Has a distillation loss also where student and teacher agree."""

    def distill(self, raw: Any, teacher: Any, temperature: float) -> dict[str, Tensor]:
        return {"class": raw.logits.square().sum() * temperature + 1.0}


class StatsPerImage(Classify):
    """Has a statistic for each image in place of their sum."""

    def stats(self, raw: Any, batch: Batch) -> dict[str, SumCount]:
        return {"sure": (raw.logits.amax(dim=1), len(batch.ids))}


def with_bad_loss(loss: str) -> HeadFactory:
    """Return a factory of a head with a loss that is not finite without objects, or not a scalar."""

    def bad(matched: Any) -> SumCount:
        total: Tensor = matched.raw.deltas[matched.batch_idx, matched.anchor_idx].abs()
        return (total.mean() if loss == "mean" else total), 1

    def make(spec: PyramidSpec, info: TaskInfo) -> Head:
        head = SsdHead(spec, info)
        head.weighted_losses["bad"] = (1.0, bad)
        return head

    return make


@pytest.mark.parametrize(
    ("check", "broken", "message"),
    [
        (check_backbone, WrongStride, "a level of stride 32 has"),
        (check_neck, IdleLayer, "idle.weight has no gradient"),
        (check_neck, OtherCanvas, r"assert \(1, 1\) == "),
        (check_head, with_bad_loss("mean"), "bad is not finite"),
        (check_head, with_bad_loss("rows"), "bad is not a scalar"),
        (check_head, StatsPerImage, "sure is not a scalar"),
        (check_head, DistillsAlways, "the loss is not 0 where student and teacher agree"),
    ],
)
def test_a_broken_part_is_found(check: Callable[[Any], None], broken: Callable[..., Any], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check(broken)


def test_broken_parts_of_the_tests_are_not_counted_as_parts_of_the_package() -> None:
    found = {part.__name__ for part in [*BACKBONES, *NECKS, *HEADS]}
    assert not {"WrongStride", "IdleLayer", "OtherCanvas", "DistillsAlways", "StatsPerImage"} & found
