"""EfficientDet (Tan, Pang & Le 2020, "EfficientDet: Scalable and Efficient Object Detection")."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

from polyhead.boxes.anchors import ScaledAnchors
from polyhead.boxes.coders import Offsets
from polyhead.boxes.matching import by_iou
from polyhead.boxes.nms import Suppress, per_class
from polyhead.errors import PolyheadError, suggest
from polyhead.nets.backbones.timm import Timm
from polyhead.nets.heads.dense import Dense, sigmoid_scores
from polyhead.nets.heads.towers import SharedTower
from polyhead.nets.losses import ciou, focal, huber
from polyhead.nets.model import Model
from polyhead.nets.necks.bifpn import Bifpn

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
        label_smoothing: of the classes (:func:`~polyhead.nets.losses.focal`).
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
