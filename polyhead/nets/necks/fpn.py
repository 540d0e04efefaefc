"""Feature pyramid network: what coarse levels know comes down to the fine ones."""

from torch import nn
from torch.nn import functional as F

from polyhead.contracts.network import Neck
from polyhead.nets.blocks import conv_norm_act
from polyhead.types import Pyramid


class Fpn(Neck):
    """Each level gets the enlarged coarser one added, then a 3x3 convolution (Lin et al. 2017, figure 3).

    With batch norm and ReLU after the convolutions, which the paper does without. Levels and strides stay.

    Args:
        channels: of the levels that come.
        strides: of the levels that come.
        width: channels of every level that goes.
    """

    def __init__(self, channels: list[int], strides: list[int], *, width: int = 256) -> None:
        super().__init__()
        self.strides = list(strides)
        self.channels = [width] * len(channels)
        self.sides = nn.ModuleList(nn.Conv2d(each, width, 1) for each in channels)
        self.outputs = nn.ModuleList(conv_norm_act(width, width, 3) for _ in channels)

    def forward(self, pyramid: Pyramid) -> Pyramid:
        """As many levels, from the coarsest down."""
        levels = [side(feature) for side, feature in zip(self.sides, pyramid.levels, strict=True)]
        for fine in range(len(levels) - 2, -1, -1):
            levels[fine] = levels[fine] + F.interpolate(levels[fine + 1], size=levels[fine].shape[-2:], mode="nearest")
        outputs = [output(level) for output, level in zip(self.outputs, levels, strict=True)]
        return Pyramid(outputs, pyramid.canvas)
