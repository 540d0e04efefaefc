"""Compare Polyhead's EfficientDet with effdet, part by part, on random inputs.

    uv pip install --target /tmp/effdet --no-deps effdet==0.4.1 omegaconf pycocotools antlr4-python3-runtime==4.9.3
    PYTHONPATH=/tmp/effdet python benchmarks/effdet_parity.py

effdet (Ross Wightman, after the authors' code) is not a dependency. It stores y before x, does not limit decoded sides
(ours: 62.5 sides of the anchor), leaves deltas that should be exactly 0 out of the Huber loss, and divides losses by
the positives plus one. The script makes these equal and compares everything else as it is. The exit code is 1 when a
difference exceeds its limit.
"""

import sys
from collections.abc import Iterator
from typing import Any

import torch

# effdet is measured against from a folder of its own, so neither mypy nor pylint can find it
from effdet.anchors import Anchors, decode_box_outputs
from effdet.config import get_efficientdet_config
from effdet.efficientdet import EfficientDet
from effdet.loss import huber_loss, new_focal_loss
from torch import Tensor, nn

from polyhead.boxes.anchors import ScaledAnchors, cxcywh_to_xyxy
from polyhead.boxes.coders import MAX_LOG_RATIO, DeltaCoder
from polyhead.boxes.raw import DensePredictions, Matched
from polyhead.models import efficientdet
from polyhead.nets.heads.dense import Dense
from polyhead.nets.heads.towers import EfficientDetSubnet, EfficientDetTower
from polyhead.nets.losses import focal, huber
from polyhead.nets.model import Model
from polyhead.types import LossTerm, TaskInfo

CLASSES = 90
LEVELS = [8, 16, 32, 64, 128]
SWAP = [1, 0, 3, 2]
"""Column order that swaps y, x and x, y."""

PAPER = {
    "fpn_name": "bifpn_fa",
    "separable_conv": True,
    "act_type": "swish",
    "head_act_type": None,
    "downsample_type": "max",
    "upsample_type": "nearest",
}
"""What effdet's cspdarkdet53m has otherwise than the paper: a quad FPN of plain convolutions, LeakyReLU and Mish."""

Row = tuple[str, float, float]
"""What is compared, the greatest difference, and its limit."""


