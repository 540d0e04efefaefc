"""Darknet-53 and the small backbone of YOLOv3-tiny (Redmon & Farhadi 2018, "YOLOv3: An Incremental Improvement")."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from polyhead.contracts.network import Backbone
from polyhead.nets.darknet import DarknetConv, DarknetResidual
from polyhead.types import Pyramid

BLOCKS = (1, 2, 8, 8, 4)
"""Residual blocks of each stage (table 1), whose strides are 2, 4, 8, 16 and 32."""


class Darknet53(Backbone):
    """Darknet-53 with levels of strides 8, 16 and 32; images in 0..255 are divided by 255.

    Args:
        width: channels relative to the paper's, which are 32 in the first layer.
        depth: number of residual blocks relative to the paper's.
    """

    def __init__(self, width: float = 1.0, depth: float = 1.0) -> None:
        super().__init__()
        sizes = [max(2, round(32 * 2**level * width / 2) * 2) for level in range(len(BLOCKS) + 1)]
        self.stem = DarknetConv(3, sizes[0], 3)
        self.stages = nn.ModuleList(
            nn.Sequential(
                DarknetConv(before, after, 3, 2),
                *(DarknetResidual(after) for _ in range(max(1, round(depth * count)))),
            )
            for before, after, count in zip(sizes, sizes[1:], BLOCKS, strict=False)
        )
        self.channels, self.strides = sizes[3:], [8, 16, 32]

    def forward(self, inputs: Tensor) -> Pyramid:
        """Compute the levels of images ``[b, 3, h, w]``, uint8 or float in 0..255."""
        level = self.stem(_scaled(inputs, self.stem))
        levels: list[Tensor] = []
        for stage in self.stages:
            level = stage(level)
            levels.append(level)
        return Pyramid(levels[-len(self.strides) :], (inputs.shape[-2], inputs.shape[-1]))


class DarknetTiny(Backbone):
    """The backbone of YOLOv3-tiny, seven convolutions, with levels of strides 16 and 32.

    Args:
        width: channels relative to the original's, which are 16 in the first layer.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        sizes = [3, *(max(1, round(16 * 2**level * width)) for level in range(7))]
        self.layers = nn.ModuleList(DarknetConv(*pair, 3) for pair in pairwise(sizes))
        self.pool = nn.MaxPool2d(2, 2, ceil_mode=True)
        # The last maximum is taken over 2x2 cells around each cell, so the map keeps its size.
        self.last_pool = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(2, 1))
        self.channels, self.strides = [sizes[5], sizes[7]], [16, 32]

    def forward(self, inputs: Tensor) -> Pyramid:
        """Compute the levels of images ``[b, 3, h, w]``, uint8 or float in 0..255."""
        first = self.layers[0]
        assert isinstance(first, DarknetConv)
        level = first(_scaled(inputs, first))
        for layer in self.layers[1:5]:
            level = layer(self.pool(level))
        coarse = self.last_pool(self.layers[5](self.pool(level)))
        return Pyramid([level, self.layers[6](coarse)], (inputs.shape[-2], inputs.shape[-1]))


def _scaled(images: Tensor, layer: DarknetConv) -> Tensor:
    """Return images in 0..1, in the precision of a layer."""
    return images.to(layer.conv.weight.dtype, memory_format=torch.channels_last) / 255
