"""Maps that know nothing of the network, or nothing but a box: what a map must be better than."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from polyhead.types import Size

GRID = 10
"""Cells on a side of the coarse random map."""


def gaussian(size: Size, box: Float[Tensor, "4"] | None = None) -> Float[Tensor, "h w"]:
    """Return a Gaussian of the shape of a box, or of the whole canvas: its standard deviations are a quarter of it.

    Args:
        size: height and width of the canvas.
        box: xyxy in pixels; None for one in the middle of the canvas.
    """
    height, width = size
    x1, y1, x2, y2 = (0.0, 0.0, float(width), float(height)) if box is None else box.tolist()
    rows, columns = torch.arange(height) + 0.5, torch.arange(width) + 0.5
    down = ((rows - (y1 + y2) / 2) / max(1.0, (y2 - y1) / 4)).square()  # [h]
    across = ((columns - (x1 + x2) / 2) / max(1.0, (x2 - x1) / 4)).square()  # [w]
    return torch.exp(-0.5 * (down[:, None] + across[None]))


def coarse_noise(size: Size, generator: torch.Generator) -> Float[Tensor, "h w"]:
    """Return random values of a few cells, enlarged."""
    cells = torch.rand(1, 1, GRID, GRID, generator=generator)
    return F.interpolate(cells, size=size, mode="bilinear", align_corners=False)[0, 0]


def noise(size: Size, generator: torch.Generator) -> Float[Tensor, "h w"]:
    """Return a random value for each pixel."""
    return torch.rand(size, generator=generator)
