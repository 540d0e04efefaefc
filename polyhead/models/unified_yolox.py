"""A unified network on YOLOX: the tasks share its backbone, its neck, and the convolutions of its head."""

from functools import partial

from polyhead.boxes.nms import up_to
from polyhead.contracts.network import HeadFactory, NeckFactory
from polyhead.models.heads import Heads, head_factories
from polyhead.models.yolox import SCALES, YoloxHead, nms_of_yolox
from polyhead.models.yolox_weights import fill_trunk, head_from, read_official
from polyhead.nets.backbones.csp_darknet import CspDarknet
from polyhead.nets.heads.classify import Classify
from polyhead.nets.heads.segment import Segment
from polyhead.nets.model import Model
from polyhead.nets.necks.pafpn import Pafpn
from polyhead.nets.necks.towers import Towers
from polyhead.paths import WEIGHTS, find

PREFIX = "yolox_"
BACKBONES = {f"{PREFIX}{scale}": scale for scale in SCALES}
"""The scale of each name."""


def unified_yolox(heads: Heads, backbone: str, weights: str | None, size: int, max_detections: int) -> Model:
    """Build backbone, neck and the shared convolutions of YOLOX; each task adds its output layers only.

    All heads read the levels of strides 8, 16 and 32. With official weights, ``detect`` predicts before any training
    what YOLOX predicts of the classes that COCO has.

    Args:
        heads: head of each task: ``segment``, ``detect`` or ``classify``.
        backbone: one of :data:`BACKBONES`.
        weights: None, the name of official weights or their file.
        size: side of the square images in pixels.
        max_detections: largest number of boxes for an image.
    """
    depth, factor, depthwise, _ = SCALES[BACKBONES[backbone]]
    width = int(256 * factor)
    necks: list[NeckFactory] = [
        partial(Pafpn, depth=depth, depthwise=depthwise),
        partial(Towers, width=width, depthwise=depthwise),
    ]
    head: HeadFactory = partial(YoloxHead, width=width, outputs_only=True, suppress=up_to(max_detections, nms_of_yolox))
    official = None if weights is None else read_official(find(weights, WEIGHTS))
    own: dict[str, HeadFactory] = {
        "segment": partial(Segment, all_levels=True),
        "detect": head if official is None else partial(head_from, head, official),
        "classify": partial(Classify, dropout=0.2, all_levels=True),
    }
    net = CspDarknet(factor, depth, depthwise=depthwise)
    model = Model(net, necks, head_factories(heads, size, own), (size, size))
    if official is not None:
        fill_trunk(model, head, official, f"YOLOX-{BACKBONES[backbone]}")
    return model
