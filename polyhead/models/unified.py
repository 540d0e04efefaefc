"""A unified network for segmentation, detection and classification, whose tasks share nearly all layers."""

from collections.abc import Sequence
from functools import partial

from polyhead.boxes.anchors import ScaledAnchors
from polyhead.boxes.coders import DeltaCoder
from polyhead.boxes.matching import by_iou
from polyhead.boxes.nms import MAX_DETECTIONS, NMS, class_nms, up_to
from polyhead.contracts.network import HeadFactory, NeckFactory
from polyhead.errors import SettingError
from polyhead.models.backbones import AnyBackbone, backbone_of
from polyhead.models.heads import Heads, head_factories
from polyhead.models.unified_yolox import BACKBONES, unified_yolox
from polyhead.nets.heads.classify import Classify
from polyhead.nets.heads.dense import Dense, softmax_scores
from polyhead.nets.heads.towers import SSDTower
from polyhead.nets.losses import hard_negative_ce, smooth_l1
from polyhead.nets.model import Model
from polyhead.nets.necks.fuse import Fuse
from polyhead.nets.necks.trunk import SharedStem
from polyhead.nets.pyramids import level_at
from polyhead.types import PyramidSpec, TaskInfo


def unified(
    heads: Heads,
    backbone: AnyBackbone = "efficientnet_b0",
    weights: str | None = None,
    size: int = 512,
    *,
    last_conv: bool | None = None,
    middle: int = 512,
    width: int = 256,
    depth: int = 3,
    residual: bool = False,
    shortcut: bool = False,
    max_detections: int = MAX_DETECTIONS,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Model:
    """Build a unified network: segmentation, detection and classification on one shared map of stride 16.

    The levels of strides 16 and 32 are fused and go through the shared stem. Each task adds only one or two output
    layers. With EfficientNet-B0 and 10, 21 and 10 classes the network has 7.7 million parameters.

    Args:
        heads: head of each task, ``{task: head}``: ``segment``, ``detect`` or ``classify``; or another short name
            (:data:`~polyhead.models.heads.HEADS`) or a factory.
        backbone: timm's name of the backbone, of which the levels of strides 16 and 32 are used; or a module, or the
            factory of one, of which the last two levels are used. ``yolox_nano`` to ``yolox_x`` share the necks and the
            convolutions of YOLOX's head instead of a map of stride 16 (:mod:`polyhead.models.unified_yolox`); settings
            from ``last_conv`` to ``shortcut``, ``mean`` and ``std`` are not theirs.
        weights: weights of the backbone: None, ``"hub"`` or a file (:class:`~polyhead.nets.backbones.timm.Timm`); with
            YOLOX, the name of official weights or their file.
        size: side of the square images in pixels.
        last_conv: whether the level of stride 32 goes through the backbone's convolution before its classifier; None
            uses it if the backbone has one.
        middle: channels between the two fusion convolutions.
        width: channels of the shared stem.
        depth: number of 3x3 convolutions in the shared stem.
        residual: the shared stem adds to its input instead of replacing it.
        shortcut: lets later tasks bypass the fusion layers (:class:`~polyhead.nets.necks.fuse.Fuse`).
        max_detections: largest number of boxes that are predicted for an image; more take more time and memory.
        mean: mean of each color channel that the weights expect, for images in 0..1; None reads it from the weights
            file or timm.
        std: standard deviation of each color channel, likewise.

    Raises:
        SettingError: if YOLOX gets a setting that it does not have.
    """
    if isinstance(backbone, str) and backbone in BACKBONES:
        given = {"last_conv": last_conv, "residual": residual, "shortcut": shortcut, "mean": mean, "std": std}
        for name in (name for name, value in given.items() if value):
            raise SettingError(f"{name}: the backbone {backbone} does not have this setting. Remove it.")
        return unified_yolox(heads, backbone, weights, size, max_detections)
    net = backbone_of(backbone, weights, (16, 32), last_conv=last_conv, mean=mean, std=std)
    necks: list[NeckFactory] = [
        partial(Fuse, middle=middle, width=width, shortcut=shortcut),
        partial(SharedStem, depth=depth, residual=residual),
    ]
    own: dict[str, HeadFactory] = {
        "classify": partial(Classify, dropout=0.2),
        "detect": partial(GridHead, smallest=0.1 * size, suppress=up_to(max_detections, class_nms)),
    }
    factories = head_factories(heads, size, own)
    return Model(net, necks, factories, (size, size))


class GridHead(Dense):
    """A detection head on a single grid, as in YOLOv2 (Redmon & Farhadi 2017, section 2), with SSD's losses.

    Its layers are two 1x1 convolutions. Its anchors have five scales, from ``smallest`` to 6.3 times as large, in three
    aspect ratios.

    Args:
        spec: channels and strides of the pyramid's levels; that of stride 16 is used, or the last one if there is none.
        info: what is known of the task's data.
        smallest: side of the smallest square anchor in pixels.
        suppress: selects detections from the boxes and scores of all anchors.
    """

    def __init__(self, spec: PyramidSpec, info: TaskInfo, *, smallest: float = 51.2, suppress: NMS = class_nms) -> None:
        level = level_at(spec, 16)
        super().__init__(
            spec,
            info,
            levels=[level],
            anchors=ScaledAnchors(1, smallest / spec.strides[level], octaves=5, span=10.0),
            tower=partial(SSDTower, squeeze=128),
            coder=DeltaCoder(center_variance=0.1, size_variance=0.2),
            matcher=partial(by_iou, high=0.5, low=0.5, force_best=True),
            losses={"box": (1.0, smooth_l1), "class": (1.0, hard_negative_ce)},
            scores=softmax_scores,
            suppress=suppress,
        )
