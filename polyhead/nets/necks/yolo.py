"""The necks of YOLOv3 and YOLOv3-tiny: features of coarse levels are concatenated to those of finer ones."""

import torch
from torch import nn

from polyhead.contracts.network import Neck
from polyhead.nets.darknet import DarknetConv
from polyhead.nets.necks.bifpn import upsample
from polyhead.types import Pyramid, PyramidSpec


class YoloNeck(Neck):
    """Five alternating 1x1 and 3x3 convolutions for each level, from the coarsest to the finest.

    Each finer level is first joined with the result of the coarser one, reduced by a 1x1 convolution and upsampled
    (Redmon & Farhadi 2018, section 2.3).

    Args:
        spec: channels and strides of the input levels.
        width: channels of the finest output level; each coarser one has twice as many.
    """

    def __init__(self, spec: PyramidSpec, *, width: int = 128) -> None:
        super().__init__()
        self.channels = [width * 2**level for level in range(len(spec.channels))]
        self.strides = list(spec.strides)
        # A level is joined with half of the channels of the coarser one; the coarsest is joined with nothing.
        joined = [own + coarser // 2 for own, coarser in zip(spec.channels, [*self.channels[1:], 0], strict=True)]
        self.blocks = nn.ModuleList(_block(*pair) for pair in zip(joined, self.channels, strict=True))
        self.paths = nn.ModuleList(DarknetConv(each, each // 2, 1) for each in self.channels[1:])

    def forward(self, pyramid: Pyramid) -> Pyramid:
        """Compute as many levels as in the input, with the same heights and widths."""
        levels = [self.blocks[-1](pyramid.levels[-1])]  # finest first
        for level, block, path in reversed([*zip(pyramid.levels, self.blocks, self.paths, strict=False)]):
            levels.insert(0, block(torch.cat([upsample(path(levels[0]), level), level], dim=1)))
        return pyramid._replace(levels=levels)


class TinyNeck(Neck):
    """YOLOv3-tiny's neck: a 1x1 convolution of the coarse level, upsampled and joined with the fine one.

    Args:
        spec: channels and strides of the input levels, of which the last two are used.
        width: channels of the coarse output level.
    """

    def __init__(self, spec: PyramidSpec, *, width: int = 256) -> None:
        super().__init__()
        fine, coarse = spec.channels[-2:]
        self.blocks = nn.ModuleList([nn.Identity(), DarknetConv(coarse, width, 1)])
        self.paths = nn.ModuleList([DarknetConv(width, width // 2, 1)])
        self.channels, self.strides = [width // 2 + fine, width], list(spec.strides[-2:])

    def forward(self, pyramid: Pyramid) -> Pyramid:
        """Compute the two levels."""
        fine, coarse = pyramid.levels[-2:]
        coarse = self.blocks[1](coarse)
        return pyramid._replace(levels=[torch.cat([upsample(self.paths[0](coarse), fine), fine], dim=1), coarse])


def _block(inputs: int, width: int) -> nn.Sequential:
    """Build five convolutions that end with ``width`` channels."""
    sizes = [(inputs, width, 1), (width, 2 * width, 3), (2 * width, width, 1), (width, 2 * width, 3)]
    return nn.Sequential(*(DarknetConv(*size) for size in [*sizes, (2 * width, width, 1)]))
