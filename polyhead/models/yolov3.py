"""YOLOv3 and YOLOv3-tiny (Redmon & Farhadi 2018, "YOLOv3: An Incremental Improvement")."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch

from polyhead.boxes.anchors import Priors
from polyhead.boxes.coders import CellCoder
from polyhead.boxes.nms import MAX_DETECTIONS, NMS, class_nms, up_to
from polyhead.boxes.priors import cluster_sizes
from polyhead.boxes.shape_matching import by_shape
from polyhead.contracts.network import Backbone, BackboneFactory, HeadFactory, NeckFactory
from polyhead.errors import SettingError, suggest
from polyhead.models.backbones import AnyBackbone, backbone_of
from polyhead.models.heads import Heads, head_factories
from polyhead.models.yolov3_weights import fill_model, head_from
from polyhead.nets.backbones.darknet import Darknet53, DarknetTiny
from polyhead.nets.darknet_files import read_values
from polyhead.nets.heads.dense import Dense
from polyhead.nets.heads.yolo_tower import YoloTower
from polyhead.nets.losses import ciou
from polyhead.nets.model import OTHERS, Model
from polyhead.nets.necks.yolo import TinyNeck, YoloNeck
from polyhead.nets.object_losses import class_entropy, object_scores, objectness
from polyhead.paths import WEIGHTS, find
from polyhead.types import PyramidSpec, TaskInfo

COCO_PRIORS: list[tuple[float, float]] = [
    *((10.0, 13.0), (16.0, 30.0), (33.0, 23.0)),
    *((30.0, 61.0), (62.0, 45.0), (59.0, 119.0)),
    *((116.0, 90.0), (156.0, 198.0), (373.0, 326.0)),
]
"""Width and height in pixels of the paper's priors, on images of 416 pixels."""
TINY_PRIORS: list[tuple[float, float]] = [
    *((10.0, 14.0), (23.0, 27.0), (37.0, 58.0)),
    *((81.0, 82.0), (135.0, 169.0), (344.0, 319.0)),
]
"""The same of YOLOv3-tiny."""
SIZE = 416
"""Side of the square images for which those are made."""
BOX_WEIGHT = 1.0
"""Weight of the box loss; more slows down the learning of the classes (docs/LOG.md)."""
PER_CELL = 3
"""Priors of each cell."""

Anchors = str | list[tuple[float, float]]
"""``auto``: from the training boxes; ``coco``: the paper's; or widths and heights in pixels, smallest first."""

nms_of_yolov3: NMS = partial(class_nms, score_threshold=0.005, iou_threshold=0.45)
"""The suppression of Darknet's own evaluation."""


