"""The shared stem of a multi-task network: convolutions between the trunk and the output layers of all tasks."""

from torch import nn

from polyhead.contracts.network import Neck
from polyhead.errors import SettingError
from polyhead.nets.blocks import conv_norm_act
from polyhead.types import Pyramid, PyramidSpec


class SharedStem(Neck):
    """A sequence of 3x3 convolutions on each level that keeps its number of channels.

    ``lr_mult`` can address the convolutions one by one (``layers.0.2``).

    Args:
        spec: channels and strides of the input levels.
        depth: number of convolutions on each level.
        residual: add the result to the level instead of replacing it (He et al. 2016, section 3.1), so that features
            that one task does not need remain available to the next.
    """

    def __init__(self, spec: PyramidSpec, *, depth: int = 3, residual: bool = False) -> None:
        super().__init__()
        if depth < 1:
            raise SettingError(f"depth must be 1 or more, got {depth}")
        self.channels, self.strides = list(spec.channels), list(spec.strides)
        self.residual = residual
        self.layers = nn.ModuleList(
            nn.Sequential(*(conv_norm_act(width, width, 3) for _ in range(depth))) for width in spec.channels
        )

    def forward(self, pyramid: Pyramid) -> Pyramid:
        """Compute as many levels as in the input, with the same shapes."""
        levels = [layers(level) for layers, level in zip(self.layers, pyramid.levels, strict=True)]
        if self.residual:
            levels = [level + more for level, more in zip(pyramid.levels, levels, strict=True)]
        return pyramid._replace(levels=levels)
