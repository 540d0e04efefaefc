"""Synthetic scenes: any number of them, with exact boxes and masks, and nothing to download.

A scene is a landscape at one of four times of day (the class of the image) with up to five objects of a domain among
lines, dots and distractors, which belong to no class. Objects occlude each other. The domains ``shapes``, ``signs`` and
``fruit`` have no class in common and stand for data sets with different classes. ``mixed`` draws the objects of a
second domain into every image and annotates only the reader's own, as happens when data sets are merged.
"""

from typing import Literal, NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from torch import Tensor

from polyhead.contracts.reader import Reader
from polyhead.data.readers.mask_files import BACKGROUND
from polyhead.data.synthetic.arrange import Item, arrange
from polyhead.data.synthetic.draw import (
    Canvas,
    PixelPatch,
    SceneRNG,
    blend,
    darken,
    draw_line,
    fill_circle,
    fill_polygon,
    landscape,
    rasterize,
    texture,
    to_pixels,
    vivid_color,
)
from polyhead.data.synthetic.shapes import (
    FRUIT,
    SHAPES,
    SIGNS,
    SKIES,
    ObjectType,
    Points,
    rectangle,
)
from polyhead.errors import PolyheadError, suggest
from polyhead.types import IGNORED, Boxes, ClassLabel, Entry, Mask, Meta, Sample, ShownClass

DOMAINS = {"shapes": SHAPES, "signs": SIGNS, "fruit": FRUIT}
Target = Literal["boxes", "masks", "times"]
MIN_VISIBLE = 0.5
"""An object with a smaller visible fraction is ignored."""

HALF = 127
"""A pixel belongs to an object that covers more of it than this, 0..255."""

KINDS = {"boxes": "detection", "masks": "segmentation", "times": "classification"}
"""The kind of each target."""

POLE = (120.0, 122.0, 126.0)
MIN_SIZE = 32


class SceneObject(NamedTuple):
    """An annotated object.

    Attributes:
        label: its class in the domain.
        box: xyxy around its visible pixels.
        area: number of visible pixels.
        ignore: whether less than ``MIN_VISIBLE`` of it is visible.
    """

    label: int
    box: tuple[float, float, float, float]
    area: int
    ignore: bool


class Scene(NamedTuple):
    """A drawn image and its annotations.

    Attributes:
        image: uint8 ``[h, w, 3]``.
        objects: the annotated objects of which at least one pixel is visible.
        owner: ``[h, w]``: 1 + index into ``objects`` of the object that is visible in each pixel, 0 for none.
        time: index of the time of day, the class of the image.
    """

    image: Canvas
    objects: list[SceneObject]
    owner: NDArray[np.uint8]
    time: int


