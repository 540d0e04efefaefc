"""Feature pyramid network (FPN): features of coarse levels are added to finer levels."""

from torch import nn
from torch.nn import functional as F

from polyhead.contracts.network import Neck
from polyhead.nets.blocks import conv_norm_act
from polyhead.types import Pyramid, PyramidSpec


class Fpn(Neck):
    """A top-down pathway: the upsampled coarser level is added to each level, then a 3x3 convolution.

    See Lin et al. 2017, figure 3. Unlike in the paper, batch norm and ReLU follow the 3x3 convolutions. The number of
    levels and their strides stay the same.

    Args:
        spec: channels and strides of the input levels.
        width: channels of every output level.
    """

    def __init__(self, spec: PyramidSpec, *, width: int = 256) -> None:
        super().__init__()
        self.strides = list(spec.strides)
        self.channels = [width] * len(spec.channels)
        self.sides = nn.ModuleList(nn.Conv2d(each, width, 1) for each in spec.channels)
        self.outputs = nn.ModuleList(conv_norm_act(width, width, 3) for _ in spec.channels)

    def forward(self, pyramid: Pyramid) -> Pyramid:
        """Compute the output levels, starting with the coarsest."""
        levels = [side(feature) for side, feature in zip(self.sides, pyramid.levels, strict=True)]  # [b, width, h, w]
        for fine in range(len(levels) - 2, -1, -1):
            levels[fine] = levels[fine] + F.interpolate(levels[fine + 1], size=levels[fine].shape[-2:], mode="nearest")
        outputs = [output(level) for output, level in zip(self.outputs, levels, strict=True)]
        return pyramid._replace(levels=outputs)
