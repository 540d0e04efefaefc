"""Colours of uint8 pictures changed by look-up tables and matrices; hue costs torchvision two thirds of a pipeline."""

from math import cos, radians, sin, sqrt
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torchvision import tv_tensors as tv
from torchvision.transforms import v2

LEVELS = np.arange(256)
HUES = 180  # OpenCV keeps half degrees


class PhotometricDistortion(v2.Transform):  # type: ignore[misc]  # torchvision's own annotations end at Any
    """Brightness, contrast, saturation and hue, each changed in half of the pictures (SSD, section 2.2).

    Draws from torch's global generator alone. Takes anything that torchvision's v2 transforms take; only uint8 RGB
    pictures ``[3, h, w]`` are changed. The channels are never permuted: the paper's released configuration does not.

    Args:
        brightness: added to every channel, at most so much either way, 0..255.
        contrast: factor between ``1 - contrast`` and ``1 + contrast``.
        saturation: factor between ``1 - saturation`` and ``1 + saturation``.
        hue: degrees, at most so many either way.
    """

    _transformed_types = (tv.Image,)

    def __init__(
        self, brightness: float = 32.0, contrast: float = 0.5, saturation: float = 0.5, hue: float = 18
    ) -> None:
        super().__init__()
        self.brightness, self.contrast, self.saturation, self.hue = brightness, contrast, saturation, hue

    def make_params(self, flat_inputs: list[Any]) -> dict[str, float]:
        """One number for each of the four; 0 changes nothing."""
        del flat_inputs
        spans = torch.tensor([self.brightness, self.contrast, self.saturation, self.hue])
        draws = (2 * torch.rand(4) - 1) * spans * (torch.rand(4) < 0.5)
        return dict(zip(("brightness", "contrast", "saturation", "hue"), draws.tolist(), strict=True))

    def transform(self, inpt: tv.Image, params: dict[str, float]) -> tv.Image:
        """The picture with these four changes."""
        picture = np.ascontiguousarray(inpt.permute(1, 2, 0).numpy())
        changed = distort(picture, **params)
        return inpt if changed is picture else tv.Image(torch.from_numpy(changed).permute(2, 0, 1))


def distort(
    picture: NDArray[np.uint8], brightness: float, contrast: float, saturation: float, hue: float
) -> NDArray[np.uint8]:
    """Change uint8 RGB ``[h, w, 3]``: add brightness, multiply by 1 + contrast and 1 + saturation, turn by hue."""
    if brightness or contrast:
        picture = cv2.LUT(picture, _table((LEVELS + brightness) * (1 + contrast)))  # type: ignore[assignment]  # cv2 says any dtype
    if saturation or hue:
        table = np.stack([_table((LEVELS + round(hue / 2)) % HUES), _table(LEVELS * (1 + saturation)), _table(LEVELS)])
        turned = cv2.LUT(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV), np.ascontiguousarray(table.T[None]))
        picture = cv2.cvtColor(turned, cv2.COLOR_HSV2RGB)  # type: ignore[assignment]  # cv2 says any dtype
    return picture


def colour_matrix(hue: float, saturation: float, value: float) -> NDArray[np.float64]:
    """Three changes of RGB as one matrix ``[3, 3]``.

    The three are those of the HSV model, but as linear ones: hue turns colours around the grey axis, saturation moves
    them away from the grey of their mean. On a picture this takes a tenth of the time of the way to HSV and back.

    Args:
        hue: degrees; 120 takes red to green.
        saturation: factor; 0 makes grey.
        value: factor of all channels.
    """
    turn, ones = radians(hue), np.ones((3, 3)) / 3
    across = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / sqrt(3)
    turned = cos(turn) * (np.eye(3) - ones) + sin(turn) * across
    return value * (ones + saturation * turned)


def recolour(picture: NDArray[np.uint8], matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Every pixel of uint8 RGB ``[h, w, 3]`` multiplied by a matrix ``[3, 3]``, rounded and clipped to 0..255."""
    return cv2.transform(picture, matrix)  # type: ignore[return-value]  # cv2 says any dtype


def _table(values: NDArray[Any]) -> NDArray[np.uint8]:
    return values.round().clip(0, 255).astype(np.uint8)
