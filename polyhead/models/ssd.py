"""SSD (Liu et al. 2016, "SSD: Single Shot MultiBox Detector")."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

from polyhead.boxes.anchors import DefaultBoxes
from polyhead.boxes.coders import Offsets
from polyhead.boxes.matching import by_iou
from polyhead.boxes.nms import Suppress, per_class, soft
from polyhead.contracts.network import NeckFactory
from polyhead.nets.backbones.timm import Timm
from polyhead.nets.heads.dense import Dense, softmax_scores
from polyhead.nets.heads.towers import SoftmaxTower
from polyhead.nets.losses import hard_negative_ce, smooth_l1
from polyhead.nets.model import Model
from polyhead.nets.necks.fpn import Fpn
from polyhead.nets.necks.ssd_extras import SsdExtras


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
