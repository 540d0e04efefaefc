"""SSD's neck: the backbone's levels and additional coarser levels, down to a single cell."""

from torch import nn

from polyhead.contracts.network import Neck
from polyhead.nets.blocks import conv_norm_act
from polyhead.types import Pyramid, PyramidSpec, Size


class SsdExtras(Neck):
    """Additional levels, each half the size of the previous one, until a level has a single cell.

    All levels are converted to the same number of channels. The SSD paper scales its first level with an L2 norm,
    because the levels of backbones differ in magnitude. Here, a 1x1 convolution with batch norm does this for all
    levels. It is also faster, because the head's 3x3 convolutions then run on fewer channels. The extra layers have
    batch norm too (those of the paper have none), so that training needs no warm-up.

    Args:
        spec: channels and strides of the input levels.
        size: height and width of the images for which the last level has a single cell; with other sizes it may have a
            few more.
        width: channels of every output level.
    """

    def __init__(self, spec: PyramidSpec, *, size: Size, width: int = 256) -> None:
        super().__init__()
        self.strides = list(spec.strides)
        self.levels = nn.ModuleList(conv_norm_act(each, width, 1) for each in spec.channels)
        self.extras = nn.ModuleList()
        inputs = spec.channels[-1]
        while max(size) > self.strides[-1]:
            self.extras.append(
                nn.Sequential(conv_norm_act(inputs, width // 2, 1), conv_norm_act(width // 2, width, 3, stride=2))
            )
            self.strides.append(2 * self.strides[-1])
            inputs = width
        self.channels = [width] * len(self.strides)

    def forward(self, pyramid: Pyramid) -> Pyramid:
        """Compute the converted levels and the additional ones."""
        levels = [layer(feature) for layer, feature in zip(self.levels, pyramid.levels, strict=True)]
        feature = pyramid.levels[-1]
        for extra in self.extras:
            feature = extra(feature)  # half the height and width, rounded up
            levels.append(feature)
        return pyramid._replace(levels=levels)
