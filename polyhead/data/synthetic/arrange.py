"""Place the objects of a synthetic scene."""

from bisect import bisect
from typing import NamedTuple

import numpy as np

from polyhead.data.synthetic.draw import SceneRNG
from polyhead.data.synthetic.shapes import DISTRACTORS, ObjectType, Points

COUNTS = (0.05, 0.3, 0.57, 0.77, 0.9)
"""Fraction of scenes with at most 0, 1, 2, 3 and 4 objects; the others have 5."""

RARE = 1 / 20
"""How often the class ``rare`` is drawn, compared with each of the others."""


class Item(NamedTuple):
    """An object to draw.

    Attributes:
        type: what it is.
        label: its class; -1 if it is not annotated.
        center: x and y in pixels.
        radius: half the side of its square, in pixels.
        degrees: rotation.
    """

    type: ObjectType
    label: int
    center: Points
    radius: float
    degrees: float


def arrange(
    own: tuple[ObjectType, ...], others: tuple[ObjectType, ...], size: int, rng: SceneRNG, rare: int | None
) -> list[Item]:
    """Place objects and distractors, back to front, so that none occludes most of another's box."""
    labels = [_label(len(own), rng, rare) for _ in range(_count(rng))]
    types = [(own[label], label) for label in labels]
    types += [(rng.choice(others), -1) for _ in range(_count(rng) if others else 0)]
    types += [(rng.choice(DISTRACTORS), -1) for _ in range(rng.integer(3))]
    items: list[Item] = []
    for index in rng.permutation(len(types)):
        object_type, label = types[index]
        for _ in range(12):  # attempts to find a free position; the object is left out if all fail
            radius = size * 0.5 * 0.15 * 4 ** rng.uniform()  # sides of 15 to 60 % of the image's
            if any(object_type is distractor for distractor in DISTRACTORS):
                radius *= 0.6
            center = 0.7 * radius + (size - 1.4 * radius) * rng.uniform_array(2)  # the border may cut it
            if all(_is_free(center, radius, item) for item in items):
                degrees = rng.uniform(-object_type.max_turn, object_type.max_turn)
                items.append(Item(object_type, label, center, radius, degrees))
                break
    return items


def _label(classes: int, rng: SceneRNG, rare: int | None) -> int:
    """Draw the class of an object."""
    label = rng.integer(classes)
    while label == rare and rng.uniform() >= RARE:
        label = rng.integer(classes)
    return label


def _count(rng: SceneRNG) -> int:
    """Draw the number of objects: 0 in one scene of twenty, else 1 to 5, more often few."""
    return bisect(COUNTS, rng.uniform())


def _is_free(center: Points, radius: float, item: Item) -> bool:
    """Return whether the squares around both overlap by at most 0.65 of the smaller one."""
    overlap = radius + item.radius - np.abs(center - item.center)  # [2]: width and height of the intersection
    smaller = 2 * min(radius, item.radius)
    return bool(np.prod(overlap.clip(0, smaller)) <= 0.65 * smaller**2)
