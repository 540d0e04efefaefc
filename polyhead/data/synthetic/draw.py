"""Painting for synthetic scenes: outlines, textures and landscapes on uint8 RGB arrays, smooth-edged."""

import colorsys
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from polyhead.rng import key

Canvas = NDArray[np.uint8]
Points = NDArray[np.float64]
Colour = tuple[float, float, float]

Plane = NDArray[np.float32]
Choice = TypeVar("Choice")

SHIFT = 4  # fractional bits of OpenCV's coordinates


class Dice:
    """What one scene draws from; a function of what its key is made from."""

    def __init__(self, *parts: int | str) -> None:
        self._generator = torch.Generator().manual_seed(key(*parts))
        self._pool: list[float] = []  # drawing hundreds at once takes as long as drawing two

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number between ``low`` and ``high``."""
        if not self._pool:
            self._pool = torch.rand(256, dtype=torch.float64, generator=self._generator).tolist()
        return low + (high - low) * self._pool.pop()

    def spread(self, *shape: int) -> Points:
        """An array of numbers between 0 and 1."""
        return np.array([self.uniform() for _ in range(prod(shape))]).reshape(shape)

    def below(self, count: int) -> int:
        """A whole number from 0 to ``count - 1``."""
        return int(self.uniform() * count)

    def pick(self, choices: Sequence[Choice]) -> Choice:
        """One of ``choices``."""
        return choices[self.below(len(choices))]

    def order(self, count: int) -> list[int]:
        """The numbers from 0 to ``count - 1``, shuffled."""
        return list(torch.randperm(count, generator=self._generator).tolist())

    def grain(self, count: int) -> NDArray[np.uint8]:
        """Whole numbers from 0 to 15, eight from each draw."""
        words = torch.empty(count // 8 + 1, dtype=torch.int64).random_(generator=self._generator)
        return words.numpy().view(np.uint8)[:count] & np.uint8(15)


class Layer(NamedTuple):
    """A polygon in the square from -1 to 1, y down, and its colour."""

    points: Points
    colour: Colour


class Kind(NamedTuple):
    """A thing that can be drawn.

    Attributes:
        name: of the class.
        outline: its silhouette, a polygon in the square from -1 to 1, y down.
        layers: painted one over the other, inside the outline; without any the outline gets a drawn texture.
        turn: the most degrees it is turned by, either way.
        pole: whether it stands on one, which hides what is behind.
    """

    name: str
    outline: Points
    layers: tuple[Layer, ...] = ()
    turn: float = 180.0
    pole: bool = False


class Sky(NamedTuple):
    """A kind of scene: colours at the top and the horizon, of near and far hills, and the light on everything."""

    name: str
    top: Colour
    horizon: Colour
    far: Colour
    near: Colour
    light: Colour = (1.0, 1.0, 1.0)


def around(corners: int, inner: float = 1.0, start: float = -90.0) -> Points:
    """A regular polygon of radius 1, or a star whose inner corners have radius ``inner``."""
    count = corners if inner == 1.0 else 2 * corners
    angles = np.deg2rad(start + np.arange(count) * 360 / count)
    radii = np.where(np.arange(count) % 2, inner, 1.0)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)


def rectangle(left: float, top: float, right: float, bottom: float) -> Points:
    """Four corners."""
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def _cross() -> Points:
    arm = 0.36
    quarter = np.array([[-arm, -1], [arm, -1], [arm, -arm]])
    turn = np.array([[0, -1], [1, 0]])
    return np.concatenate([quarter @ np.linalg.matrix_power(turn, k).T for k in range(4)])


def _heart() -> Points:
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([16 * np.sin(t) ** 3, -y - 2.5], 1) / 16


def _crescent() -> Points:
    outer = np.deg2rad(np.linspace(50, 310, 30))
    inner = np.deg2rad(np.linspace(295, 65, 24))
    return np.concatenate(
        [
            np.stack([np.cos(outer), np.sin(outer)], 1),
            np.stack([0.35 + 0.74 * np.cos(inner), 0.85 * np.sin(inner)], 1),
        ]
    )


WHITE, BLACK, RED, BLUE, YELLOW = (
    (240.0, 240.0, 236.0), (30.0, 30.0, 34.0), (200.0, 32.0, 38.0), (28.0, 84.0, 176.0), (244.0, 190.0, 26.0),
)  # fmt: skip
GREEN, BROWN, PINK, ORANGE, VIOLET, LILAC, LIGHT, OLIVE, LIME = (
    (52.0, 132.0, 48.0), (96.0, 62.0, 36.0), (236.0, 140.0, 140.0), (240.0, 132.0, 24.0), (92.0, 40.0, 120.0),
    (172.0, 128.0, 196.0), (252.0, 232.0, 120.0), (134.0, 158.0, 46.0), (186.0, 204.0, 84.0),
)  # fmt: skip
DISC = around(40)
OCTAGON = around(8, start=22.5)
DELTA = around(3, start=90.0)
DIAMOND = around(4)
PLATE = rectangle(-0.85, -0.85, 0.85, 0.85)
LETTER = np.array(
    [[-0.42, -0.6], [0.15, -0.6], [0.45, -0.4], [0.45, 0.0], [0.15, 0.2], [-0.12, 0.2], [-0.12, 0.6], [-0.42, 0.6]]
)
ARROW = np.array([[0, -0.7], [0.5, -0.1], [0.18, -0.1], [0.18, 0.62], [-0.18, 0.62], [-0.18, -0.1], [-0.5, -0.1]])

OVAL = DISC * [0.78, 1.0]
GLEAM = DISC * [0.16, 0.24] + [-0.36, -0.3]
LEAF = DISC * [0.3, 0.13] + [0.3, -0.8]
STALK = rectangle(-0.07, -1.0, 0.07, -0.62)


def _bulge(*points: tuple[float, float]) -> Points:
    """A silhouette that is the same on both sides, from its right half, top to bottom."""
    right = np.array(points)
    return np.concatenate([right, right[::-1] * [-1, 1]])


APPLE = _bulge(
    (0.08, -0.95), (0.1, -0.62), (0.45, -0.74), (0.85, -0.5), (0.95, 0.0), (0.8, 0.55), (0.45, 0.95), (0.15, 0.9)
)
LEMON = _bulge((0.12, -1.0), (0.25, -0.8), (0.6, -0.45), (0.72, 0.0), (0.6, 0.45), (0.25, 0.8), (0.12, 1.0))
PEAR = _bulge((0.07, -1.0), (0.22, -0.75), (0.3, -0.35), (0.6, 0.0), (0.75, 0.4), (0.6, 0.8), (0.25, 1.0))

SHAPES = (
    Kind("circle", DISC),
    Kind("square", PLATE, turn=25.0),
    Kind("triangle", around(3)),
    Kind("star", around(5, inner=0.42)),
    Kind("cross", _cross(), turn=25.0),
)
SIGNS = (
    Kind(
        "stop",
        OCTAGON,
        (Layer(OCTAGON, WHITE), Layer(OCTAGON * 0.9, RED), Layer(rectangle(-0.62, -0.2, 0.62, 0.2), WHITE)),
        turn=8.0,
        pole=True,
    ),
    Kind("yield", DELTA, (Layer(DELTA, RED), Layer(DELTA * 0.58, WHITE)), turn=8.0, pole=True),
    Kind(
        "priority",
        DIAMOND,
        (Layer(DIAMOND, WHITE), Layer(DIAMOND * 0.9, BLACK), Layer(DIAMOND * 0.8, YELLOW)),
        turn=8.0,
        pole=True,
    ),
    Kind(
        "parking",
        PLATE,
        (
            Layer(PLATE, WHITE),
            Layer(PLATE * 0.9, BLUE),
            Layer(LETTER, WHITE),
            Layer(rectangle(-0.12, -0.32, 0.16, -0.06), BLUE),
        ),
        turn=8.0,
        pole=True,
    ),
    Kind("ahead", DISC, (Layer(DISC, WHITE), Layer(DISC * 0.92, BLUE), Layer(ARROW, WHITE)), turn=8.0, pole=True),
)
FRUIT = (
    Kind("apple", APPLE, (Layer(APPLE, RED), Layer(STALK, BROWN), Layer(LEAF, GREEN), Layer(GLEAM, PINK)), turn=25.0),
    Kind("orange", DISC, (Layer(DISC, ORANGE), Layer(around(6, inner=0.5) * 0.24, GREEN)), turn=180.0),
    Kind("plum", OVAL, (Layer(OVAL, VIOLET), Layer(GLEAM, LILAC)), turn=40.0),
    Kind("lemon", LEMON, (Layer(LEMON, LIGHT), Layer(LEMON * 0.82, YELLOW)), turn=60.0),
    Kind("pear", PEAR, (Layer(PEAR, OLIVE), Layer(PEAR * 0.6 + [0.1, 0.16], LIME), Layer(STALK, BROWN)), turn=25.0),
)
STRANGERS = (
    Kind("heart", _heart(), turn=30.0),
    Kind("crescent", _crescent()),
    Kind("bolt", np.array([[0.2, -1], [-0.6, 0.2], [-0.1, 0.2], [-0.3, 1], [0.6, -0.3], [0.05, -0.3]]), turn=30.0),
)
DAWN, DUSK, NIGHT = (1.0, 0.95, 0.92), (0.95, 0.8, 0.78), (0.68, 0.72, 0.9)
SKIES = (
    Sky("dawn", (126.0, 148.0, 204.0), (250.0, 206.0, 180.0), (170.0, 140.0, 160.0), (112.0, 98.0, 118.0), DAWN),
    Sky("day", (74.0, 144.0, 216.0), (198.0, 226.0, 242.0), (128.0, 170.0, 132.0), (78.0, 128.0, 74.0)),
    Sky("dusk", (88.0, 54.0, 106.0), (248.0, 140.0, 78.0), (130.0, 72.0, 84.0), (74.0, 44.0, 66.0), DUSK),
    Sky("night", (14.0, 18.0, 46.0), (48.0, 60.0, 104.0), (30.0, 40.0, 70.0), (18.0, 24.0, 42.0), NIGHT),
)


def landscape(sky: Sky, size: tuple[int, int], dice: Dice) -> Canvas:
    """A sky with soft clouds above two rows of hills."""
    height, width = size
    down = np.linspace(0, 1, 9)[:, None]
    gradient = (1 - down) * sky.top + down * sky.horizon
    small = (gradient[:, None] + 24 * dice.spread(9, 7, 1) - 12).clip(0, 255).astype(np.uint8)
    canvas = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    x = np.linspace(0, width, 24)
    for base, colour in ((0.62, sky.far), (0.78, sky.near)):
        waves = 2 * np.pi * dice.spread(2)
        tops = base + 0.05 * np.sin(x / width * 7 + waves[0]) + 0.03 * np.sin(x / width * 15 + waves[1])
        hill = np.concatenate([np.stack([x, tops * height], 1), [[width, height], [0, height]]])
        fill(canvas, hill, colour)
    return canvas


def fill(canvas: Canvas, points: Points, colour: Colour) -> None:
    """Fill a polygon with one colour, in place."""
    cv2.fillPoly(canvas, [_fixed(points)], colour, cv2.LINE_AA, SHIFT)


def stroke(canvas: Canvas, points: Points, colour: Colour, thickness: int) -> None:
    """Draw an open line through points, in place."""
    cv2.polylines(canvas, [_fixed(points)], False, colour, thickness, cv2.LINE_AA, SHIFT)


def place(points: Points, centre: Points, radius: float, degrees: float) -> Points:
    """Points of the square from -1 to 1 turned, scaled and moved to pixels."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(points @ turn.T * radius + centre)


