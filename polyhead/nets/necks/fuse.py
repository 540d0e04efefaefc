"""A neck that fuses the last two levels into one at the resolution of the finer level."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import skip_init

from polyhead.contracts.network import Neck
from polyhead.errors import PolyheadError, SettingError
from polyhead.nets.blocks import conv_norm_act
from polyhead.types import Pyramid, PyramidSpec


class Fuse(Neck):
    """Concatenation of the last two levels (the coarser one upsampled), then a 1x1 and a 3x3 convolution.

    Args:
        spec: channels and strides of the input levels; at least two.
        middle: channels between the two convolutions.
        width: channels of the output level.
        shortcut: add a 1x1 convolution of the concatenated levels, initialized to zero, so that the network starts as
            the same function as without it. Features fused for one task discard information that this task does not
            need; the shortcut lets later tasks bypass the fusion layers (a projection shortcut: He et al. 2016,
            section 3.2).
    """

    def __init__(
        self,
        spec: PyramidSpec,
        *,
        middle: int = 512,
        width: int = 256,
        shortcut: bool = False,
    ) -> None:
        super().__init__()
        if min(middle, width) < 1:
            raise SettingError(f"middle and width must be 1 or more, got {middle} and {width}")
        if len(spec.channels) < 2:
            raise PolyheadError(
                f"the neck fuses two levels, but the backbone has only that of stride {spec.strides[0]}. Use a "
                "backbone with two levels or more, or another model."
            )
        fine, coarse = spec.channels[-2:]
        self.layers = nn.Sequential(conv_norm_act(fine + coarse, middle, 1), conv_norm_act(middle, width, 3))
        self.shortcut: nn.Conv2d | None = None
        if shortcut:
            # skip_init draws no random numbers, so all other parts are initialized as without the shortcut.
            self.shortcut = skip_init(nn.Conv2d, fine + coarse, width, 1, bias=False)  # type: ignore[no-untyped-call]  # torch has no types for it
            nn.init.zeros_(self.shortcut.weight)
        self.channels, self.strides = [width], [spec.strides[-2]]

    def forward(self, pyramid: Pyramid) -> Pyramid:
        """Compute the fused level."""
        fine, coarse = pyramid.levels[-2:]
        coarse = F.interpolate(coarse, size=fine.shape[-2:], mode="bilinear", align_corners=False)
        both = torch.cat([fine, coarse], dim=1)  # [b, c_fine + c_coarse, h_fine, w_fine]
        level = self.layers(both)  # [b, width, h_fine, w_fine]
        if self.shortcut is not None:
            level = level + self.shortcut(both)
        return pyramid._replace(levels=[level])
