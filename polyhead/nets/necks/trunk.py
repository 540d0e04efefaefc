"""The shared head of a network of many tasks: one branch that every task's output layers stand on."""

from torch import nn

from polyhead.contracts.network import Neck
from polyhead.errors import SettingError
from polyhead.nets.blocks import conv_norm_act
from polyhead.types import Pyramid


class Trunk(Neck):
    """A few 3x3 convolutions on each level, as wide as it is; ``rates`` may name them one by one (``layers.0.2``).

    Args:
        channels: of the levels that come.
        strides: of the levels that come.
        depth: convolutions on each level.
        residual: they add to their level (He et al. 2016, section 3.1) and do not replace it: what one task has no use
            for is still there for the next.
    """

    def __init__(self, channels: list[int], strides: list[int], *, depth: int = 3, residual: bool = False) -> None:
        super().__init__()
        if depth < 1:
            raise SettingError(f"depth must be 1 or more, got {depth}")
        self.channels, self.strides = list(channels), list(strides)
        self.residual = residual
        self.layers = nn.ModuleList(
            nn.Sequential(*(conv_norm_act(width, width, 3) for _ in range(depth))) for width in channels
        )

    def forward(self, pyramid: Pyramid) -> Pyramid:
        """As many levels, of the same shapes."""
        levels = [layers(level) for layers, level in zip(self.layers, pyramid.levels, strict=True)]
        if self.residual:
            levels = [level + more for level, more in zip(pyramid.levels, levels, strict=True)]
        return Pyramid(levels, pyramid.canvas)