def dot(canvas: Canvas, centre: Points, radius: float, colour: Colour) -> None:
    """Fill a small circle with one colour, in place."""
    x, y = _fixed(centre).tolist()
    cv2.circle(canvas, (x, y), round(radius * (1 << SHIFT)), colour, cv2.FILLED, cv2.LINE_AA, SHIFT)


class Patch(NamedTuple):
    """Where a polygon lies on the canvas, as slices of it, and how much of each pixel it covers, 0..255."""

    rows: slice
    columns: slice
    cover: NDArray[np.uint8]


def patch(points: Points, size: tuple[int, ...]) -> Patch | None:
    """The polygon's part of a canvas of height and width ``size``; None where it lies outside."""
    low = np.maximum(np.floor(points.min(0)).astype(int), 0)
    high = np.minimum(np.ceil(points.max(0)).astype(int) + 1, (size[1], size[0]))
    width, height = (high - low).tolist()
    if width <= 0 or height <= 0:
        return None
    cover = np.zeros((height, width), np.uint8)
    cv2.fillPoly(cover, [_fixed(points - low)], 255.0, cv2.LINE_AA, SHIFT)
    return Patch(slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0])), cover)


def blend(canvas: Canvas, where: Patch, paint: Canvas) -> None:
    """Lay ``paint``, uint8 ``[h, w, 3]`` of the patch's size, over the canvas as far as the patch covers it."""
    weight = where.cover * np.float32(1 / 255)
    here = where.rows, where.columns
    canvas[here] = cv2.blendLinear(paint, canvas[here], weight, 1 - weight)


