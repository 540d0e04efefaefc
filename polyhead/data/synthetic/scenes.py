"""Generated scenes: as many as wanted, with exact boxes and masks, and nothing to download.

A landscape at one of four times of day (the scene label) with up to five objects of a domain's classes among strokes,
dots and strangers that are no class. Objects hide each other. Domains without a common class, ``shapes``, ``signs`` and
``fruit``, stand for data sets with different labels; ``mixed`` puts another one's objects into every picture, and only
the reader's own are annotated, as happens when data sets meet.
"""

from bisect import bisect
from typing import Literal, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torchvision import tv_tensors as tv

from polyhead.contracts.reader import Reader, sample
from polyhead.data.readers.mask_files import BACKGROUND
from polyhead.data.synthetic.draw import (
    FRUIT,
    SHAPES,
    SIGNS,
    SKIES,
    STRANGERS,
    Canvas,
    Dice,
    Kind,
    Patch,
    Points,
    blend,
    bright,
    darken,
    dot,
    fill,
    landscape,
    patch,
    place,
    rectangle,
    stroke,
    texture,
)
from polyhead.errors import PolyheadError, suggest
from polyhead.types import IGNORED, Annotation, Sample

DOMAINS = {"shapes": SHAPES, "signs": SIGNS, "fruit": FRUIT}
Truth = Literal["boxes", "masks", "times"]
SHOWN = 0.5
COUNTS = (0.05, 0.3, 0.57, 0.77, 0.9)  # share of scenes with at most 0, 1, 2... objects
HALF = 127
POLE = (120.0, 122.0, 126.0)
LEAST_SIDE = 32


class Thing(NamedTuple):
    """An annotated object.

    Attributes:
        label: its class in the domain.
        box: xyxy around its visible pixels.
        area: number of visible pixels.
        ignore: whether less than ``SHOWN`` of it is visible.
    """

    label: int
    box: tuple[float, float, float, float]
    area: int
    ignore: bool


class Scene(NamedTuple):
    """A drawn picture and everything known of it.

    Attributes:
        picture: uint8 ``[h, w, 3]``.
        things: the annotated objects that are visible at all.
        owner: ``[h, w]``: 1 + index into ``things`` of the object that shows in each pixel, 0 for none.
        time: index of the time of day, the scene label.
    """

    picture: Canvas
    things: list[Thing]
    owner: NDArray[np.uint8]
    time: int


