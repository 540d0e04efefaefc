"""Two levels become one: what the coarse one knows, at the places of the fine one."""

import torch
from torch import nn
from torch.nn import functional as F

from polyhead.nets.base import Neck
from polyhead.nets.blocks import conv_norm_act
from polyhead.types import Pyramid


class Fuse(Neck):
    """The last two levels, the coarser one enlarged, side by side; then a 1x1 and a 3x3 convolution.

    Args:
        channels: of the levels that come, at least two.
        strides: of the levels that come.
        middle: channels between the two convolutions.
        width: channels of the one level that goes.
    """

    def __init__(self, channels: list[int], strides: list[int], *, middle: int = 512, width: int = 256) -> None:
        super().__init__()
        fine, coarse = channels[-2:]
        self.layers = nn.Sequential(conv_norm_act(fine + coarse, middle, 1), conv_norm_act(middle, width, 3))
        self.channels, self.strides = [width], [strides[-2]]

    def forward(self, pyramid: Pyramid) -> Pyramid:
        """Levels in, one out."""
        fine, coarse = pyramid.levels[-2:]
        coarse = F.interpolate(coarse, size=fine.shape[-2:], mode="bilinear", align_corners=False)
        return Pyramid([self.layers(torch.cat([fine, coarse], dim=1))], pyramid.canvas)
