"""Numbers about an image that the errors of a network may depend on."""

import math

import torch
from jaxtyping import UInt8
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the brightness of a pixel (ITU-R BT.601)."""


def image_facts(image: UInt8[Tensor, "3 h w"]) -> dict[str, float]:
    """Return the brightness (mean of the pixels, 0..1), their standard deviation, and the size and form of an image.

    The side is that of a square with as many pixels, the aspect is width / height.
    """
    means = image.as_subclass(Tensor).float().reshape(3, -1) / 255  # [3, h * w]
    luma = torch.tensor(LUMA) @ means  # [h * w]
    height, width = image.shape[-2:]
    return {
        "brightness": float(luma.mean()),
        "contrast": float(luma.std(correction=0)),
        "image side": math.sqrt(height * width),
        "image aspect": width / height,
    }
