"""The catalog of synthetic scenes: outlines and colors of all object types, and the skies.

Coordinates of outlines are in the square from -1 to 1, y down.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""Points ``[n, 2]``, x and y."""

Color = tuple[float, float, float]
"""Red, green and blue, 0..255."""


class ShapeLayer(NamedTuple):
    """A polygon and its color."""

    points: Points
    color: Color


class ObjectType(NamedTuple):
    """A type of object that can be drawn.

    Attributes:
        name: name of the class.
        outline: its silhouette, a polygon.
        layers: polygons that are painted one over the other, inside the outline; without layers the outline is filled
            with a random texture.
        max_turn: maximum rotation in degrees, in both directions.
        pole: whether it stands on a pole, which hides what is behind it.
    """

    name: str
    outline: Points
    layers: tuple[ShapeLayer, ...] = ()
    max_turn: float = 180.0
    pole: bool = False


class Sky(NamedTuple):
    """A time of day.

    Attributes:
        name: name of the time of day.
        top: color of the top of the sky.
        horizon: color of the sky at the horizon.
        far: color of the far hills.
        near: color of the near hills.
        light: factor of each channel of the whole image.
    """

    name: str
    top: Color
    horizon: Color
    far: Color
    near: Color
    light: Color = (1.0, 1.0, 1.0)


def regular_polygon(corners: int, inner: float = 1.0, start: float = -90.0) -> Points:
    """Return a regular polygon of radius 1, or a star whose inner corners have radius ``inner``.

    Args:
        corners: number of corners, or of points of the star.
        inner: 1 for a polygon.
        start: angle of the first corner in degrees; -90 is up.
    """
    count = corners if inner == 1.0 else 2 * corners
    angles = np.deg2rad(start + np.arange(count) * 360 / count)
    radii = np.where(np.arange(count) % 2, inner, 1.0)  # every second corner of a star is an inner one
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)  # [count, 2]


def rectangle(left: float, top: float, right: float, bottom: float) -> Points:
    """Return the four corners of a rectangle."""
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def _cross() -> Points:
    """Return a plus sign: one arm, rotated four times by 90 degrees."""
    arm = 0.36
    quarter = np.array([[-arm, -1], [arm, -1], [arm, -arm]])
    turn = np.array([[0, -1], [1, 0]])
    return np.concatenate([quarter @ np.linalg.matrix_power(turn, k).T for k in range(4)])  # [12, 2]


def _heart() -> Points:
    """Return a heart curve."""
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([16 * np.sin(t) ** 3, -y - 2.5], 1) / 16  # [40, 2]


def _crescent() -> Points:
    """Return a crescent: an outer arc and, backwards, an inner one."""
    outer = np.deg2rad(np.linspace(50, 310, 30))
    inner = np.deg2rad(np.linspace(295, 65, 24))
    return np.concatenate(
        [
            np.stack([np.cos(outer), np.sin(outer)], 1),
            np.stack([0.35 + 0.74 * np.cos(inner), 0.85 * np.sin(inner)], 1),
        ]
    )


def _symmetric(*points: tuple[float, float]) -> Points:
    """Return a mirror-symmetric outline from the points of its right half, top to bottom."""
    right = np.array(points)
    return np.concatenate([right, right[::-1] * [-1, 1]])


WHITE, BLACK, RED, BLUE, YELLOW = (
    (240.0, 240.0, 236.0), (30.0, 30.0, 34.0), (200.0, 32.0, 38.0), (28.0, 84.0, 176.0), (244.0, 190.0, 26.0),
)  # fmt: skip
GREEN, BROWN, PINK, ORANGE, VIOLET, LILAC, LIGHT, OLIVE, LIME = (
    (52.0, 132.0, 48.0), (96.0, 62.0, 36.0), (236.0, 140.0, 140.0), (240.0, 132.0, 24.0), (92.0, 40.0, 120.0),
    (172.0, 128.0, 196.0), (252.0, 232.0, 120.0), (134.0, 158.0, 46.0), (186.0, 204.0, 84.0),
)  # fmt: skip
DISC = regular_polygon(40)
OCTAGON = regular_polygon(8, start=22.5)
DELTA = regular_polygon(3, start=90.0)
DIAMOND = regular_polygon(4)
PLATE = rectangle(-0.85, -0.85, 0.85, 0.85)
LETTER = np.array(
    [[-0.42, -0.6], [0.15, -0.6], [0.45, -0.4], [0.45, 0.0], [0.15, 0.2], [-0.12, 0.2], [-0.12, 0.6], [-0.42, 0.6]]
)
ARROW = np.array([[0, -0.7], [0.5, -0.1], [0.18, -0.1], [0.18, 0.62], [-0.18, 0.62], [-0.18, -0.1], [-0.5, -0.1]])

