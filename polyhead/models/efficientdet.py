"""EfficientDet (Tan, Pang & Le 2020, "EfficientDet: Scalable and Efficient Object Detection")."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

from polyhead.boxes.anchors import ScaledAnchors
from polyhead.boxes.coders import DeltaCoder
from polyhead.boxes.matching import by_iou
from polyhead.boxes.nms import MAX_DETECTIONS, NMS, class_nms, up_to
from polyhead.errors import PolyheadError, suggest
from polyhead.models.backbones import AnyBackbone, backbone_of
from polyhead.models.heads import Heads, head_factories
from polyhead.nets.heads.dense import Dense, sigmoid_scores
from polyhead.nets.heads.towers import EfficientDetTower
from polyhead.nets.losses import ciou, focal, huber
from polyhead.nets.model import OTHERS, Model
from polyhead.nets.necks.bifpn import Bifpn
from polyhead.types import PyramidSpec, TaskInfo

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

The authors' code differs for the largest ones: d6 and d7 add levels without weights, and d7's anchors have scale 5.
"""


def efficientdet(
    backbone: AnyBackbone | None = None,
    weights: str | None = None,
    size: int | str | None = None,
    *,
    heads: Heads | None = None,
    scale: Literal["d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7"] = "d0",
    width: int | None = None,
    repeats: int | None = None,
    depth: int | None = None,
    anchor_scale: float = 4.0,
    loss: Literal["huber", "ciou"] = "huber",
    label_smoothing: float = 0.0,
    max_detections: int = MAX_DETECTIONS,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Model:
    """Build EfficientDet on any backbone.

    See Tan, Pang & Le 2020, "EfficientDet: Scalable and Efficient Object Detection".

    Args:
        backbone: timm's name of the backbone, of which the levels of strides 8, 16 and 32 are used; or a module or the
            factory of one. None uses the scale's.
        weights: weights of the backbone: None, ``"hub"`` or a file (:class:`~polyhead.nets.backbones.timm.Timm`).
        size: side of the square images in pixels, or the name of a scale. None uses the scale's.
        heads: heads of other kinds, ``{task: head}``: a short name (:data:`~polyhead.models.heads.HEADS`) or a factory;
            tasks that are not named get EfficientDet's.
        scale: from ``d0``, the smallest, to ``d7``, the largest; each costs roughly twice as much as the one before.
        width: channels of every level in neck and head. None uses the scale's.
        repeats: number of layers of the neck. None uses the scale's.
        depth: number of convolutions in the head's box and class nets before the last. None uses the scale's.
        anchor_scale: side of the smallest square anchor of a level, in cells; use a smaller value for small objects.
        loss: box loss: ``"huber"`` on the deltas, as in the paper's code, or ``"ciou"`` on the decoded boxes.
        label_smoothing: label smoothing of the classes (:func:`~polyhead.nets.losses.focal`).
        max_detections: largest number of boxes that are predicted for an image; more take more time and memory.
        mean: mean of each color channel that the weights expect, for images in 0..1; None reads it from the weights
            file or timm.
        std: standard deviation of each color channel, likewise.
    """
    name: str = size if isinstance(size, str) else scale
    if name not in SCALES:
        raise PolyheadError(f"efficientdet: there is no scale {name!r}{suggest(name, SCALES)}")
    default_backbone, *defaults = SCALES[name]
    size = None if isinstance(size, str) else size
    given = zip((size, width, repeats, depth), defaults, strict=True)
    side, width, repeats, depth = (default if value is None else value for value, default in given)
    head = partial(
        EfficientDetHead,
        depth=depth,
        anchor_scale=anchor_scale,
        loss=loss,
        label_smoothing=label_smoothing,
        suppress=up_to(max_detections, class_nms),
    )
    neck = partial(Bifpn, width=width, repeats=repeats)
    factories = head_factories(heads, side, {"efficientdet": head})
    net = backbone_of(default_backbone if backbone is None else backbone, weights, mean=mean, std=std)
    return Model(net, [neck], {**factories, OTHERS: head}, (side, side))


class EfficientDetHead(Dense):
    """EfficientDet's head: a dense head with EfficientDet's seven components.

    What the paper does not specify (matching at 0.5, weights of the losses) follows the authors' code, except for the
    weight of CIoU: it is that of the IoU loss in ATSS (Zhang et al. 2020), which is combined with focal loss too.

    Args:
        spec: channels and strides of the pyramid's levels; all of them are used, and must have the same channels.
        info: what is known of the task's data.
        depth: number of convolutions in the box and class nets before the last.
        anchor_scale: side of the smallest square anchor of a level, in cells.
        loss: box loss.
        label_smoothing: label smoothing of the classes.
        suppress: selects detections from the boxes and scores of all anchors.
    """

    def __init__(
        self,
        spec: PyramidSpec,
        info: TaskInfo,
        *,
        depth: int = 3,
        anchor_scale: float = 4.0,
        loss: Literal["huber", "ciou"] = "huber",
        label_smoothing: float = 0.0,
        suppress: NMS = class_nms,
    ) -> None:
        super().__init__(
            spec,
            info,
            anchors=ScaledAnchors(len(spec.strides), anchor_scale),
            tower=partial(EfficientDetTower, depth=depth),
            coder=DeltaCoder(),
            matcher=partial(by_iou, high=0.5, low=0.5, force_best=True),
            losses={
                "box": (50.0, huber) if loss == "huber" else (2.0, ciou),
                "class": (1.0, partial(focal, label_smoothing=label_smoothing)),
            },
            scores=sigmoid_scores,
            suppress=suppress,
        )
