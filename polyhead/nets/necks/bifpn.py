"""EfficientDet's neck: levels inform each other down and up again, as much as they have learnt to."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from polyhead.contracts.network import Neck
from polyhead.nets.blocks import separable, steady_norm
from polyhead.types import Pyramid


class Bifpn(Neck):
    """Two coarser levels, then layers of weighted fusion (Tan, Pang & Le 2020, figure 2d and section 3.3).

    Within a layer it is the authors' code that is followed: SiLU stands before the convolution, and batch norm is last.
    Levels may have any shape: what comes from a neighbour is brought to exactly the shape of the level that it meets.

    Args:
        channels: of the levels that come.
        strides: of the levels that come.
        width: channels of every level that goes.
        repeats: layers.
    """

    def __init__(self, channels: list[int], strides: list[int], *, width: int = 64, repeats: int = 3) -> None:
        super().__init__()
        self.strides = [*strides, 2 * strides[-1], 4 * strides[-1]]
        self.channels = [width] * len(self.strides)
        self.extra = side(channels[-1], width)
        inputs = [[*channels, width, width], *[self.channels] * (repeats - 1)]
        self.layers = nn.ModuleList(BifpnLayer(each, width) for each in inputs)

    def forward(self, pyramid: Pyramid) -> Pyramid:
        """Levels in, two more levels out."""
        sixth = halve(self.extra(pyramid.levels[-1]))
        levels = [*pyramid.levels, sixth, halve(sixth)]
        for layer in self.layers:
            levels = layer(levels)
        return Pyramid(levels, pyramid.canvas)


class BifpnLayer(nn.Module):
    """From the coarsest level down, then from the finest up; there a level meets what came and what it became.

    Args:
        channels: of the levels that come; the last is ``width`` wide.
        width: channels of every level that goes.
    """

    def __init__(self, channels: list[int], width: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(Fuse(each, width, 2) for each in channels[-2::-1])
        self.up = nn.ModuleList(Fuse(each, width, 3) for each in channels[1:-1])
        self.top = Fuse(width, width, 2)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """As many levels, finest first."""
        middle = [levels[-1]]
        for fuse, level in zip(self.down, levels[-2::-1], strict=True):
            middle.insert(0, fuse(level, enlarge(middle[0], level)))
        outputs = middle[:1]
        for fuse, level, own in zip(self.up, levels[1:-1], middle[1:-1], strict=True):
            outputs.append(fuse(level, own, shrink(outputs[-1], level)))
        return [*outputs, self.top(levels[-1], shrink(outputs[-1], levels[-1]))]


class Fuse(nn.Module):
    """Fast normalised fusion (section 3.3), SiLU, separable 3x3 convolution, batch norm.

    Args:
        channels: of the level that comes from before the layer; where it is not ``width``, a 1x1 convolution of this
            node's own brings it there.
        width: channels of the other maps, and of the result.
        count: maps that are fused.
    """

    def __init__(self, channels: int, width: int, count: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.ones(count))
        self.side = side(channels, width)
        self.after = nn.Sequential(nn.SiLU(), separable(width, width), steady_norm(width))

    def forward(self, level: Tensor, *others: Tensor) -> Tensor:
        """Maps of one height and width to one map."""
        shares = F.relu(self.weights)
        shares = shares / (shares.sum() + 1e-4)
        total = self.side(level) * shares[0]
        for share, other in zip(shares[1:], others, strict=True):
            total = total + other * share
        fused: Tensor = self.after(total)
        return fused


def side(channels: int, width: int) -> nn.Module:
    """What brings a map to the width of the others: nothing, where it has that already."""
    if channels == width:
        return nn.Identity()
    conv = nn.Conv2d(channels, width, 1, bias=False)
    nn.init.xavier_uniform_(conv.weight)
    return nn.Sequential(conv, steady_norm(width))


def enlarge(feature: Tensor, like: Tensor) -> Tensor:
    """A coarse map in the height and width of a finer one."""
    return F.interpolate(feature, size=like.shape[-2:], mode="nearest")


def halve(feature: Tensor) -> Tensor:
    """Half the height and width, rounded up."""
    return F.max_pool2d(feature, 3, stride=2, padding=1)


def shrink(feature: Tensor, like: Tensor) -> Tensor:
    """A fine map in the height and width of the next coarser one, which some backbones round down."""
    half = halve(feature)
    return half if half.shape[-2:] == like.shape[-2:] else enlarge(half, like)
