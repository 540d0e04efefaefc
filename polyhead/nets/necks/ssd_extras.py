"""SSD's neck: the backbone's levels, and further levels down to a single cell."""

from torch import nn

from polyhead.contracts.network import Neck
from polyhead.nets.blocks import conv_norm_act
from polyhead.types import Pyramid, Size


class SsdExtras(Neck):
    """Brings the backbone's levels to one width and adds levels of half the size each, until one has a single cell.

    The SSD paper scales its first level with an L2 norm, because backbones' levels differ in magnitude; here a 1x1
    convolution with batch norm does that for all of them, which is also faster, as the head's 3x3 convolutions then run
    on fewer channels. Batch norm also in the extra layers (the paper has none): training starts without warm-up.

    Args:
        channels: of the levels that come.
        strides: of the levels that come.
        size: pictures of this size get a single cell in the last level; others get a few more, or stay at one.
        width: channels of every level that goes.
    """

    def __init__(self, channels: list[int], strides: list[int], *, size: Size, width: int = 256) -> None:
        super().__init__()
        self.strides = list(strides)
        self.levels = nn.ModuleList(conv_norm_act(each, width, 1) for each in channels)
        self.extras = nn.ModuleList()
        inputs = channels[-1]
        while max(size) > self.strides[-1]:
            self.extras.append(
                nn.Sequential(conv_norm_act(inputs, width // 2, 1), conv_norm_act(width // 2, width, 3, stride=2))
            )
            self.strides.append(2 * self.strides[-1])
            inputs = width
        self.channels = [width] * len(self.strides)

    def forward(self, pyramid: Pyramid) -> Pyramid:
        """Levels in, more levels out."""
        levels = [layer(feature) for layer, feature in zip(self.levels, pyramid.levels, strict=True)]
        feature = pyramid.levels[-1]
        for extra in self.extras:
            feature = extra(feature)
            levels.append(feature)
        return Pyramid(levels, pyramid.canvas)
