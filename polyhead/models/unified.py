"""A unified network for segmentation, detection and classification, whose tasks share nearly all layers."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

from polyhead.boxes.anchors import ScaledAnchors
from polyhead.boxes.coders import DeltaCoder
from polyhead.boxes.matching import by_iou
from polyhead.boxes.nms import NMS, class_nms
from polyhead.contracts.network import HeadFactory, NeckFactory
from polyhead.nets.backbones.timm import Timm
from polyhead.nets.heads.classify import Classify
from polyhead.nets.heads.dense import Dense, softmax_scores
from polyhead.nets.heads.segment import Segment
from polyhead.nets.heads.towers import SSDTower
from polyhead.nets.losses import hard_negative_ce, smooth_l1
from polyhead.nets.model import Model
from polyhead.nets.necks.fuse import Fuse
from polyhead.nets.necks.trunk import SharedStem


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
    """Build a unified network: segmentation, detection and classification on one shared map of stride 16.

    The levels of strides 16 and 32 are fused and go through the shared stem. Each task adds only one or two output
    layers. With EfficientNet-B0 and 10, 21 and 10 classes the network has 7.7 million parameters.

    Args:
        heads: kind of each task: ``{task: kind}``.
        backbone: timm's name of the backbone.
        weights: weights of the backbone: None, ``"hub"`` or a file (:class:`~polyhead.nets.backbones.timm.Timm`).
        size: side of the square images in pixels.
        last_conv: whether the level of stride 32 goes through the backbone's convolution before its classifier; None
            uses it if the backbone has one.
        middle: channels between the two fusion convolutions.
        width: channels of the shared stem.
        depth: number of 3x3 convolutions in the shared stem.
        residual: the shared stem adds to its input instead of replacing it.
        shortcut: lets later tasks bypass the fusion layers (:class:`~polyhead.nets.necks.fuse.Fuse`).
        mean: mean of each color channel that the weights expect, for images in 0..1; None reads it from the weights
            file or timm.
        std: standard deviation of each color channel, likewise.
    """
    kinds: dict[str, HeadFactory] = {
        "segment": Segment,
        "detect": partial(grid_head, smallest=0.1 * size / 16),
        "classify": partial(Classify, dropout=0.2),
    }
    timm = Timm(backbone, weights, (16, 32), last_conv=last_conv, mean=mean, std=std)
    necks: list[NeckFactory] = [
        partial(Fuse, middle=middle, width=width, shortcut=shortcut),
        partial(SharedStem, depth=depth, residual=residual),
    ]
    return Model(timm, necks, {task: kinds[kind] for task, kind in heads.items()}, (size, size))


def grid_head(
    channels: list[int], strides: list[int], names: list[str], *, smallest: float, suppress: NMS = class_nms
) -> Dense:
    """Build a detection head on a single grid, as in YOLOv2 (Redmon & Farhadi 2017, section 2), with SSD's losses.

    Its layers are two 1x1 convolutions. Its anchors have five scales, from ``smallest`` cells to 6.3 times as large, in
    three aspect ratios.
    """
    return Dense(
        channels,
        strides,
        names,
        anchors=ScaledAnchors(len(channels), smallest, octaves=5, span=10.0),
        tower=partial(SSDTower, squeeze=128),
        coder=DeltaCoder(center_variance=0.1, size_variance=0.2),
        matcher=partial(by_iou, high=0.5, low=0.5, force_best=True),
        losses={"box": (1.0, smooth_l1), "class": (1.0, hard_negative_ce)},
        scores=softmax_scores,
        suppress=suppress,
    )
