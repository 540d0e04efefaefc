"""Feature pyramid network (FPN): features of coarse levels are added to finer levels."""

from torch import nn
from torch.nn import functional as F

from polyhead.contracts.network import Neck
from polyhead.nets.blocks import conv_norm_act
from polyhead.types import Pyramid


class Fpn(Neck):
    """A top-down pathway: the upsampled coarser level is added to each level, then a 3x3 convolution.

    See Lin et al. 2017, figure 3. Unlike in the paper, batch norm and ReLU follow the 3x3 convolutions. The number of
    levels and their strides stay the same.

    Args:
        channels: channels of each input level.
        strides: strides of each input level.
        width: channels of every output level.
    """

    def __init__(self, channels: list[int], strides: list[int], *, width: int = 256) -> None:
        super().__init__()
        self.strides = list(strides)
        self.channels = [width] * len(channels)
        self.sides = nn.ModuleList(nn.Conv2d(each, width, 1) for each in channels)
        self.outputs = nn.ModuleList(conv_norm_act(width, width, 3) for _ in channels)

    def forward(self, pyramid: Pyramid) -> Pyramid:
        """Compute the output levels, starting with the coarsest."""
        levels = [side(feature) for side, feature in zip(self.sides, pyramid.levels, strict=True)]  # [b, width, h, w]
        for fine in range(len(levels) - 2, -1, -1):
            levels[fine] = levels[fine] + F.interpolate(levels[fine + 1], size=levels[fine].shape[-2:], mode="nearest")
        outputs = [output(level) for output, level in zip(self.outputs, levels, strict=True)]
        return Pyramid(outputs, pyramid.canvas)
