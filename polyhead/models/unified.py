"""Unified network: one shared head for segmentation, detection and classification."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

from polyhead.boxes.anchors import ScaledAnchors
from polyhead.boxes.coders import Offsets
from polyhead.boxes.matching import by_iou
from polyhead.boxes.nms import Suppress, per_class
from polyhead.contracts.network import HeadFactory, NeckFactory
from polyhead.nets.backbones.timm import Timm
from polyhead.nets.heads.classify import Classify
from polyhead.nets.heads.dense import Dense, softmax_scores
from polyhead.nets.heads.segment import Segment
from polyhead.nets.heads.towers import SoftmaxTower
from polyhead.nets.losses import hard_negative_ce, smooth_l1
from polyhead.nets.model import Model
from polyhead.nets.necks.fuse import Fuse
from polyhead.nets.necks.trunk import Trunk


def unified(
    heads: dict[str, Literal["segment", "detect", "classify"]],
    backbone: str = "efficientnet_b0",
    weights: str | None = None,
    size: int = 512,
    *,
    last_conv: bool | None = None,
    middle: int = 512,
    width: int = 256,
    depth: int = 3,
    residual: bool = False,
    shortcut: bool = False,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Model:
    """One shared head for detection, segmentation and classification: all tasks are read off one map of stride 16.

    Levels of strides 16 and 32 are fused, go through the shared head, and each task has one or two 1x1 layers on it.
    With EfficientNet-B0 and 10, 21 and 10 classes it has 7.7 million parameters.

    Args:
        heads: what each task is, by its name.
        backbone: timm's name of the backbone.
        weights: of the backbone: None, ``"hub"`` or a file (:class:`~polyhead.nets.backbones.timm.Timm`).
        size: side of the square pictures in pixels.
        last_conv: take stride 32 behind the backbone's convolution before its classifier; None does where it has one.
        middle: channels between the two convolutions that fuse.
        width: channels of the shared head.
        depth: 3x3 convolutions of the shared head.
        residual: the shared head adds to what comes, and does not replace it.
        shortcut: a way past the fuse, for later tasks (:class:`~polyhead.nets.necks.fuse.Fuse`).
        mean: of the weights' pictures in 0..1; None where the file or timm tells it.
        std: likewise.
    """
    kinds: dict[str, HeadFactory] = {
        "segment": Segment,
        "detect": partial(grid_head, smallest=0.1 * size / 16),
        "classify": partial(Classify, dropout=0.2),
    }
    timm = Timm(backbone, weights, (16, 32), last_conv=last_conv, mean=mean, std=std)
    necks: list[NeckFactory] = [
        partial(Fuse, middle=middle, width=width, shortcut=shortcut),
        partial(Trunk, depth=depth, residual=residual),
    ]
    return Model(timm, necks, {task: kinds[kind] for task, kind in heads.items()}, (size, size))


def grid_head(
    channels: list[int], strides: list[int], names: list[str], *, smallest: float, suppress: Suppress = per_class
) -> Dense:
    """A detector on one grid, as YOLOv2 (Redmon & Farhadi 2017, section 2), with two 1x1 convolutions and SSD's losses.

    Its boxes have five sides, from ``smallest`` cells up to 6.3 times as long, in three ratios.
    """
    return Dense(
        channels,
        strides,
        names,
        anchors=ScaledAnchors(len(channels), smallest, octaves=5, span=10.0),
        tower=partial(SoftmaxTower, squeeze=128),
        coder=Offsets(centre=0.1, side=0.2),
        matcher=partial(by_iou, high=0.5, low=0.5, force_best=True),
        losses={"box": (1.0, smooth_l1), "class": (1.0, hard_negative_ce)},
        scores=softmax_scores,
        suppress=suppress,
    )
