"""The layers of YOLOX: convolution blocks and cross stage partial (CSP) blocks, under the names of the official files.

They are used by backbone, neck and head. Attribute names (``conv``, ``bn``, ``dconv``, ``m``) are the keys of the
official weights files.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from polyhead.nets.blocks import slow_batch_norm

ConvFactory = Callable[[int, int, int, int], nn.Module]
"""Builds a convolution block from input channels, output channels, kernel and stride."""


class ConvBlock(nn.Module):
    """Convolution without bias, batch norm and SiLU; the padding keeps height and width but for the stride.

    Args:
        inputs: input channels.
        outputs: output channels.
        kernel: side of the kernel.
        stride: stride.
        groups: groups of channels that are convolved separately.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
        self.bn = slow_batch_norm(outputs)

    def forward(self, feature: Tensor) -> Tensor:
        """Compute a map ``[b, outputs, h / stride, w / stride]``, rounded up."""
        return F.silu(self.bn(self.conv(feature)), inplace=True)


class SeparableBlock(nn.Module):
    """A depthwise convolution block, then a pointwise one."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.dconv = ConvBlock(inputs, inputs, kernel, stride, groups=inputs)
        self.pconv = ConvBlock(inputs, outputs, 1)

    def forward(self, feature: Tensor) -> Tensor:
        """Compute a map ``[b, outputs, h / stride, w / stride]``, rounded up."""
        result: Tensor = self.pconv(self.dconv(feature))
        return result


class Bottleneck(nn.Module):
    """A 1x1 and a 3x3 convolution block, added to the input unless ``residual`` is False."""

    def __init__(self, width: int, conv: ConvFactory, *, residual: bool) -> None:
        super().__init__()
        self.conv1 = ConvBlock(width, width, 1)
        self.conv2 = conv(width, width, 3, 1)
        self.residual = residual

    def forward(self, feature: Tensor) -> Tensor:
        """Compute a map of the same shape."""
        result: Tensor = self.conv2(self.conv1(feature))
        return feature + result if self.residual else result


class CspBlock(nn.Module):
    """Bottlenecks on half of the channels; the other half bypasses them (Wang et al. 2020, "CSPNet", figure 2).

    Args:
        inputs: input channels.
        outputs: output channels.
        count: number of bottlenecks.
        conv: builds their 3x3 convolutions.
        residual: whether they add to their input.
    """

    def __init__(self, inputs: int, outputs: int, count: int, conv: ConvFactory, *, residual: bool = True) -> None:
        super().__init__()
        half = outputs // 2
        self.conv1 = ConvBlock(inputs, half, 1)
        self.conv2 = ConvBlock(inputs, half, 1)
        self.conv3 = ConvBlock(2 * half, outputs, 1)
        self.m = nn.Sequential(*(Bottleneck(half, conv, residual=residual) for _ in range(count)))

    def forward(self, feature: Tensor) -> Tensor:
        """Compute a map of the same height and width."""
        both = torch.cat([self.m(self.conv1(feature)), self.conv2(feature)], dim=1)  # [b, 2 * half, h, w]
        result: Tensor = self.conv3(both)
        return result


class PoolBlock(nn.Module):
    """Spatial pyramid pooling: maxima over windows of several sizes, beside the map itself (He et al. 2015).

    Args:
        width: channels of input and output.
        windows: sides of the windows in cells.
    """

    def __init__(self, width: int, windows: tuple[int, ...] = (5, 9, 13)) -> None:
        super().__init__()
        self.windows = windows
        self.conv1 = ConvBlock(width, width // 2, 1)
        self.conv2 = ConvBlock(width // 2 * (1 + len(windows)), width, 1)

    def forward(self, feature: Tensor) -> Tensor:
        """Compute a map of the same shape."""
        half = self.conv1(feature)
        pooled = [F.max_pool2d(half, side, stride=1, padding=side // 2) for side in self.windows]
        result: Tensor = self.conv2(torch.cat([half, *pooled], dim=1))
        return result


def conv_factory(*, depthwise: bool) -> ConvFactory:
    """Return what builds the 3x3 convolutions: separable ones, or full ones."""
    return SeparableBlock if depthwise else ConvBlock