def yolov3(
    backbone: AnyBackbone | None = None,
    weights: str | None = None,
    size: int = SIZE,
    *,
    heads: Heads | None = None,
    width: float = 1.0,
    depth: float = 1.0,
    anchors: Anchors | None = None,
    best_only: bool = False,
    max_detections: int = MAX_DETECTIONS,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Model:
    """Build YOLOv3 (Redmon & Farhadi 2018, "YOLOv3: An Incremental Improvement").

    Args:
        backbone: None for the network's own, Darknet-53; else timm's name of another one, of which the levels of
            strides 8, 16 and 32 are used; or a module or the factory of one.
        weights: without ``backbone``, None or a Darknet file: a full one (``yolov3.weights``), from which the head
            reuses what it knows of the classes, or one of the backbone (``darknet53.conv.74``). With one, the weights
            of the backbone (:class:`~polyhead.nets.backbones.timm.Timm`).
        size: side of the square images in pixels, a multiple of 32.
        heads: heads of other kinds, ``{task: head}``: a short name (:data:`~polyhead.models.heads.HEADS`) or a factory;
            tasks that are not named get YOLOv3's.
        width: channels relative to the paper's.
        depth: residual blocks relative to the paper's.
        anchors: sizes of the priors: ``auto`` clusters the training boxes, ``coco`` uses the paper's, or nine pairs of
            width and height in pixels, smallest first. None is ``coco`` with a full file of weights, else ``auto``.
        best_only: a target is predicted by the prior of the most similar shape only, as in the paper, instead of by all
            with a shape IoU above .3.
        max_detections: largest number of boxes that are predicted for an image; more take more time and memory.
        mean: mean of each color channel that the weights of another backbone expect, for images in 0..1.
        std: standard deviation of each color channel, likewise.

    Raises:
        PolyheadError: if the weights do not exist or are of another network.
        SettingError: if there are not nine priors.
    """
    net = Darknet53(width, depth) if backbone is None else backbone_of(backbone, weights, mean=mean, std=std)
    neck: NeckFactory = partial(YoloNeck, width=2 * max(1, round(64 * width)))
    head = partial(Yolov3Head, best_only=best_only, suppress=up_to(max_detections, nms_of_yolov3), size=size)
    file = weights if backbone is None else None
    return _model(Parts(net, neck, head, COCO_PRIORS, "YOLOv3"), file, size, heads, anchors)


def yolov3_tiny(
    weights: str | None = None,
    size: int = SIZE,
    *,
    heads: Heads | None = None,
    width: float = 1.0,
    anchors: Anchors | None = None,
    best_only: bool = False,
    max_detections: int = MAX_DETECTIONS,
) -> Model:
    """Build YOLOv3-tiny, whose seven convolutions and two levels are for small computers.

    Args:
        weights: None or a Darknet file (``yolov3-tiny.weights``, ``yolov3-tiny.conv.11``); see :func:`yolov3`, as for
            the other arguments.
        size: side of the square images in pixels, a multiple of 32.
        heads: heads of other kinds.
        width: channels relative to the original's.
        anchors: sizes of the six priors.
        best_only: a target is predicted by one prior only.
        max_detections: largest number of boxes that are predicted for an image.
    """
    neck: NeckFactory = partial(TinyNeck, width=max(2, round(128 * width) * 2))
    hidden = [max(1, round(each * width)) for each in (256, 512)]
    suppress = up_to(max_detections, nms_of_yolov3)
    head = partial(Yolov3Head, best_only=best_only, suppress=suppress, hidden=hidden, size=size)
    parts = Parts(DarknetTiny(width), neck, head, TINY_PRIORS, "YOLOv3-tiny")
    return _model(parts, weights, size, heads, anchors)


class Parts(NamedTuple):
    """What the networks differ in: how their parts are built, and the published priors."""

    backbone: Backbone | BackboneFactory
    neck: NeckFactory
    head: "partial[Yolov3Head]"
    priors: Sequence[tuple[float, float]]
    name: str


def _model(parts: Parts, weights: str | None, size: int, heads: Heads | None, anchors: Anchors | None) -> Model:
    """Build a network with its priors, and load a Darknet file."""
    published = partial(parts.head, anchors=parts.priors)
    given: dict[str, HeadFactory] = {"auto": parts.head, "coco": published}
    if isinstance(anchors, str) and anchors not in given:
        raise SettingError(f"anchors: expected auto, coco or sizes, got {anchors!r}{suggest(anchors, given)}")
    if anchors is not None and not isinstance(anchors, str) and len(anchors) != len(parts.priors):
        raise SettingError(f"anchors: expected {len(parts.priors)} pairs of width and height, got {len(anchors)}")
    named = isinstance(anchors, str) or anchors is None
    head: HeadFactory = given[str(anchors or "auto")] if named else partial(parts.head, anchors=anchors)

    def factories(head: HeadFactory) -> dict[str, HeadFactory]:
        return {**head_factories(heads, size, {"yolov3": head}), OTHERS: head}

    model = Model(parts.backbone, [parts.neck], factories(head), (size, size))
    if weights is not None:
        stored = fill_model(model, published, read_values(find(weights, WEIGHTS)), parts.name)
        if stored is not None:  # a full file: its outputs are relative to the published priors
            model.head_factories = factories(partial(head_from, published if anchors is None else head, stored))
    return model


class Yolov3Head(Dense):
    """YOLOv3's head: three priors in each cell of each level, with objectness.

    Args:
        spec: channels and strides of the pyramid's levels; all of them are used.
        info: what is known of the task's data.
        anchors: width and height of the priors in pixels, smallest first, three for each level; None clusters the boxes
            of the training data.
        size: side of the images in pixels, to which the boxes of the data are scaled.
        best_only: a target is predicted by the prior of the most similar shape only.
        hidden: channels of the last but one convolution of each level; None for twice those of the level.
        suppress: selects detections from the boxes and scores of all priors.
    """

    def __init__(
        self,
        spec: PyramidSpec,
        info: TaskInfo,
        *,
        anchors: Sequence[tuple[float, float]] | None = None,
        size: int = SIZE,
        best_only: bool = False,
        hidden: Sequence[int] | None = None,
        suppress: NMS = nms_of_yolov3,
    ) -> None:
        count = PER_CELL * len(spec.strides)
        sizes = priors_of(info, count, size) if anchors is None else list(anchors)
        super().__init__(
            spec,
            info,
            anchors=Priors([sizes[first : first + PER_CELL] for first in range(0, count, PER_CELL)]),
            tower=partial(YoloTower, hidden=hidden),
            coder=CellCoder(),
            matcher=partial(by_shape, positive=None if best_only else 0.3),
            losses={"box": (BOX_WEIGHT, ciou), "object": (1.0, objectness), "class": (1.0, class_entropy)},
            scores=object_scores,
            suppress=suppress,
        )


def priors_of(info: TaskInfo, count: int, size: int) -> list[tuple[float, float]]:
    """Return priors in pixels for the boxes of a task's training data; published ones or squares where it has none.

    Args:
        info: what is known of the data, of which widths and heights of boxes as fractions of their image are used.
        count: number of priors.
        size: side of the square images in pixels.
    """
    fractions = info.target.get("box_sizes")
    if fractions:
        clusters = size * cluster_sizes(torch.tensor(fractions), count)
        return list(map(tuple, clusters.tolist()))
    published = {len(each): each for each in (COCO_PRIORS, TINY_PRIORS)}.get(count)
    if published is None:  # squares, evenly spaced in the logarithm
        published = [(side, side) for side in torch.logspace(1, 2.5, count).tolist()]
    return [(width * size / SIZE, height * size / SIZE) for width, height in published]
