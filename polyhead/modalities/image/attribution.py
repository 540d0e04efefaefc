"""Attributions of images: mapped back to the original, and images whose most important pixels are hidden or shown."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from polyhead.types import Meta, Size

GRAY = 114
"""The value of hidden pixels, which is that of padding too, so that networks have seen it."""


def resized(values: Float[Tensor, "h w"], size: Size) -> Float[Tensor, "_ _"]:
    """Resize a map to the pixels of the canvas, so that cells become smooth."""
    return F.interpolate(values[None, None].float(), size=size, mode="bilinear", align_corners=False)[0, 0]


def on_image(values: Float[Tensor, "h w"], meta: Meta, canvas: Size) -> Float[np.ndarray, "_ _"]:
    """Return the value of each pixel of the original image.

    Args:
        values: the map of the canvas, of any size.
        meta: maps the canvas back to the image.
        canvas: height and width of the canvas.
    """
    pixels: Float[np.ndarray, "_ _"] = meta.raster(resized(values.cpu(), canvas), 0).numpy()
    return pixels


def hidden_and_shown(
    image: UInt8[Tensor, "1 3 h w"], values: Float[Tensor, "_ _"], fractions: Sequence[float]
) -> tuple[UInt8[Tensor, "f 3 h w"], UInt8[Tensor, "f 3 h w"]]:
    """Hide the most important pixels of an image behind gray, and show only these in a blurred image.

    Args:
        image: a batch of one image.
        values: the map, of any size.
        fractions: the fraction of the pixels for each result.

    Returns:
        The images with pixels hidden, and those with pixels shown.
    """
    height, width = image.shape[-2:]
    importance = resized(values, (height, width)).flatten()
    # The order of equal values is random, else a map that is 0 nearly everywhere would hide the image row by row.
    mixed = torch.randperm(len(importance), generator=torch.Generator().manual_seed(0))
    order = mixed[importance[mixed].argsort(descending=True, stable=True)]
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order))
    most = torch.tensor([round(fraction * len(order)) for fraction in fractions])
    first = (rank[None] < most[:, None]).reshape(-1, 1, height, width).to(image.device)  # [f, 1, h, w]
    shown = torch.where(first, image, blurred(image, max(1.0, max(height, width) / 20)))
    return torch.where(first, torch.full_like(image, GRAY), image), shown


def blurred(image: UInt8[Tensor, "1 3 h w"], sigma: float) -> UInt8[Tensor, "1 3 h w"]:
    """Return an image that is convolved with a Gaussian, whose borders are reflected.

    Rows are convolved before columns: torchvision's ``gaussian_blur`` convolves with a square, which is slow for the
    wide Gaussians that are needed here.
    """
    radius = round(2 * sigma)
    weights = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=image.device) / sigma).square())
    weights = weights / weights.sum()
    pixels = image.transpose(0, 1).float()  # [3, 1, h, w]
    for kernel in (weights.reshape(1, 1, 1, -1), weights.reshape(1, 1, -1, 1)):
        side = [radius * (length > 1) for length in kernel.shape[2:]]  # in rows, in columns
        padded = F.pad(pixels, (side[1], side[1], side[0], side[0]), mode="reflect")
        pixels = F.conv2d(padded, kernel)
    return pixels.round().to(torch.uint8).transpose(0, 1)
