"""One function a paper; each reads like the paper's table."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

from polyhead.boxes.anchors import DefaultBoxes, ScaledAnchors
from polyhead.boxes.coders import Offsets
from polyhead.boxes.matching import by_iou
from polyhead.boxes.nms import Suppress, per_class, soft
from polyhead.errors import PolyheadError, suggest
from polyhead.losses import ciou, focal, hard_negative_ce, huber, smooth_l1
from polyhead.nets.backbones.timm import Timm
from polyhead.nets.base import HeadFactory, NeckFactory
from polyhead.nets.heads.classify import Classify
from polyhead.nets.heads.dense import Dense, sigmoid_scores, softmax_scores
from polyhead.nets.heads.segment import Segment
from polyhead.nets.heads.towers import SharedTower, SoftmaxTower
from polyhead.nets.model import Model
from polyhead.nets.necks.bifpn import Bifpn
from polyhead.nets.necks.fpn import Fpn
from polyhead.nets.necks.fuse import Fuse
from polyhead.nets.necks.ssd_extras import SsdExtras
from polyhead.nets.necks.trunk import Trunk


def ssd300(
    backbone: str = "resnet50",
    weights: str | None = None,
    size: int = 300,
    *,
    width: int = 256,
    depth: int = 0,
    smallest: float = 0.15,
    neck: Literal["extras", "fpn"] = "extras",
    nms: Literal["hard", "soft"] = "hard",
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Model:
    """SSD (Liu et al. 2016, "SSD: Single Shot MultiBox Detector") on any timm backbone.

    Args:
        backbone: timm's name of the backbone; its levels of strides 8, 16 and 32 are used.
        weights: of the backbone: None, ``"hub"`` or a file (:class:`~polyhead.nets.backbones.timm.Timm`).
        size: side of the square pictures in pixels; the paper has 300 and 512.
        width: channels of every level that the head sees.
        depth: further 3x3 convolutions in the head, a level.
        smallest: scale of the default boxes of the second level, as a fraction of the picture; the first has half of
            it, those of the last are 0.9. Larger objects want more: they are then found on finer, denser levels.
        neck: ``"fpn"`` lets coarse levels inform fine ones, after the extra levels were added.
        nms: ``"soft"`` lowers the scores of overlapped boxes instead of leaving them out.
        mean: of the weights' pictures in 0..1; None where the file or timm tells it.
        std: likewise.
    """
    timm = Timm(backbone, weights, mean=mean, std=std)
    necks: list[NeckFactory] = [partial(SsdExtras, size=(size, size), width=width)]
    if neck == "fpn":
        necks.append(partial(Fpn, width=width))
    suppress: Suppress = soft if nms == "soft" else per_class
    return Model(timm, necks, partial(ssd_head, depth=depth, smallest=smallest, suppress=suppress), (size, size))


def ssd_head(
    channels: list[int],
    strides: list[int],
    names: list[str],
    *,
    depth: int = 0,
    smallest: float = 0.15,
    suppress: Suppress = per_class,
) -> Dense:
    """SSD's seven words (sections 2.1 to 2.3), with the paper's aspect ratios: 4 boxes a cell at both ends, else 6."""
    levels = len(channels)
    ratios = [(2.0,) if level == 0 or level >= levels - 2 else (2.0, 3.0) for level in range(levels)]
    return Dense(
        channels,
        strides,
        names,
        anchors=DefaultBoxes(ratios, smallest),
        tower=partial(SoftmaxTower, depth=depth),
        coder=Offsets(centre=0.1, side=0.2),
        matcher=partial(by_iou, high=0.5, low=0.5, force_best=True),
        losses={"box": (1.0, smooth_l1), "class": (1.0, hard_negative_ce)},
        scores=softmax_scores,
        suppress=suppress,
    )


SCALES = {
    "d0": ("efficientnet_b0", 512, 64, 3, 3),
    "d1": ("efficientnet_b1", 640, 88, 4, 3),
    "d2": ("efficientnet_b2", 768, 112, 5, 3),
    "d3": ("efficientnet_b3", 896, 160, 6, 4),
    "d4": ("efficientnet_b4", 1024, 224, 7, 4),
    "d5": ("efficientnet_b5", 1280, 288, 7, 4),
    "d6": ("efficientnet_b6", 1280, 384, 8, 5),
    "d7": ("efficientnet_b6", 1536, 384, 8, 5),
}
"""Backbone, size, width, repeats and depth of each EfficientDet (the paper's table 1).

The authors' code departs from it at the top: d6 and d7 sum levels without weights, and d7's anchors have scale 5.
"""


def efficientdet(
    backbone: str | None = None,
    weights: str | None = None,
    size: int | str | None = None,
    *,
    scale: Literal["d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7"] = "d0",
    width: int | None = None,
    repeats: int | None = None,
    depth: int | None = None,
    anchor_scale: float = 4.0,
    loss: Literal["huber", "ciou"] = "huber",
    label_smoothing: float = 0.0,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Model:
    """EfficientDet (Tan, Pang & Le 2020, "EfficientDet: Scalable and Efficient Object Detection") on any timm backbone.

    Args:
        backbone: timm's name of the backbone; its levels of strides 8, 16 and 32 are used. None for the scale's own.
        weights: of the backbone: None, ``"hub"`` or a file (:class:`~polyhead.nets.backbones.timm.Timm`).
        size: side of the square pictures in pixels, or the name of a scale. None for the scale's own, and so with the
            width, repeats and depth.
        scale: from the smallest, ``d0``, to the largest, ``d7``; each doubles, roughly, the cost of the one before.
        width: channels of every level in neck and head.
        repeats: layers of the neck.
        depth: convolutions of the head's nets before the last.
        anchor_scale: side of a level's smallest square box, in cells; small objects want less.
        loss: of the boxes: ``"huber"`` on their codes, as in the paper's code, or ``"ciou"`` on the boxes themselves.
        label_smoothing: of the classes (:func:`~polyhead.losses.focal`).
        mean: of the weights' pictures in 0..1; None where the file or timm tells it.
        std: likewise.
    """
    wanted: str = size if isinstance(size, str) else scale
    if wanted not in SCALES:
        raise PolyheadError(f"efficientdet: there is no scale {wanted!r}{suggest(wanted, SCALES)}")
    usual, *numbers = SCALES[wanted]
    size = None if isinstance(size, str) else size
    given = zip((size, width, repeats, depth), numbers, strict=True)
    side, width, repeats, depth = (own if value is None else value for value, own in given)
    head = partial(
        efficientdet_head, depth=depth, anchor_scale=anchor_scale, loss=loss, label_smoothing=label_smoothing
    )
    neck = partial(Bifpn, width=width, repeats=repeats)
    return Model(Timm(backbone or usual, weights, mean=mean, std=std), [neck], head, (side, side))


def efficientdet_head(
    channels: list[int],
    strides: list[int],
    names: list[str],
    *,
    depth: int = 3,
    anchor_scale: float = 4.0,
    loss: Literal["huber", "ciou"] = "huber",
    label_smoothing: float = 0.0,
    suppress: Suppress = per_class,
) -> Dense:
    """EfficientDet's seven words; what the paper leaves open (matching at 0.5, weights of losses) is its code's.

    Only CIoU's weight is not from there: it is that of the IoU loss in ATSS (Zhang et al. 2020), beside focal loss too.
    """
    return Dense(
        channels,
        strides,
        names,
        anchors=ScaledAnchors(len(channels), anchor_scale),
        tower=partial(SharedTower, depth=depth),
        coder=Offsets(),
        matcher=partial(by_iou, high=0.5, low=0.5, force_best=True),
        losses={
            "box": (50.0, huber) if loss == "huber" else (2.0, ciou),
            "class": (1.0, partial(focal, label_smoothing=label_smoothing)),
        },
        scores=sigmoid_scores,
        suppress=suppress,
    )


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


def classifier(
    backbone: str = "resnet50",
    weights: str | None = None,
    size: int = 224,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Model:
    """One class a picture: a timm backbone's last level, averaged, and a linear layer.

    Args:
        backbone: timm's name of the backbone.
        weights: of the backbone: None, ``"hub"`` or a file (:class:`~polyhead.nets.backbones.timm.Timm`).
        size: side of the square pictures in pixels.
        mean: of the weights' pictures in 0..1; None where the file or timm tells it.
        std: likewise.
    """
    return Model(Timm(backbone, weights, (32,), mean=mean, std=std), [], Classify, (size, size))