class Scenes(Reader):
    """A reader of synthetic scenes, which are drawn on access and the same in every process.

    An object is ignored if less than half of it is visible, because others occlude it or the border cuts it; one that
    is not visible at all is not annotated. Boxes enclose the visible pixels. One image in twenty has no objects. In a
    mask, the background is 0, ignored objects are 255, and others are 1 + class.

    Args:
        count: number of scenes.
        domain: ``"shapes"``, ``"signs"`` or ``"fruit"``.
        seed: another seed gives other scenes; splits are readers with different seeds.
        size: side of the square images in pixels, at least 32.
        mixed: another domain whose objects are drawn too, without annotations.
        rare: a class that is drawn :data:`RARE` times as often as each of the others.
        target: what is annotated, and what the classes are: ``"boxes"`` of objects, ``"masks"`` (background and
            objects), or ``"times"`` of day.
    """

    license = "Apache-2.0 (drawn by Polyhead)"
    times = tuple(sky.name for sky in SKIES)

    def __init__(
        self,
        count: int,
        domain: str = "shapes",
        seed: int = 0,
        size: int = 160,
        *,
        mixed: str | None = None,
        rare: str | None = None,
        target: Target = "boxes",
    ) -> None:
        for name in (domain, *([] if mixed is None else [mixed])):
            if name not in DOMAINS:
                raise PolyheadError(f"unknown domain {name!r}{suggest(name, DOMAINS)}")
        if mixed == domain:
            raise PolyheadError(f"mixed={mixed!r}: expected a domain other than {domain!r} itself, or none")
        if count < 0 or size < MIN_SIZE:
            raise PolyheadError(f"expected count >= 0 and size >= {MIN_SIZE}, got count {count} and size {size}")
        classes = [object_type.name for object_type in DOMAINS[domain]]
        if rare is not None and rare not in classes:
            raise PolyheadError(f"rare={rare!r}: {domain!r} has no such class{suggest(rare, classes)}")
        self.count, self.domain, self.seed, self.size, self.mixed = count, domain, seed, size, mixed
        self.rare = None if rare is None else classes.index(rare)
        self.annotated = target
        self.kind, self.background = KINDS[target], target == "masks"
        self.names = {"boxes": classes, "masks": [BACKGROUND, *classes], "times": [*self.times]}[target]
        self.categories = [*self.names]
        self.problems, self.skipped = [], []
        self.digest = repr((size, mixed) if rare is None else (size, mixed, rare))
        self._drawn: dict[int, tuple[Boxes | Mask | ClassLabel, int]] = {}  # drawing takes milliseconds

    def __len__(self) -> int:
        return self.count

    def scene(self, index: int) -> Scene:
        """Draw one scene."""
        rng = SceneRNG(self.seed, self.domain, range(self.count)[index])
        others = () if self.mixed is None else DOMAINS[self.mixed]
        return _draw(DOMAINS[self.domain], others, self.size, rng, self.rare)

    def id(self, index: int) -> str:
        """Return the scene's id, which no scene of another seed or domain has."""
        return f"{self.domain}-{self.seed}-{range(self.count)[index]:05d}"

    def entry(self, index: int) -> Entry:
        """Return the id of one scene."""
        return Entry(self.id(index), bytes=3 * self.size * self.size)

    def raw(self, index: int) -> Tensor:
        """Draw one scene, uint8 ``[3, h, w]``; in memory the channels come last."""
        return torch.from_numpy(self.scene(index).image).permute(2, 0, 1)

    def target(self, index: int) -> Boxes | Mask | ClassLabel:
        """Return the target of one scene; the scene is drawn for it, because only that shows what is occluded."""
        if self.annotated == "masks":  # too large to store
            return Mask(_mask(self.scene(index)))
        if index not in self._drawn:
            scene = self.scene(index)
            self._drawn[index] = self._target(scene), scene.time
        return self._drawn[index][0]

    def also_shows(self, index: int) -> set[ShownClass]:
        """Return the time of day, unless it is the target itself or the target is a mask."""
        if self.annotated != "boxes":
            return set()
        self.target(index)
        return {("value", self._drawn[index][1])}

    def content(self, index: int) -> str:
        """Return an empty text for masks, which are large and follow from the id; else the target."""
        return "" if self.annotated == "masks" else super().content(index)

    def __getitem__(self, index: int) -> Sample:
        """Return the drawn scene with its target; the scene is drawn once."""
        scene = self.scene(index)
        image = torch.from_numpy(scene.image).permute(2, 0, 1)  # [3, h, w]
        return Sample(image, self._target(scene), Meta(self.id(index)))

    def _target(self, scene: Scene) -> Boxes | Mask | ClassLabel:
        if self.annotated == "times":
            return ClassLabel(torch.tensor(scene.time))
        if self.annotated == "masks":
            return Mask(_mask(scene))
        return Boxes(
            boxes=torch.tensor([each.box for each in scene.objects], dtype=torch.float32).reshape(-1, 4),
            labels=torch.tensor([each.label for each in scene.objects], dtype=torch.int64),
            ignore=torch.tensor([each.ignore for each in scene.objects], dtype=torch.bool),
            areas=torch.tensor([each.area for each in scene.objects], dtype=torch.float32),
            annotated=torch.ones(len(self.names), dtype=torch.bool),
            size=(self.size, self.size),
        )


def _mask(scene: Scene) -> UInt8[Tensor, "h w"]:
    """Return the class of each pixel."""
    codes = [0, *(IGNORED if each.ignore else 1 + each.label for each in scene.objects)]
    return torch.from_numpy(np.array(codes, np.uint8)[scene.owner])