OVAL = DISC * [0.78, 1.0]
GLEAM = DISC * [0.16, 0.24] + [-0.36, -0.3]
LEAF = DISC * [0.3, 0.13] + [0.3, -0.8]
STALK = rectangle(-0.07, -1.0, 0.07, -0.62)
APPLE = _symmetric(
    (0.08, -0.95), (0.1, -0.62), (0.45, -0.74), (0.85, -0.5), (0.95, 0.0), (0.8, 0.55), (0.45, 0.95), (0.15, 0.9)
)
LEMON = _symmetric((0.12, -1.0), (0.25, -0.8), (0.6, -0.45), (0.72, 0.0), (0.6, 0.45), (0.25, 0.8), (0.12, 1.0))
PEAR = _symmetric((0.07, -1.0), (0.22, -0.75), (0.3, -0.35), (0.6, 0.0), (0.75, 0.4), (0.6, 0.8), (0.25, 1.0))

SHAPES = (
    ObjectType("circle", DISC),
    ObjectType("square", PLATE, max_turn=25.0),
    ObjectType("triangle", regular_polygon(3)),
    ObjectType("star", regular_polygon(5, inner=0.42)),
    ObjectType("cross", _cross(), max_turn=25.0),
)
SIGNS = (
    ObjectType(
        "stop",
        OCTAGON,
        (
            ShapeLayer(OCTAGON, WHITE),
            ShapeLayer(OCTAGON * 0.9, RED),
            ShapeLayer(rectangle(-0.62, -0.2, 0.62, 0.2), WHITE),
        ),
        max_turn=8.0,
        pole=True,
    ),
    ObjectType("yield", DELTA, (ShapeLayer(DELTA, RED), ShapeLayer(DELTA * 0.58, WHITE)), max_turn=8.0, pole=True),
    ObjectType(
        "priority",
        DIAMOND,
        (ShapeLayer(DIAMOND, WHITE), ShapeLayer(DIAMOND * 0.9, BLACK), ShapeLayer(DIAMOND * 0.8, YELLOW)),
        max_turn=8.0,
        pole=True,
    ),
    ObjectType(
        "parking",
        PLATE,
        (
            ShapeLayer(PLATE, WHITE),
            ShapeLayer(PLATE * 0.9, BLUE),
            ShapeLayer(LETTER, WHITE),
            ShapeLayer(rectangle(-0.12, -0.32, 0.16, -0.06), BLUE),
        ),
        max_turn=8.0,
        pole=True,
    ),
    ObjectType(
        "ahead",
        DISC,
        (ShapeLayer(DISC, WHITE), ShapeLayer(DISC * 0.92, BLUE), ShapeLayer(ARROW, WHITE)),
        max_turn=8.0,
        pole=True,
    ),
)
FRUIT = (
    ObjectType(
        "apple",
        APPLE,
        (ShapeLayer(APPLE, RED), ShapeLayer(STALK, BROWN), ShapeLayer(LEAF, GREEN), ShapeLayer(GLEAM, PINK)),
        max_turn=25.0,
    ),
    ObjectType(
        "orange",
        DISC,
        (ShapeLayer(DISC, ORANGE), ShapeLayer(regular_polygon(6, inner=0.5) * 0.24, GREEN)),
        max_turn=180.0,
    ),
    ObjectType("plum", OVAL, (ShapeLayer(OVAL, VIOLET), ShapeLayer(GLEAM, LILAC)), max_turn=40.0),
    ObjectType("lemon", LEMON, (ShapeLayer(LEMON, LIGHT), ShapeLayer(LEMON * 0.82, YELLOW)), max_turn=60.0),
    ObjectType(
        "pear",
        PEAR,
        (ShapeLayer(PEAR, OLIVE), ShapeLayer(PEAR * 0.6 + [0.1, 0.16], LIME), ShapeLayer(STALK, BROWN)),
        max_turn=25.0,
    ),
)
DISTRACTORS = (  # drawn in every domain, never annotated
    ObjectType("heart", _heart(), max_turn=30.0),
    ObjectType("crescent", _crescent()),
    ObjectType(
        "bolt", np.array([[0.2, -1], [-0.6, 0.2], [-0.1, 0.2], [-0.3, 1], [0.6, -0.3], [0.05, -0.3]]), max_turn=30.0
    ),
)
DAWN, DUSK, NIGHT = (1.0, 0.95, 0.92), (0.95, 0.8, 0.78), (0.68, 0.72, 0.9)
SKIES = (
    Sky("dawn", (126.0, 148.0, 204.0), (250.0, 206.0, 180.0), (170.0, 140.0, 160.0), (112.0, 98.0, 118.0), DAWN),
    Sky("day", (74.0, 144.0, 216.0), (198.0, 226.0, 242.0), (128.0, 170.0, 132.0), (78.0, 128.0, 74.0)),
    Sky("dusk", (88.0, 54.0, 106.0), (248.0, 140.0, 78.0), (130.0, 72.0, 84.0), (74.0, 44.0, 66.0), DUSK),
    Sky("night", (14.0, 18.0, 46.0), (48.0, 60.0, 104.0), (30.0, 40.0, 70.0), (18.0, 24.0, 42.0), NIGHT),
)
