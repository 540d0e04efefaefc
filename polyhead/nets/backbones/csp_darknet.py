"""CSPDarknet, the backbone of YOLOX (Ge et al. 2021, "YOLOX: Exceeding YOLO Series in 2021")."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from polyhead.contracts.network import Backbone
from polyhead.nets.csp import ConvBlock, CspBlock, PoolBlock, conv_factory
from polyhead.nets.precision import depthwise_in_float32
from polyhead.types import Pyramid

STRIDES = (8, 16, 32)


class CspDarknet(Backbone):
    """CSPDarknet with levels of strides 8, 16 and 32, under the names of the official weights files.

    Its images are not normalized, and their channels are in the order blue, green, red; :meth:`forward` takes RGB like
    every backbone and reorders it.

    Args:
        width: channels relative to YOLOX-l, which has 64 in the first layer.
        depth: number of bottlenecks relative to YOLOX-l.
        depthwise: whether 3x3 convolutions are separable, as in YOLOX-nano.
    """

    def __init__(self, width: float = 1.0, depth: float = 1.0, *, depthwise: bool = False) -> None:
        super().__init__()
        first, count = int(width * 64), max(round(depth * 3), 1)
        conv = conv_factory(depthwise=depthwise)
        sizes = [first * 2**level for level in range(5)]
        self.stem = Focus(3, first)
        self.dark2 = nn.Sequential(conv(sizes[0], sizes[1], 3, 2), CspBlock(sizes[1], sizes[1], count, conv))
        self.dark3 = nn.Sequential(conv(sizes[1], sizes[2], 3, 2), CspBlock(sizes[2], sizes[2], 3 * count, conv))
        self.dark4 = nn.Sequential(conv(sizes[2], sizes[3], 3, 2), CspBlock(sizes[3], sizes[3], 3 * count, conv))
        self.dark5 = nn.Sequential(
            conv(sizes[3], sizes[4], 3, 2),
            PoolBlock(sizes[4]),
            CspBlock(sizes[4], sizes[4], count, conv, residual=False),
        )
        self.channels, self.strides = sizes[2:], list(STRIDES)
        depthwise_in_float32(self)

    def forward(self, inputs: Tensor) -> Pyramid:
        """Compute the levels of images ``[b, 3, h, w]``, uint8 or float in 0..255."""
        images = inputs.to(self.stem.conv.conv.weight.dtype, memory_format=torch.channels_last)
        level = self.dark2(self.stem(images.flip(1)))  # RGB -> BGR
        levels: list[Tensor] = []
        for layers in (self.dark3, self.dark4, self.dark5):
            level = layers(level)
            levels.append(level)
        return Pyramid(levels, (inputs.shape[-2], inputs.shape[-1]))


class Focus(nn.Module):
    """A convolution block on blocks of 2x2 pixels: each becomes one cell with the channels of its four pixels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = ConvBlock(4 * inputs, outputs, 3)

    def forward(self, images: Tensor) -> Tensor:
        """Compute a map ``[b, outputs, h / 2, w / 2]``, rounded up."""
        height, width = images.shape[-2:]
        images = F.pad(images, (0, width % 2, 0, height % 2))
        rows: Sequence[Tensor] = images[..., ::2, :], images[..., 1::2, :]
        # In the order of the official files: top left, bottom left, top right, bottom right; [b, 12, h / 2, w / 2].
        pixels = [row[..., column::2] for column in range(2) for row in rows]
        result: Tensor = self.conv(torch.cat(pixels, dim=1))
        return result
