"""The stems and convolutions of YOLOX's head as a neck, so that the heads of several tasks can share them."""

import torch

from polyhead.contracts.network import Neck
from polyhead.nets.heads.decoupled import Decoupled
from polyhead.types import Pyramid, PyramidSpec


class Towers(Neck):
    """For each level the features of classes, those of boxes, and the level itself, in this order of channels.

    Most of what a pretrained YOLOX knows of its classes is in these layers. The level itself is passed on for tasks
    that need what they leave out.

    Args:
        spec: channels and strides of the input levels.
        width: channels of the features of classes, and of those of boxes.
        depthwise: whether 3x3 convolutions are separable.
    """

    def __init__(self, spec: PyramidSpec, *, width: int = 256, depthwise: bool = False) -> None:
        super().__init__()
        self.layers = Decoupled(list(spec.channels), width, depthwise=depthwise)
        self.channels, self.strides = [2 * width + each for each in spec.channels], list(spec.strides)

    def forward(self, pyramid: Pyramid) -> Pyramid:
        """Compute as many levels as in the input, ``[b, 2 * width + channels, h, w]``."""
        pairs = zip(self.layers.features(pyramid.levels), pyramid.levels, strict=True)
        return pyramid._replace(levels=[torch.cat([*features, level], dim=1) for features, level in pairs])
