"""SSD (Liu et al. 2016, "SSD: Single Shot MultiBox Detector")."""

from collections.abc import Sequence
from functools import partial
from math import log
from typing import Literal

from polyhead.boxes.anchors import DefaultBoxes
from polyhead.boxes.coders import DeltaCoder
from polyhead.boxes.matching import by_iou
from polyhead.boxes.nms import MAX_DETECTIONS, NMS, class_nms, soft_nms, up_to
from polyhead.contracts.network import NeckFactory
from polyhead.models.backbones import AnyBackbone, backbone_of
from polyhead.models.heads import Heads, head_factories
from polyhead.nets.heads.dense import Dense, softmax_scores
from polyhead.nets.heads.towers import SSDTower
from polyhead.nets.losses import hard_negative_ce, smooth_l1
from polyhead.nets.model import OTHERS, Model
from polyhead.nets.necks.fpn import Fpn
from polyhead.nets.necks.ssd_extras import SsdExtras
from polyhead.types import PyramidSpec, TaskInfo


def ssd300(
    backbone: AnyBackbone = "resnet50",
    weights: str | None = None,
    size: int = 300,
    *,
    heads: Heads | None = None,
    width: int = 256,
    depth: int = 0,
    smallest: float = 0.15,
    neck: Literal["extras", "fpn"] = "extras",
    nms: Literal["hard", "soft"] = "hard",
    max_detections: int = MAX_DETECTIONS,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Model:
    """Build SSD (Liu et al. 2016, "SSD: Single Shot MultiBox Detector") on any backbone.

    Args:
        backbone: timm's name of the backbone, of which the levels of strides 8, 16 and 32 are used; or a module or the
            factory of one.
        weights: weights of the backbone: None, ``"hub"`` or a file (:class:`~polyhead.nets.backbones.timm.Timm`).
        size: side of the square images in pixels; the paper uses 300 and 512.
        heads: heads of other kinds, ``{task: head}``: a short name (:data:`~polyhead.models.heads.HEADS`) or a factory;
            tasks that are not named get SSD's.
        width: channels of every input level of the head.
        depth: number of additional 3x3 convolutions in the head, for each level.
        smallest: scale of the default boxes of the second level, as a fraction of the image; the first level has half
            of it, the last level 0.9. Use a larger value for larger objects: they are then detected on finer levels,
            which have more boxes.
        neck: ``"extras"`` adds coarser levels to the backbone's, ``"fpn"`` also adds features of coarse levels to finer
            ones.
        nms: ``"hard"`` drops overlapping boxes, ``"soft"`` lowers their scores.
        max_detections: largest number of boxes that are predicted for an image; more take more time and memory.
        mean: mean of each color channel that the weights expect, for images in 0..1; None reads it from the weights
            file or timm.
        std: standard deviation of each color channel, likewise.
    """
    net = backbone_of(backbone, weights, mean=mean, std=std)
    necks: list[NeckFactory] = [partial(SsdExtras, size=(size, size), width=width)]
    if neck == "fpn":
        necks.append(partial(Fpn, width=width))
    suppress: NMS = up_to(max_detections, soft_nms if nms == "soft" else class_nms)
    head = partial(SsdHead, depth=depth, smallest=smallest, suppress=suppress)
    return Model(net, necks, {**head_factories(heads, size, {"ssd": head}), OTHERS: head}, (size, size))


class SsdHead(Dense):
    """SSD's head: a dense head with SSD's seven components (sections 2.1 to 2.3).

    The aspect ratios are those of the paper: 4 boxes per cell on the first and the last two levels, 6 on the others.

    Args:
        spec: channels and strides of the pyramid's levels; all of them are used.
        info: what is known of the task's data.
        depth: number of additional 3x3 convolutions for each level.
        smallest: scale of the default boxes of the second level, as a fraction of the image.
        suppress: selects detections from the boxes and scores of all anchors.
    """

    def __init__(
        self,
        spec: PyramidSpec,
        info: TaskInfo,
        *,
        depth: int = 0,
        smallest: float = 0.15,
        suppress: NMS = class_nms,
    ) -> None:
        levels = len(spec.strides)
        ratios = [(2.0,) if level == 0 or level >= levels - 2 else (2.0, 3.0) for level in range(levels)]
        super().__init__(
            spec,
            info,
            anchors=DefaultBoxes(ratios, smallest),
            tower=partial(SSDTower, depth=depth),
            coder=DeltaCoder(center_variance=0.1, size_variance=0.2),
            matcher=partial(by_iou, high=0.5, low=0.5, force_best=True),
            losses={"box": (1.0, smooth_l1), "class": (1.0, hard_negative_ce)},
            scores=softmax_scores,
            suppress=suppress,
        )

    def expected_losses(self) -> dict[str, float]:
        """Return the cross-entropy of a positive and of its three negatives, where all classes are equally probable."""
        return {"class": 4 * log(len(self.names) + 1)}