def darken(canvas: Canvas, where: Patch, strength: float) -> None:
    """A soft shadow: the canvas loses up to ``strength`` of its light where the patch covers it."""
    light = cv2.convertScaleAbs(cv2.blur(where.cover, (5, 5)), alpha=-strength, beta=255)
    here = where.rows, where.columns
    canvas[here] = cv2.multiply(canvas[here], cv2.merge([light] * 3), scale=1 / 255)


def bright(dice: Dice) -> Colour:
    """A strong colour of any hue."""
    red, green, blue = colorsys.hsv_to_rgb(dice.uniform(), dice.uniform(0.55, 0.95), dice.uniform(0.65, 1.0))
    return red * 255, green * 255, blue * 255


def texture(shape: tuple[int, ...], radius: float, dice: Dice) -> Canvas:
    """uint8 ``[h, w, 3]`` of stripes, checks, dots or plain paint in two shades of a strong colour."""
    base = np.array(bright(dice))
    shade = base * 0.6 if dice.uniform() < 0.6 else base + (255 - base) * 0.6
    angle, period = dice.uniform(0.0, np.pi), max(radius * dice.uniform(0.15, 0.3), 1.5)
    across, down = np.float32(np.cos(angle) / period), np.float32(np.sin(angle) / period)
    x, y = np.arange(shape[1], dtype=np.float32), np.arange(shape[0], dtype=np.float32)[:, None]
    u, v = x * across + y * down + FAR, y * across - x * down + FAR
    second = np.ascontiguousarray(np.broadcast_to(dice.pick(PATTERNS)(u, v), shape), np.uint8)
    table = np.array([base, shade]).round().astype(np.uint8)
    return np.asarray(cv2.merge([table[second, channel] for channel in range(3)]))


def _checks(u: Plane, v: Plane) -> NDArray[np.int32]:
    return (u.astype(np.int32) ^ v.astype(np.int32)) & 1


def _dots(u: Plane, v: Plane) -> NDArray[np.bool_]:
    return (u % 2 - 1) ** 2 + (v % 2 - 1) ** 2 < 0.36


FAR = np.float32(4096)  # keeps coordinates positive, so that cutting decimals off rounds down
PATTERNS: tuple[Callable[[Plane, Plane], NDArray[Any]], ...] = (
    lambda u, v: np.zeros(1),
    lambda u, v: u.astype(np.int32) & 1,
    _checks,
    _dots,
)


def _fixed(points: Points) -> NDArray[np.int32]:
    return (points * (1 << SHIFT)).round().astype(np.int32)
