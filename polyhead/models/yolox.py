"""YOLOX (Ge et al. 2021, "YOLOX: Exceeding YOLO Series in 2021")."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from polyhead.boxes.anchors import Cells
from polyhead.boxes.coders import DeltaCoder
from polyhead.boxes.nms import MAX_DETECTIONS, NMS, class_nms, up_to
from polyhead.boxes.simota import simota
from polyhead.contracts.network import Backbone, BackboneFactory, HeadFactory
from polyhead.errors import PolyheadError, suggest
from polyhead.models.backbones import AnyBackbone, backbone_of
from polyhead.models.heads import Heads, head_factories
from polyhead.models.yolox_weights import Official, fill_trunk, head_from, read_official
from polyhead.nets.backbones.csp_darknet import CspDarknet
from polyhead.nets.heads.decoupled import DecoupledTower, OutputTower
from polyhead.nets.heads.dense import Dense
from polyhead.nets.model import OTHERS, Model
from polyhead.nets.necks.pafpn import Pafpn
from polyhead.nets.object_losses import class_by_iou, late_l1, object_scores, objectness, squared_iou
from polyhead.paths import WEIGHTS, find
from polyhead.types import PyramidSpec, TaskInfo


class Scale(NamedTuple):
    """The size of a network.

    Attributes:
        depth: number of bottlenecks, relative to YOLOX-l.
        width: channels, relative to YOLOX-l.
        depthwise: whether 3x3 convolutions are separable.
        size: side of the square images in pixels.
    """

    depth: float
    width: float
    depthwise: bool
    size: int


SCALES = {
    "nano": Scale(0.33, 0.25, True, 416),
    "tiny": Scale(0.33, 0.375, False, 416),
    "s": Scale(0.33, 0.5, False, 640),
    "m": Scale(0.67, 0.75, False, 640),
    "l": Scale(1.0, 1.0, False, 640),
    "x": Scale(1.33, 1.25, False, 640),
}
"""The official networks."""

nms_of_yolox: NMS = partial(class_nms, score_threshold=0.001, iou_threshold=0.65)
"""The suppression with which the published scores were computed."""


def yolox(
    backbone: AnyBackbone | None = None,
    weights: str | None = None,
    size: int | None = None,
    *,
    heads: Heads | None = None,
    scale: str = "nano",
    l1_from: float = 0.95,
    max_detections: int = MAX_DETECTIONS,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Model:
    """Build YOLOX (Ge et al. 2021, "YOLOX: Exceeding YOLO Series in 2021").

    With official weights (``weights="yolox_nano"``), the head of each task starts from what they know: the rows of the
    classes whose names are among COCO's (:func:`~polyhead.contracts.class_names.same_classes`), and all other layers.
    The network then reads images as these weights expect, which ``transforms: yolox`` prepares.

    Args:
        backbone: None for the network's own, CSPDarknet; else timm's name of another one, of which the levels of
            strides 8, 16 and 32 are used; or a module or the factory of one.
        weights: without ``backbone``, None, the name of official weights (``yolox_nano``), or their file (``.pth`` or
            safetensors); with one, the weights of the backbone (:class:`~polyhead.nets.backbones.timm.Timm`).
        size: side of the square images in pixels, a multiple of 32. None uses the scale's.
        heads: heads of other kinds, ``{task: head}``: a short name (:data:`~polyhead.models.heads.HEADS`) or a factory;
            tasks that are not named get YOLOX's.
        scale: ``nano``, ``tiny``, ``s``, ``m``, ``l`` or ``x``, from the smallest to the largest.
        l1_from: fraction of a stage's steps from which the absolute errors of the boxes are a loss too.
        max_detections: largest number of boxes that are predicted for an image; more take more time and memory.
        mean: mean of each color channel that the weights of another backbone expect, for images in 0..1.
        std: standard deviation of each color channel, likewise.

    Raises:
        PolyheadError: if there is no such scale, or the weights do not exist or are of another network.
    """
    if scale not in SCALES:
        raise PolyheadError(f"yolox: there is no scale {scale!r}{suggest(scale, SCALES)}")
    depth, width, depthwise, side = SCALES[scale]
    side = side if size is None else size
    neck = partial(Pafpn, depth=depth, depthwise=depthwise)
    head: HeadFactory = partial(
        YoloxHead,
        width=int(256 * width),
        depthwise=depthwise,
        l1_from=l1_from,
        suppress=up_to(max_detections, nms_of_yolox),
    )
    net: Backbone | BackboneFactory
    official: Official | None = None
    build = head
    if backbone is not None:
        net = backbone_of(backbone, weights, mean=mean, std=std)
    else:
        net = CspDarknet(width, depth, depthwise=depthwise)
        if weights is not None:
            official = read_official(find(weights, WEIGHTS))
            build = partial(head_from, head, official)
    model = Model(net, [neck], {**head_factories(heads, side, {"yolox": build}), OTHERS: build}, (side, side))
    if official is not None:
        fill_trunk(model, head, official, f"YOLOX-{scale}")
    return model


class YoloxHead(Dense):
    """YOLOX's head: a dense head without anchor boxes, whose cells are matched by what they predict.

    Args:
        spec: channels and strides of the pyramid's levels; all of them are used.
        info: what is known of the task's data.
        width: channels of its convolutions.
        depthwise: whether its 3x3 convolutions are separable.
        outputs_only: whether it has the output layers alone, because the neck has its convolutions
            (:class:`~polyhead.nets.necks.towers.Towers`).
        l1_from: fraction of a stage's steps from which the absolute errors of the boxes are a loss too.
        suppress: selects detections from the boxes and scores of all cells.
    """

    def __init__(
        self,
        spec: PyramidSpec,
        info: TaskInfo,
        *,
        width: int = 256,
        depthwise: bool = False,
        outputs_only: bool = False,
        l1_from: float = 0.95,
        suppress: NMS = nms_of_yolox,
    ) -> None:
        tower = partial(DecoupledTower, depthwise=depthwise)
        super().__init__(
            spec,
            info,
            anchors=Cells(len(spec.strides)),
            tower=partial(OutputTower if outputs_only else tower, width=width),
            coder=DeltaCoder(),
            matcher=simota,
            losses={
                "box": (5.0, squared_iou),
                "object": (1.0, objectness),
                "class": (1.0, class_by_iou),
                "l1": (1.0, partial(late_l1, start=l1_from)),
            },
            scores=object_scores,
            suppress=suppress,
        )
