"""Two levels become one: what the coarse one knows, at the places of the fine one."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import skip_init

from polyhead.contracts.network import Neck
from polyhead.errors import SettingError
from polyhead.nets.blocks import conv_norm_act
from polyhead.types import Pyramid


class Fuse(Neck):
    """The last two levels, the coarser one enlarged, side by side; then a 1x1 and a 3x3 convolution.

    Args:
        channels: of the levels that come, at least two.
        strides: of the levels that come.
        middle: channels between the two convolutions.
        width: channels of the one level that goes.
        shortcut: add a 1x1 convolution of what comes, zero at first, so that a network that begins without it is the
            same network. Fused by the convolutions alone, a map that was made for one task tells little of what it had
            no use for; a later task finds that again past them (a projection shortcut: He et al. 2016, section 3.2).
    """

    def __init__(
        self,
        channels: list[int],
        strides: list[int],
        *,
        middle: int = 512,
        width: int = 256,
        shortcut: bool = False,
    ) -> None:
        super().__init__()
        if min(middle, width) < 1:
            raise SettingError(f"middle and width must be 1 or more, got {middle} and {width}")
        fine, coarse = channels[-2:]
        self.layers = nn.Sequential(conv_norm_act(fine + coarse, middle, 1), conv_norm_act(middle, width, 3))
        self.shortcut: nn.Conv2d | None = None
        if shortcut:
            # No chance is drawn for it, so all other parts begin as they do without. Torch tells no types of skip_init.
            self.shortcut = skip_init(nn.Conv2d, fine + coarse, width, 1, bias=False)  # type: ignore[no-untyped-call]
            nn.init.zeros_(self.shortcut.weight)
        self.channels, self.strides = [width], [strides[-2]]

    def forward(self, pyramid: Pyramid) -> Pyramid:
        """Levels in, one out."""
        fine, coarse = pyramid.levels[-2:]
        coarse = F.interpolate(coarse, size=fine.shape[-2:], mode="bilinear", align_corners=False)
        both = torch.cat([fine, coarse], dim=1)
        level = self.layers(both)
        if self.shortcut is not None:
            level = level + self.shortcut(both)
        return Pyramid([level], pyramid.canvas)