def anchors() -> Iterator[Row]:
    """Yield the differences of the anchors, in pixels, for sides that are and are not multiples of 128."""
    for size in ((512, 512), (768, 768), (320, 511)):
        shapes = [(-(-size[0] // stride), -(-size[1] // stride)) for stride in LEVELS]
        ours, _ = ScaledAnchors(5)(shapes, LEVELS, size, torch.device("cpu"))
        theirs = Anchors(3, 7, 3, [(1.0, 1.0), (1.4, 0.7), (0.7, 1.4)], 4.0, size).boxes
        yield f"anchors at {size[0]} x {size[1]}, pixels", difference(cxcywh_to_xyxy(ours)[:, SWAP], theirs), 1e-3


def boxes() -> Iterator[Row]:
    """Yield the differences of boxes decoded from random deltas."""
    shapes = [(-(-512 // stride), -(-512 // stride)) for stride in LEVELS]
    given, strides = ScaledAnchors(5)(shapes, LEVELS, (512, 512), torch.device("cpu"))
    deltas = torch.randn(given.shape).clamp(max=MAX_LOG_RATIO)
    theirs = decode_box_outputs(deltas[:, SWAP], cxcywh_to_xyxy(given)[:, SWAP], output_xyxy=True)
    ours = DeltaCoder().decode(deltas, given, strides)
    scale = theirs.abs().amax(dim=1, keepdim=True)
    yield "decoded boxes, parts of their greatest number", float(((ours - theirs).abs() / scale).max()), 1e-5


def losses() -> Iterator[Row]:
    """Yield the relative differences of losses and gradients, with the same normalizer on both sides."""
    for smoothing in (0.0, 0.1):
        raw = random_raw()
        matched = random_target(raw)
        target = torch.zeros_like(raw.logits)
        target[matched.batch_idx, matched.anchor_idx, matched.labels] = 1
        logits = raw.logits.detach().requires_grad_()
        theirs = new_focal_loss(logits, target, 0.25, 1.5, float(matched.positives), smoothing).sum()
        ours = LossTerm(*focal(matched, label_smoothing=smoothing)).value
        yield f"focal loss, smoothing {smoothing}", abs(1 - float(ours.detach() / theirs.detach())), 1e-5
        torch.autograd.backward([ours, theirs])
        assert raw.logits.grad is not None
        assert logits.grad is not None
        least = float(logits.grad.abs().max())
        yield "its gradient", difference(raw.logits.grad, logits.grad) / least, 1e-5
    at = matched.batch_idx, matched.anchor_idx
    wanted = matched.coder.encode(matched.boxes, raw.anchors[matched.anchor_idx], raw.strides[matched.anchor_idx])
    theirs = huber_loss(raw.deltas[at], wanted, delta=0.1, size_average=False) / (4.0 * matched.positives)
    yield "Huber loss", abs(1 - float((LossTerm(*huber(matched)).value / theirs).detach())), 1e-5


def networks() -> Iterator[Row]:
    """Yield the differences of parameter counts, and of predictions with the same weights."""
    for name, ours in {
        "efficientdet_d0": efficientdet(mean=(0.0,) * 3, std=(1 / 255,) * 3),
        "cspdarkdet53m": efficientdet("cspdarknet53", size=768, width=96, repeats=4, depth=3),
    }.items():
        config = get_efficientdet_config(name)
        if name == "cspdarkdet53m":
            shipped = EfficientDet(config, pretrained_backbone=False)
            print(f"{name} as effdet ships it: {count(shipped):,} parameters; what follows is it with {PAPER}")
            config = get_efficientdet_config(name)
            config.update(PAPER)
        theirs = EfficientDet(config, pretrained_backbone=False)
        ours.build({"coco": TaskInfo([str(i) for i in range(CLASSES)])})
        print(f"{name}: {count(ours):,} parameters, effdet's {count(theirs):,}")
        yield f"parameters of {name}", abs(count(ours) - count(theirs)), 0
        if name == "efficientdet_d0":
            yield from forward(ours, theirs)


def forward(ours: Model, theirs: Any) -> Iterator[Row]:
    """Yield the differences of deltas and logits, both with effdet's weights, as fractions of the largest.

    Deltas are y before x on both sides.

    The backbone, timm's in both, stays as it is in use: in training effdet drops parts of it at random.
    """
    move(theirs.backbone, ours.get_submodule("backbone.net"))
    move(theirs.fpn, ours.neck)
    head = ours.head("coco")
    assert isinstance(head, Dense)
    assert isinstance(head.tower, EfficientDetTower)
    move_net(theirs.class_net, head.tower.classes)
    move_net(theirs.box_net, head.tower.boxes)
    images = torch.randn(2, 3, 512, 512)
    for mode in (False, True):
        for each in (ours, theirs):
            each.train(mode)
            each.backbone.eval()
        with torch.no_grad():
            raw: DensePredictions = ours(images)["coco"]
            logits, deltas = theirs(images)
        for name, mine, maps in (("deltas", raw.deltas, deltas), ("logits", raw.logits, logits)):
            rows = torch.cat([each.permute(0, 2, 3, 1).reshape(2, -1, mine.shape[2]) for each in maps], dim=1)
            limit = 1e-5 if not mode else 1e-3  # the last level's batch norm divides by the scatter of few values
            yield f"{name}, {'train' if mode else 'eval'}", difference(mine, rows) / float(rows.abs().max()), limit


def random_raw() -> DensePredictions:
    """Return predictions for two images of 256 pixels."""
    shapes = [(256 // stride, 256 // stride) for stride in LEVELS]
    given, strides = ScaledAnchors(5)(shapes, LEVELS, (256, 256), torch.device("cpu"))
    deltas = torch.randn(2, given.shape[0], 4, requires_grad=True)
    logits = (4 * torch.randn(2, given.shape[0], CLASSES) - 3).requires_grad_()
    return DensePredictions(deltas, logits, None, given, strides, (256, 256))


def random_target(raw: DensePredictions) -> Matched:
    """Return fifty positives, each with a class and a box near its anchor."""
    chosen = torch.randperm(raw.logits.shape[0] * raw.logits.shape[1])[:50]
    image, anchor = chosen // raw.logits.shape[1], chosen % raw.logits.shape[1]
    index = torch.full(raw.logits.shape[:2], -1)
    index[image, anchor] = 0
    target = DeltaCoder().decode(0.5 * torch.randn(50, 4), raw.anchors[anchor], raw.strides[anchor])
    labels, annotated = torch.randint(0, CLASSES, (50,)), torch.ones(2, CLASSES, dtype=torch.bool)
    return Matched(raw, DeltaCoder(), index, image, anchor, target, labels, annotated, torch.ones(50))


def move(source: nn.Module, target: nn.Module) -> None:
    """Copy weights between networks that name their parts differently but have them in one order."""
    pairs = zip(target.state_dict(), source.state_dict().values(), strict=True)
    target.load_state_dict(dict(pairs))


def move_net(source: Any, target: EfficientDetSubnet) -> None:
    """Copy a net of the head; effdet keeps convolutions and batch norms apart."""
    for conv, norms, layer in zip(source.conv_rep, source.bn_rep, target.layers, strict=True):
        parts: list[Tensor] = [*conv.state_dict().values(), *norms.state_dict().values()]
        layer.load_state_dict(dict(zip(layer.state_dict(), parts, strict=True)))
    move(source.predict, target.last)


def difference(ours: Tensor, theirs: Tensor) -> float:
    """Return the largest absolute difference."""
    assert ours.shape == theirs.shape, f"{list(ours.shape)} against {list(theirs.shape)}"
    return float((ours - theirs).abs().max())


def count(network: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


def main() -> int:
    """Print every comparison."""
    torch.manual_seed(0)
    worst = 0
    for part in (anchors, boxes, losses, networks):
        for name, value, limit in part():
            print(f"{'ok  ' if value <= limit else 'FAIL'} {name:45} {value:.1e} (at most {limit:.0e})", flush=True)
            worst = max(worst, int(value > limit))
    return worst


if __name__ == "__main__":
    sys.exit(main())