class Scenes(Reader):
    """Scenes drawn when asked for, the same ones in every process.

    An object of which less than half is visible, for others hide it or the border cuts it, is ignored; one that cannot
    be seen is not annotated. Boxes enclose what is visible. One picture in twenty has no objects. A mask is 0 for the
    background, 255 for ignored objects, and 1 + class for the others.

    Args:
        count: number of scenes.
        domain: ``"shapes"``, ``"signs"`` or ``"fruit"``.
        seed: another seed gives other scenes: splits are readers with different seeds.
        size: side of the square pictures in pixels, at least 32.
        mixed: another domain whose objects are drawn, too, without being annotated.
        truth: what is told of a scene, and what its classes are: ``"boxes"`` of objects (a sample also has the mask,
            and the time of day as its value), ``"masks"`` (background and objects), or ``"times"`` of day.
    """

    licence = "Apache-2.0 (drawn by Polyhead)"
    times = tuple(sky.name for sky in SKIES)

    def __init__(
        self,
        count: int,
        domain: str = "shapes",
        seed: int = 0,
        size: int = 160,
        *,
        mixed: str | None = None,
        truth: Truth = "boxes",
    ) -> None:
        for name in (domain, *([] if mixed is None else [mixed])):
            if name not in DOMAINS:
                raise PolyheadError(f"unknown domain {name!r}{suggest(name, DOMAINS)}")
        if mixed == domain:
            raise PolyheadError(f"mixed={mixed!r}: expected a domain beside {domain!r} itself, or none")
        if count < 0 or size < LEAST_SIDE:
            raise PolyheadError(f"expected count >= 0 and size >= {LEAST_SIDE}, found count {count} and size {size}")
        self.count, self.domain, self.seed, self.size, self.mixed = count, domain, seed, size, mixed
        self.truth, self.masked = truth, truth == "masks"
        kinds = [kind.name for kind in DOMAINS[domain]]
        self.names = {"boxes": kinds, "masks": [BACKGROUND, *kinds], "times": [*self.times]}[truth]
        self.categories = [*self.names]
        self.problems, self.skipped = [], []
        self._known: dict[int, Annotation] = {}  # drawing takes milliseconds, and the truth is asked for many times

    def __len__(self) -> int:
        return self.count

    def scene(self, index: int) -> Scene:
        """Draw one scene."""
        dice = Dice(self.seed, self.domain, range(self.count)[index])
        others = () if self.mixed is None else DOMAINS[self.mixed]
        return _draw(DOMAINS[self.domain], others, self.size, dice)

    def id(self, index: int) -> str:
        """The scene's id, which no scene of another seed or domain has."""
        return f"{self.domain}-{self.seed}-{range(self.count)[index]:05d}"

    def annotation(self, index: int) -> Annotation:
        """The truth of one scene; it has to be drawn for that, since what is hidden counts."""
        if index not in self._known:
            self._known[index] = self._annotation(index, self.scene(index))
        return self._known[index]

    def __getitem__(self, index: int) -> Sample:
        """The drawn scene with its truth."""
        scene = self.scene(index)
        picture = torch.from_numpy(scene.picture).permute(2, 0, 1)
        return sample(self._annotation(index, scene), picture, None if self.truth == "times" else _mask(scene))

    def mask(self, index: int) -> tv.Mask | None:
        """The class of each pixel of one scene; it has to be drawn for that."""
        return None if self.truth == "times" else _mask(self.scene(index))

    def _annotation(self, index: int, scene: Scene) -> Annotation:
        things = scene.things if self.truth == "boxes" else []
        return Annotation(
            id=self.id(index),
            path="",
            size=(self.size, self.size),
            boxes=torch.tensor([thing.box for thing in things], dtype=torch.float32).reshape(-1, 4),
            labels=torch.tensor([thing.label for thing in things], dtype=torch.int64),
            ignore=torch.tensor([thing.ignore for thing in things], dtype=torch.bool),
            areas=torch.tensor([thing.area for thing in things], dtype=torch.float32),
            annotated=torch.ones(len(self.names), dtype=torch.bool),
            value=None if self.masked else torch.tensor(scene.time),
        )


def _mask(scene: Scene) -> tv.Mask:
    codes = [0, *(IGNORED if thing.ignore else 1 + thing.label for thing in scene.things)]
    return tv.Mask(torch.from_numpy(np.array(codes, np.uint8)[scene.owner]))


class _Item(NamedTuple):
    """Something to draw: what, its label (-1: not annotated), centre, radius and turn."""

    kind: Kind
    label: int
    centre: Points
    radius: float
    degrees: float


def _draw(own: tuple[Kind, ...], others: tuple[Kind, ...], size: int, dice: Dice) -> Scene:
    time = dice.below(len(SKIES))
    canvas = landscape(SKIES[time], (size, size), dice)
    _strew(canvas, dice)
    owner = np.zeros((size, size), np.uint8)
    drawn: list[tuple[int, float]] = []  # label and whole area of each own object
    for item in _arrange(own, others, size, dice):
        outline = place(item.kind.outline, item.centre, item.radius, item.degrees)
        here = patch(outline, owner.shape)
        if here is None:
            continue
        if item.kind.pole:
            pole = _pole(item, dice)
            behind = patch(pole, owner.shape)
            fill(canvas, pole, POLE)
            if behind is not None:
                owner[behind.rows, behind.columns][behind.cover > 0] = 0
        _paint(canvas, item, outline, here, dice)
        if item.label >= 0:
            drawn.append((item.label, cv2.contourArea(outline.astype(np.float32))))
        owner[here.rows, here.columns][here.cover > HALF] = len(drawn) if item.label >= 0 else 0
    light = np.clip(np.arange(256)[:, None] * np.array(SKIES[time].light), 0, 255).astype(np.uint8)
    canvas = cv2.LUT(canvas, light[None])  # type: ignore[assignment]
    noise = dice.grain(canvas.size).reshape(canvas.shape)
    canvas = cv2.subtract(cv2.add(canvas, noise), np.full_like(canvas, 7))  # type: ignore[assignment]
    return Scene(canvas, *_visible(owner, drawn), time)


