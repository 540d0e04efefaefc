"""EfficientDet's neck (BiFPN): features flow top-down and bottom-up, fused with learned weights."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from polyhead.contracts.network import Neck
from polyhead.nets.blocks import separable_conv, slow_batch_norm
from polyhead.types import Pyramid, PyramidSpec


class Bifpn(Neck):
    """Two additional coarser levels, then layers of weighted fusion (Tan, Pang & Le 2020, figure 2d and section 3.3).

    Inside a layer, the order follows the authors' code: SiLU, convolution, batch norm. Levels may have any shape: maps
    from neighboring levels are resized to exactly the shape of the level that they are fused with.

    Args:
        spec: channels and strides of the input levels.
        width: channels of every output level.
        repeats: number of layers.
    """

    def __init__(self, spec: PyramidSpec, *, width: int = 64, repeats: int = 3) -> None:
        super().__init__()
        self.strides = [*spec.strides, 2 * spec.strides[-1], 4 * spec.strides[-1]]
        self.channels = [width] * len(self.strides)
        self.extra = lateral(spec.channels[-1], width)
        inputs = [[*spec.channels, width, width], *[self.channels] * (repeats - 1)]
        self.layers = nn.ModuleList(BifpnLayer(each, width) for each in inputs)

    def forward(self, pyramid: Pyramid) -> Pyramid:
        """Compute the fused levels; there are two more than in the input."""
        sixth = halve(self.extra(pyramid.levels[-1]))
        levels = [*pyramid.levels, sixth, halve(sixth)]
        for layer in self.layers:
            levels = layer(levels)
        return pyramid._replace(levels=levels)


class BifpnLayer(nn.Module):
    """A top-down pass, then a bottom-up pass that fuses the results of the first with the input levels.

    Args:
        channels: channels of each input level; the last must have ``width``.
        width: channels of every output level.
    """

    def __init__(self, channels: list[int], width: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(WeightedFusion(each, width, 2) for each in channels[-2::-1])
        self.up = nn.ModuleList(WeightedFusion(each, width, 3) for each in channels[1:-1])
        self.top = WeightedFusion(width, width, 2)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Compute as many levels as in the input, finest first."""
        middle = [levels[-1]]  # results of the top-down pass, finest first
        for fuse, level in zip(self.down, levels[-2::-1], strict=True):
            middle.insert(0, fuse(level, upsample(middle[0], level)))
        outputs = middle[:1]
        for fuse, level, own in zip(self.up, levels[1:-1], middle[1:-1], strict=True):
            outputs.append(fuse(level, own, downsample(outputs[-1], level)))
        return [*outputs, self.top(levels[-1], downsample(outputs[-1], levels[-1]))]


class WeightedFusion(nn.Module):
    """Fast normalized fusion (section 3.3), SiLU, separable 3x3 convolution and batch norm.

    Args:
        channels: channels of the layer's input level; if not ``width``, a 1x1 convolution of this node converts it.
        width: channels of the other maps and of the result.
        count: number of maps that are fused.
    """

    def __init__(self, channels: int, width: int, count: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.ones(count))
        self.side = lateral(channels, width)
        self.after = nn.Sequential(nn.SiLU(), separable_conv(width, width), slow_batch_norm(width))

    def forward(self, level: Tensor, *others: Tensor) -> Tensor:
        """Fuse maps of the same height and width."""
        weights = F.relu(self.weights)
        weights = weights / (weights.sum() + 1e-4)  # sums to about 1, [count]
        total = self.side(level) * weights[0]
        for weight, other in zip(weights[1:], others, strict=True):
            total = total + other * weight
        fused: Tensor = self.after(total)
        return fused


def lateral(channels: int, width: int) -> nn.Module:
    """Build the layers that convert a map to ``width`` channels; the identity if it has them already."""
    if channels == width:
        return nn.Identity()
    conv = nn.Conv2d(channels, width, 1, bias=False)
    nn.init.xavier_uniform_(conv.weight)
    return nn.Sequential(conv, slow_batch_norm(width))


def upsample(feature: Tensor, like: Tensor) -> Tensor:
    """Resize a coarse map to the height and width of a finer one."""
    return F.interpolate(feature, size=like.shape[-2:], mode="nearest")


def halve(feature: Tensor) -> Tensor:
    """Reduce a map to half of its height and width, rounded up."""
    return F.max_pool2d(feature, 3, stride=2, padding=1)


def downsample(feature: Tensor, like: Tensor) -> Tensor:
    """Resize a fine map to the height and width of the next coarser one, which some backbones round down."""
    half = halve(feature)
    return half if half.shape[-2:] == like.shape[-2:] else upsample(half, like)
