"""Drawing primitives for synthetic scenes: anti-aliased polygons, textures and landscapes on uint8 RGB arrays."""

import colorsys
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from polyhead.data.synthetic.shapes import Color, Points, Sky
from polyhead.rng import derive_seed

Canvas = NDArray[np.uint8]
"""An image, uint8 RGB ``[h, w, 3]``."""

Plane = NDArray[np.float32]
"""One coordinate of every pixel, ``[h, w]``."""

Choice = TypeVar("Choice")

SHIFT = 4  # fractional bits of OpenCV's fixed-point coordinates


class SceneRNG:
    """The random number generator of one scene, seeded by a key such as seed, domain and index."""

    def __init__(self, *parts: int | str) -> None:
        self._generator = torch.Generator().manual_seed(derive_seed(*parts))
        self._pool: list[float] = []  # drawing hundreds at once takes as long as drawing two

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Draw a number between ``low`` and ``high``."""
        if not self._pool:
            self._pool = torch.rand(256, dtype=torch.float64, generator=self._generator).tolist()
        return low + (high - low) * self._pool.pop()

    def uniform_array(self, *shape: int) -> Points:
        """Draw an array of numbers between 0 and 1."""
        return np.array([self.uniform() for _ in range(prod(shape))]).reshape(shape)

    def integer(self, count: int) -> int:
        """Draw an integer from 0 to ``count - 1``."""
        return int(self.uniform() * count)

    def choice(self, choices: Sequence[Choice]) -> Choice:
        """Draw one of ``choices``."""
        return choices[self.integer(len(choices))]

    def permutation(self, count: int) -> list[int]:
        """Draw a random order of the numbers from 0 to ``count - 1``."""
        return list(torch.randperm(count, generator=self._generator).tolist())

    def noise(self, count: int) -> NDArray[np.uint8]:
        """Draw ``count`` integers from 0 to 15; each 64-bit draw gives eight of them."""
        words = torch.empty(count // 8 + 1, dtype=torch.int64).random_(generator=self._generator)
        return words.numpy().view(np.uint8)[:count] & np.uint8(15)


class PixelPatch(NamedTuple):
    """The region of a canvas around a polygon.

    Attributes:
        rows: its rows of the canvas.
        columns: its columns of the canvas.
        coverage: how much of each pixel the polygon covers, uint8 ``[rows, columns]``.
    """

    rows: slice
    columns: slice
    coverage: NDArray[np.uint8]


def landscape(sky: Sky, size: tuple[int, int], rng: SceneRNG) -> Canvas:
    """Draw a sky with soft clouds above two rows of hills; ``size`` is height and width."""
    height, width = size
    down = np.linspace(0, 1, 9)[:, None]  # [9, 1]
    gradient = (1 - down) * sky.top + down * sky.horizon  # [9, 3]
    # Clouds are noise on a coarse grid, which the cubic interpolation makes soft. [9, 7, 3]
    small = (gradient[:, None] + 24 * rng.uniform_array(9, 7, 1) - 12).clip(0, 255).astype(np.uint8)
    canvas = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    x = np.linspace(0, width, 24)
    for base, color in ((0.62, sky.far), (0.78, sky.near)):
        phases = 2 * np.pi * rng.uniform_array(2)
        tops = base + 0.05 * np.sin(x / width * 7 + phases[0]) + 0.03 * np.sin(x / width * 15 + phases[1])  # [24]
        hill = np.concatenate([np.stack([x, tops * height], 1), [[width, height], [0, height]]])  # [26, 2]
        fill_polygon(canvas, hill, color)
    return canvas


def fill_polygon(canvas: Canvas, points: Points, color: Color) -> None:
    """Fill a polygon with one color, in place."""
    cv2.fillPoly(canvas, [_fixed(points)], color, cv2.LINE_AA, SHIFT)


def draw_line(canvas: Canvas, points: Points, color: Color, thickness: int) -> None:
    """Draw an open line through points, in place."""
    cv2.polylines(canvas, [_fixed(points)], False, color, thickness, cv2.LINE_AA, SHIFT)


def fill_circle(canvas: Canvas, center: Points, radius: float, color: Color) -> None:
    """Fill a circle with one color, in place."""
    x, y = _fixed(center).tolist()
    cv2.circle(canvas, (x, y), round(radius * (1 << SHIFT)), color, cv2.FILLED, cv2.LINE_AA, SHIFT)


def to_pixels(points: Points, center: Points, radius: float, degrees: float) -> Points:
    """Rotate points of the square from -1 to 1, scale them by ``radius`` and move them to ``center``, in pixels."""
    angle = np.deg2rad(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(points @ rotation.T * radius + center)


def rasterize(points: Points, size: tuple[int, ...]) -> PixelPatch | None:
    """Return the pixels of a polygon on a canvas of height and width ``size``; None if it is outside."""
    low = np.maximum(np.floor(points.min(0)).astype(int), 0)
    high = np.minimum(np.ceil(points.max(0)).astype(int) + 1, (size[1], size[0]))
    width, height = (high - low).tolist()
    if width <= 0 or height <= 0:
        return None
    coverage = np.zeros((height, width), np.uint8)
    cv2.fillPoly(coverage, [_fixed(points - low)], 255.0, cv2.LINE_AA, SHIFT)
    return PixelPatch(slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0])), coverage)


def blend(canvas: Canvas, patch: PixelPatch, paint: Canvas) -> None:
    """Paint over the canvas in place, as far as the patch covers it; ``paint`` has the size of the patch."""
    weight = patch.coverage * np.float32(1 / 255)  # [h, w], 0..1
    region = patch.rows, patch.columns
    canvas[region] = cv2.blendLinear(paint, canvas[region], weight, 1 - weight)


def darken(canvas: Canvas, patch: PixelPatch, strength: float) -> None:
    """Draw a soft shadow in place: where the patch covers the canvas, it loses up to ``strength`` of its light."""
    light = cv2.convertScaleAbs(cv2.blur(patch.coverage, (5, 5)), alpha=-strength, beta=255)  # [h, w]
    region = patch.rows, patch.columns
    canvas[region] = cv2.multiply(canvas[region], cv2.merge([light] * 3), scale=1 / 255)


def vivid_color(rng: SceneRNG) -> Color:
    """Draw a saturated, bright color of any hue."""
    red, green, blue = colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(0.55, 0.95), rng.uniform(0.65, 1.0))
    return red * 255, green * 255, blue * 255


def texture(shape: tuple[int, ...], radius: float, rng: SceneRNG) -> Canvas:
    """Draw a texture ``[h, w, 3]``: stripes, checks, dots or a uniform color, in two shades of a vivid color.

    Args:
        shape: height and width.
        radius: radius of the object in pixels; the period of the pattern is 0.15 to 0.3 of it.
        rng: the scene's random numbers.
    """
    base = np.array(vivid_color(rng))
    shade = base * 0.6 if rng.uniform() < 0.6 else base + (255 - base) * 0.6
    angle, period = rng.uniform(0.0, np.pi), max(radius * rng.uniform(0.15, 0.3), 1.5)
    across, down = np.float32(np.cos(angle) / period), np.float32(np.sin(angle) / period)
    x, y = np.arange(shape[1], dtype=np.float32), np.arange(shape[0], dtype=np.float32)[:, None]  # [w], [h, 1]
    u, v = x * across + y * down + OFFSET, y * across - x * down + OFFSET  # [h, w] each, in periods
    second = np.ascontiguousarray(np.broadcast_to(rng.choice(PATTERNS)(u, v), shape), np.uint8)  # [h, w]: 0 or 1
    table = np.array([base, shade]).round().astype(np.uint8)  # [2, 3]
    return np.asarray(cv2.merge([table[second, channel] for channel in range(3)]))


def _checks(u: Plane, v: Plane) -> NDArray[np.int32]:
    return (u.astype(np.int32) ^ v.astype(np.int32)) & 1


def _dots(u: Plane, v: Plane) -> NDArray[np.bool_]:
    return (u % 2 - 1) ** 2 + (v % 2 - 1) ** 2 < 0.36


OFFSET = np.float32(4096)  # keeps coordinates positive, so that truncation rounds down
PATTERNS: tuple[Callable[[Plane, Plane], NDArray[Any]], ...] = (
    lambda u, v: np.zeros(1),
    lambda u, v: u.astype(np.int32) & 1,
    _checks,
    _dots,
)
"""Uniform color, stripes, checks and dots; each returns which of the two shades a pixel has."""


def _fixed(points: Points) -> NDArray[np.int32]:
    """Return points in OpenCV's fixed-point format."""
    return (points * (1 << SHIFT)).round().astype(np.int32)
