"""Color augmentation of uint8 images with look-up tables and matrices.

They replace torchvision's color transforms because hue alone takes two thirds of the time of a torchvision pipeline.
"""

from math import cos, radians, sin, sqrt
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torchvision import tv_tensors as tv
from torchvision.transforms import v2

LEVELS = np.arange(256)
HUES = 180  # OpenCV stores the hue of uint8 images in steps of two degrees


class PhotometricDistortion(v2.Transform):  # type: ignore[misc]  # torchvision's own annotations end at Any
    """Random changes of brightness, contrast, saturation and hue, each with probability 0.5 (SSD, section 2.2).

    Draws only from torch's global generator. Accepts any input of torchvision's v2 transforms; only uint8 RGB images
    ``[3, h, w]`` are changed. Channels are never permuted, as in the paper's released configuration.

    Args:
        brightness: maximum absolute offset of every channel, 0..255.
        contrast: the factor is drawn from ``1 - contrast`` to ``1 + contrast``.
        saturation: the factor is drawn from ``1 - saturation`` to ``1 + saturation``.
        hue: maximum absolute rotation in degrees.
    """

    _transformed_types = (tv.Image,)

    def __init__(
        self, brightness: float = 32.0, contrast: float = 0.5, saturation: float = 0.5, hue: float = 18
    ) -> None:
        super().__init__()
        self.brightness, self.contrast, self.saturation, self.hue = brightness, contrast, saturation, hue

    def make_params(self, flat_inputs: list[Any]) -> dict[str, float]:
        """Draw one number for each of the four changes; 0 means no change."""
        del flat_inputs
        limits = torch.tensor([self.brightness, self.contrast, self.saturation, self.hue])
        draws = (2 * torch.rand(4) - 1) * limits * (torch.rand(4) < 0.5)
        return dict(zip(("brightness", "contrast", "saturation", "hue"), draws.tolist(), strict=True))

    def transform(self, inpt: tv.Image, params: dict[str, float]) -> tv.Image:
        """Return the image with the drawn changes applied."""
        image = np.ascontiguousarray(inpt.permute(1, 2, 0).numpy())  # [h, w, 3]
        changed = distort(image, **params)
        return inpt if changed is image else tv.Image(torch.from_numpy(changed).permute(2, 0, 1))  # [3, h, w]


def distort(
    image: NDArray[np.uint8], brightness: float, contrast: float, saturation: float, hue: float
) -> NDArray[np.uint8]:
    """Return a color-distorted copy of uint8 RGB ``[h, w, 3]``, or the same array if all four values are 0.

    Args:
        image: the image.
        brightness: added to every channel.
        contrast: channels are multiplied by ``1 + contrast``.
        saturation: the saturation is multiplied by ``1 + saturation``.
        hue: rotation in degrees.
    """
    if brightness or contrast:
        image = cv2.LUT(image, _table((LEVELS + brightness) * (1 + contrast)))  # type: ignore[assignment]  # cv2 says any dtype
    if saturation or hue:
        # One table per channel of HSV; the value is left as it is. [3, 256]
        table = np.stack([_table((LEVELS + round(hue / 2)) % HUES), _table(LEVELS * (1 + saturation)), _table(LEVELS)])
        hsv = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), np.ascontiguousarray(table.T[None]))  # [h, w, 3]
        image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)  # type: ignore[assignment]  # cv2 says any dtype
    return image


def color_matrix(hue: float, saturation: float, value: float) -> NDArray[np.float64]:
    """Return a change of hue, saturation and value as one RGB matrix ``[3, 3]``.

    The changes are linear versions of those of the HSV model: hue rotates colors around the gray axis, and saturation
    moves them away from the gray of their mean. On an image this takes a tenth of the time of converting to HSV and
    back.

    Args:
        hue: rotation in degrees; 120 maps red to green.
        saturation: factor; 0 makes the image gray.
        value: factor of all channels.
    """
    angle, gray = radians(hue), np.ones((3, 3)) / 3  # projects a color onto the gray axis
    # The cross product with the unit vector of the gray axis: Rodrigues' formula needs it.
    cross = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / sqrt(3)
    rotation = cos(angle) * (np.eye(3) - gray) + sin(angle) * cross  # of the part across the gray axis
    return value * (gray + saturation * rotation)


def recolor(image: NDArray[np.uint8], matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Multiply every pixel of uint8 RGB ``[h, w, 3]`` by a matrix ``[3, 3]``; round and clip to 0..255."""
    return cv2.transform(image, matrix)  # type: ignore[return-value]  # cv2 says any dtype


def _table(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a look-up table of 256 levels, rounded and clipped to uint8."""
    return values.round().clip(0, 255).astype(np.uint8)