def _arrange(own: tuple[Kind, ...], others: tuple[Kind, ...], size: int, dice: Dice) -> list[_Item]:
    """Objects and strangers from back to front; none is put where it would hide most of another's box."""
    labels = [dice.below(len(own)) for _ in range(_count(dice))]
    kinds = [(own[label], label) for label in labels]
    kinds += [(dice.pick(others), -1) for _ in range(_count(dice) if others else 0)]
    kinds += [(dice.pick(STRANGERS), -1) for _ in range(dice.below(3))]
    items: list[_Item] = []
    for turn in dice.order(len(kinds)):
        kind, label = kinds[turn]
        for _ in range(12):
            radius = size * 0.5 * 0.15 * 4 ** dice.uniform()  # sides of 15 to 60 % of the picture's
            if any(kind is stranger for stranger in STRANGERS):
                radius *= 0.6
            centre = 0.7 * radius + (size - 1.4 * radius) * dice.spread(2)
            if all(_free(centre, radius, item) for item in items):
                items.append(_Item(kind, label, centre, radius, dice.uniform(-kind.turn, kind.turn)))
                break
    return items


def _count(dice: Dice) -> int:
    """How many objects: 0 in one scene of twenty, else 1 to 5, rather few."""
    return bisect(COUNTS, dice.uniform())


def _free(centre: Points, radius: float, item: _Item) -> bool:
    """Whether the squares around both overlap by at most 0.65 of the smaller one."""
    sides = radius + item.radius - np.abs(centre - item.centre)
    least = 2 * min(radius, item.radius)
    return bool(np.prod(sides.clip(0, least)) <= 0.65 * least**2)


def _pole(item: _Item, dice: Dice) -> Points:
    (x, y), half = item.centre, max(1.0, item.radius / 18)
    return rectangle(x - half, y, x + half, y + item.radius * dice.uniform(1.6, 2.6))


def _paint(canvas: Canvas, item: _Item, outline: Points, here: Patch, dice: Dice) -> None:
    shadow = patch(outline + item.radius * np.array([0.07, 0.1]), canvas.shape)
    if shadow is not None:
        darken(canvas, shadow, 0.4)
    if not item.kind.layers:
        blend(canvas, here, texture(here.cover.shape, item.radius, dice))
    fade = dice.uniform(0.85, 1.0)
    for layer in item.kind.layers:
        red, green, blue = layer.colour
        points = place(layer.points, item.centre, item.radius, item.degrees)
        fill(canvas, points, (red * fade, green * fade, blue * fade))


def _strew(canvas: Canvas, dice: Dice) -> None:
    """Strokes and dots that are no objects."""
    size = len(canvas)
    for _ in range(1 + dice.below(4)):
        start, bend, end = size * dice.spread(3, 2)
        t = np.linspace(0, 1, 12)[:, None]
        curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end
        stroke(canvas, curve, bright(dice), 1 + dice.below(2))
    for _ in range(2 + dice.below(7)):
        dot(canvas, size * dice.spread(2), size * dice.uniform(0.006, 0.018), bright(dice))


def _visible(owner: NDArray[np.uint8], drawn: list[tuple[int, float]]) -> tuple[list[Thing], NDArray[np.uint8]]:
    """The objects that show at all, and ``owner`` renumbered to them."""
    things: list[Thing] = []
    numbers = np.zeros(len(drawn) + 1, np.uint8)
    for number, (label, whole) in enumerate(drawn, 1):
        left, top, width, height = cv2.boundingRect((owner == number).astype(np.uint8))
        if not width:
            continue
        area = int((owner[top : top + height, left : left + width] == number).sum())
        box = (float(left), float(top), float(left + width), float(top + height))
        things.append(Thing(label, box, area, area < SHOWN * whole))
        numbers[number] = len(things)
    return things, numbers[owner]
