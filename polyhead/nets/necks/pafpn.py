"""Path aggregation network on CSP blocks, the neck of YOLOX: features flow top-down, then bottom-up."""

import torch
from torch import Tensor

from polyhead.contracts.network import Neck
from polyhead.errors import PolyheadError
from polyhead.nets.csp import ConvBlock, CspBlock, conv_factory
from polyhead.nets.necks.bifpn import upsample
from polyhead.nets.precision import depthwise_in_float32
from polyhead.types import Pyramid, PyramidSpec

LEVELS = 3


class Pafpn(Neck):
    """Three levels in, the same three out (Liu et al. 2018, "PANet", figure 1, with CSP blocks as in YOLOv4).

    Attribute names are those of the official weights files of YOLOX: ``p`` for the top-down pass, ``n`` for the
    bottom-up pass, and a digit for the level, whose stride is its power of two.

    Args:
        spec: channels and strides of the input levels.
        depth: number of bottlenecks in each block, relative to YOLOX-l.
        depthwise: whether 3x3 convolutions are separable.

    Raises:
        PolyheadError: if there are not three levels.
    """

    def __init__(self, spec: PyramidSpec, *, depth: float = 1.0, depthwise: bool = False) -> None:
        super().__init__()
        # pylint: disable=invalid-name  # the names of the official files
        if len(spec.channels) != LEVELS:
            raise PolyheadError(
                f"the neck reads {LEVELS} levels, but the backbone has {len(spec.channels)} (strides {spec.strides}). "
                "Use a backbone with levels of strides 8, 16 and 32, or another model."
            )
        self.channels, self.strides = list(spec.channels), list(spec.strides)
        fine, middle, coarse = spec.channels
        conv, count = conv_factory(depthwise=depthwise), round(3 * depth)
        self.lateral_conv0 = ConvBlock(coarse, middle, 1)
        self.C3_p4 = CspBlock(2 * middle, middle, count, conv, residual=False)
        self.reduce_conv1 = ConvBlock(middle, fine, 1)
        self.C3_p3 = CspBlock(2 * fine, fine, count, conv, residual=False)
        self.bu_conv2 = conv(fine, fine, 3, 2)
        self.C3_n3 = CspBlock(2 * fine, middle, count, conv, residual=False)
        self.bu_conv1 = conv(middle, middle, 3, 2)
        self.C3_n4 = CspBlock(2 * middle, coarse, count, conv, residual=False)
        depthwise_in_float32(self)

    def forward(self, pyramid: Pyramid) -> Pyramid:
        """Compute three levels of the shapes of the input levels."""
        fine, middle, coarse = pyramid.levels
        side_coarse = self.lateral_conv0(coarse)  # [b, c_middle, h_coarse, w_coarse]
        side_middle = self.reduce_conv1(self.C3_p4(_joined(upsample(side_coarse, middle), middle)))
        level_fine = self.C3_p3(_joined(upsample(side_middle, fine), fine))
        level_middle = self.C3_n3(_joined(self.bu_conv2(level_fine), side_middle))
        level_coarse = self.C3_n4(_joined(self.bu_conv1(level_middle), side_coarse))
        return pyramid._replace(levels=[level_fine, level_middle, level_coarse])


def _joined(first: Tensor, second: Tensor) -> Tensor:
    """Concatenate the channels of two maps of the same height and width."""
    return torch.cat([first, second], dim=1)
