"""Changes of an image that leave its objects as they are: blur, noise, JPEG and light, at one strength each.

Blur, noise and JPEG are about as strong as the third of the five levels of Hendrycks and Dietterich (ICLR 2019). Blur
is relative to the size of the image, so that it means the same for images of any size.
"""

import io

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors as tv
from torchvision.transforms.v2.functional import pil_to_tensor, to_pil_image

from polyhead.contracts.modality import Change
from polyhead.modalities.image.attribution import blurred

BLUR, NOISE, QUALITY, LIGHT = 0.01, 0.15, 15, 0.5
"""Standard deviation of the blur (fraction of the longer side; at least 1 pixel) and of the noise (of the range of
values), JPEG quality, and the fraction of the way to black or white."""

Pixels = UInt8[Tensor, "3 h w"]
"""An image; the network's transforms take torchvision's type, which is one."""


def blur(image: Pixels, seed: int) -> tv.Image:
    """Convolve with a Gaussian."""
    del seed
    sigma = max(1.0, BLUR * max(image.shape[-2:]))
    if min(image.shape[-2:]) <= round(2 * sigma):  # its border cannot be reflected
        return tv.Image(image)
    return tv.Image(blurred(image.as_subclass(Tensor)[None], sigma)[0])


def noise(image: Pixels, seed: int) -> tv.Image:
    """Add normal noise to each value."""
    drawn = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))
    return _rounded(image.float() + 255 * NOISE * drawn)


def jpeg(image: Pixels, seed: int) -> tv.Image:
    """Compress as JPEG."""
    del seed
    buffer = io.BytesIO()
    to_pil_image(image.as_subclass(Tensor)).save(buffer, "JPEG", quality=QUALITY)
    with Image.open(buffer) as compressed:
        return tv.Image(pil_to_tensor(compressed))


def darker(image: Pixels, seed: int) -> tv.Image:
    """Move all values towards black."""
    del seed
    return _rounded(image.float() * (1 - LIGHT))


def brighter(image: Pixels, seed: int) -> tv.Image:
    """Move all values towards white."""
    del seed
    return _rounded(255 - (255 - image.float()) * (1 - LIGHT))


def _rounded(values: Tensor) -> tv.Image:
    return tv.Image(values.round().clamp(0, 255).to(torch.uint8))


CHANGES: dict[str, Change] = {
    "blur": blur,
    "noise": noise,
    f"JPEG {QUALITY}": jpeg,
    "darker": darker,
    "brighter": brighter,
}
"""The changes by name."""