def _draw(
    own: tuple[ObjectType, ...], others: tuple[ObjectType, ...], size: int, rng: SceneRNG, rare: int | None
) -> Scene:
    """Draw a scene with objects of the annotated types ``own`` and the other types ``others``."""
    time = rng.integer(len(SKIES))
    canvas = landscape(SKIES[time], (size, size), rng)
    _add_clutter(canvas, rng)
    owner = np.zeros((size, size), np.uint8)  # 1 + index into drawn, 0 for none
    drawn: list[tuple[int, float]] = []  # label and full area of each annotated object
    for item in arrange(own, others, size, rng, rare):
        outline = to_pixels(item.type.outline, item.center, item.radius, item.degrees)
        patch = rasterize(outline, owner.shape)
        if patch is None:
            continue
        if item.type.pole:
            pole = _pole(item, rng)
            behind = rasterize(pole, owner.shape)
            fill_polygon(canvas, pole, POLE)
            if behind is not None:
                owner[behind.rows, behind.columns][behind.coverage > 0] = 0
        _paint(canvas, item, outline, patch, rng)
        if item.label >= 0:
            drawn.append((item.label, cv2.contourArea(outline.astype(np.float32))))
        owner[patch.rows, patch.columns][patch.coverage > HALF] = len(drawn) if item.label >= 0 else 0
    # The light of the time of day as one look-up table per channel, [256, 3].
    light = np.clip(np.arange(256)[:, None] * np.array(SKIES[time].light), 0, 255).astype(np.uint8)
    canvas = cv2.LUT(canvas, light[None])  # type: ignore[assignment]
    noise = rng.noise(canvas.size).reshape(canvas.shape)  # 0..15; saturating arithmetic below makes it -7..8
    canvas = cv2.subtract(cv2.add(canvas, noise), np.full_like(canvas, 7))  # type: ignore[assignment]
    return Scene(canvas, *_visible(owner, drawn), time)


def _pole(item: Item, rng: SceneRNG) -> Points:
    """Return the pole from the item's center downwards."""
    (x, y), half = item.center, max(1.0, item.radius / 18)
    return rectangle(x - half, y, x + half, y + item.radius * rng.uniform(1.6, 2.6))


def _paint(canvas: Canvas, item: Item, outline: Points, patch: PixelPatch, rng: SceneRNG) -> None:
    """Paint an object and its shadow onto the canvas in place."""
    shadow = rasterize(outline + item.radius * np.array([0.07, 0.1]), canvas.shape)
    if shadow is not None:
        darken(canvas, shadow, 0.4)
    if not item.type.layers:
        blend(canvas, patch, texture(patch.coverage.shape, item.radius, rng))
    fade = rng.uniform(0.85, 1.0)
    for layer in item.type.layers:
        red, green, blue = layer.color
        points = to_pixels(layer.points, item.center, item.radius, item.degrees)
        fill_polygon(canvas, points, (red * fade, green * fade, blue * fade))


def _add_clutter(canvas: Canvas, rng: SceneRNG) -> None:
    """Draw lines and dots that are not objects, in place."""
    size = len(canvas)
    for _ in range(1 + rng.integer(4)):
        start, bend, end = size * rng.uniform_array(3, 2)
        t = np.linspace(0, 1, 12)[:, None]  # [12, 1]
        curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end  # a quadratic Bezier curve, [12, 2]
        draw_line(canvas, curve, vivid_color(rng), 1 + rng.integer(2))
    for _ in range(2 + rng.integer(7)):
        fill_circle(canvas, size * rng.uniform_array(2), size * rng.uniform(0.006, 0.018), vivid_color(rng))


def _visible(owner: NDArray[np.uint8], drawn: list[tuple[int, float]]) -> tuple[list[SceneObject], NDArray[np.uint8]]:
    """Return the objects of which at least one pixel is visible, and ``owner`` renumbered to them."""
    objects: list[SceneObject] = []
    numbers = np.zeros(len(drawn) + 1, np.uint8)  # new number of each old one
    for number, (label, full_area) in enumerate(drawn, 1):
        left, top, width, height = cv2.boundingRect((owner == number).astype(np.uint8))
        if not width:
            continue
        area = int((owner[top : top + height, left : left + width] == number).sum())
        box = (float(left), float(top), float(left + width), float(top + height))
        objects.append(SceneObject(label, box, area, area < MIN_VISIBLE * full_area))
        numbers[number] = len(objects)
    return objects, numbers[owner]
