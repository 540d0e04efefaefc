"""Boxes, tags and grids on pictures, with Pillow alone.

Line width and letters grow with the picture, and a class keeps its colour from picture to picture. A tag moves when its
place is taken by a better box's tag, and is left out when there is no place: its box stays, in the colour of the class.
"""

import colorsys
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from polyhead.types import Batch

Colour = tuple[int, int, int]
Corners = tuple[float, float, float, float]

PALETTE: list[Colour] = [
    (255, 194, 10), (26, 133, 255), (212, 17, 89), (0, 168, 120), (153, 79, 224),
    (240, 101, 20), (0, 188, 212), (255, 105, 180), (120, 144, 24), (141, 85, 36),
]  # fmt: skip
GREY: Colour = (150, 150, 150)
WHITE: Colour = (255, 255, 255)
INK: Colour = (30, 30, 30)
GAP = 8
OPAQUE = 0.5
"""How much of a layer's colour is seen; the rest is the picture's."""


class Layer(NamedTuple):
    """A mask to lay over a picture.

    Attributes:
        classes: of each pixel; resized to the picture, if need be.
        names: of the classes that the legend shall name, in its order.
        colours: of the classes that are painted; all others stay as they are.
    """

    classes: UInt8[np.ndarray, "h w"]
    names: Mapping[int, str]
    colours: Mapping[int, Colour]


class Marks(NamedTuple):
    """What to draw on a picture for one task.

    Attributes:
        title: the task; shown in the legend.
        boxes: xyxy in pixels of the picture, best first; tags of the first lie on top.
        captions: the text of each box's tag; an empty one makes no tag.
        colours: of each box.
        notes: lines about the picture as a whole, such as a classifier's answers.
        layer: a mask, under everything else.
    """

    title: str
    boxes: Sequence[Sequence[float]]
    captions: Sequence[str]
    colours: Sequence[Colour]
    notes: Sequence[str] = ()
    layer: Layer | None = None


def colour(index: int) -> Colour:
    """The colour of a class: ten that are far apart, then hues by the golden ratio, which never come back."""
    if index < len(PALETTE):
        return PALETTE[index]
    hue = (index * 0.61803398875) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.55 + 0.4 * (index % 2), 0.95 - 0.3 * (index % 3) / 2)
    return round(255 * red), round(255 * green), round(255 * blue)


def draw(picture: Image.Image, marks: Sequence[Marks]) -> Image.Image:
    """A copy of the picture (RGB) with everything drawn on it.

    Where there is something to name, boxes of several tasks or the classes of masks, a legend is added below it.
    """
    drawn = picture.convert("RGB")
    if drawn is picture:
        drawn = picture.copy()
    for mark in marks:
        if mark.layer is not None:
            drawn = _overlaid(drawn, mark.layer)
    canvas = ImageDraw.Draw(drawn)
    width = max(2, round(min(drawn.size) / 200))
    font = _font(max(12, round(min(drawn.size) / 32)))
    marks = [_clean(mark) for mark in marks]
    for mark in marks:
        for box, shade in reversed(list(zip(mark.boxes, mark.colours, strict=True))):
            canvas.rectangle(_ordered(box), outline=shade, width=width)
    taken: list[Corners] = []
    for mark in marks:
        for box, caption, shade in zip(mark.boxes, mark.captions, mark.colours, strict=True):
            place = _place(drawn.size, _ordered(box), (font.getlength(caption) + GAP, float(_height(font))), taken)
            if caption and place:
                canvas.rectangle(place, fill=shade)
                canvas.text((place[0] + GAP / 2, place[1]), caption, _ink(shade), font)
                taken.append(place)
    _notes(canvas, marks, font)
    return _legend(drawn, marks, font)


def _overlaid(picture: Image.Image, layer: Layer) -> Image.Image:
    """The picture with the layer's colours, through which it is seen."""
    classes = np.array(Image.fromarray(layer.classes).resize(picture.size, Image.Resampling.NEAREST))
    pixels = np.array(picture)
    for label, shade in layer.colours.items():
        inside = classes == label
        pixels[inside] = ((1 - OPAQUE) * pixels[inside] + OPAQUE * np.array(shade)).round().astype(np.uint8)
    return Image.fromarray(pixels)


def layer(classes: UInt8[np.ndarray, "h w"], names: Sequence[str], first: int = 0) -> Layer:
    """A mask whose classes but the background have a colour; the legend names those that are there, largest first.

    Args:
        classes: of each pixel; numbers beyond the names are not painted.
        names: of all classes, the background first.
        first: number of the background's colour, which is not used.
    """
    counts = np.bincount(classes.ravel(), minlength=len(names))[: len(names)]
    there = [label for label in np.argsort(-counts, kind="stable").tolist() if counts[label] and label]
    return Layer(classes, {label: names[label] for label in there}, {label: colour(first + label) for label in there})


def fit(picture: Image.Image, side: int) -> Image.Image:
    """The picture with its longer side ``side`` pixels long."""
    scale = side / max(picture.size)
    return picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))


def grid(
    pictures: Sequence[Image.Image], columns: int | None = None, cell: int = 320, titles: Sequence[str] = ()
) -> Image.Image:
    """Pictures side by side on white, the longer side of each ``cell`` pixels, with its title above.

    Args:
        pictures: at least one.
        columns: pictures in a row; the square root of their number when left out.
        cell: width of a column, and the most that a row is high.
        titles: one for each picture, or none at all.
    """
    columns = columns or math.ceil(math.sqrt(len(pictures)))
    font = _font(max(12, cell // 20))
    head = _height(font) + GAP if titles else 0
    small = [fit(picture, cell) for picture in pictures]
    rows = [small[start : start + columns] for start in range(0, len(small), columns)]
    heights = [head + max(picture.height for picture in row) for row in rows]
    sheet = Image.new("RGB", (columns * (cell + GAP) + GAP, sum(heights) + GAP * (len(rows) + 1)), WHITE)
    canvas = ImageDraw.Draw(sheet)
    top = GAP
    for number, row in enumerate(rows):
        for column, picture in enumerate(row):
            left = GAP + column * (cell + GAP)
            if titles:
                title = _shorten(titles[number * columns + column], font, cell)
                canvas.text((left + cell / 2, top), title, INK, font, anchor="ma")
            sheet.paste(picture, (left + (cell - picture.width) // 2, top + head))
        top += heights[number] + GAP
    return sheet


def batch(samples: Batch, names: Sequence[str], limit: int = 16, cell: int = 320) -> Image.Image:
    """The first pictures of a batch as the network sees them, with their boxes or masks; ignored boxes are grey."""
    pictures = []
    masked = bool((samples.labels < 0).all())  # generated scenes have masks beside their boxes
    for index in range(min(limit, samples.inputs.shape[0])):
        there = samples.labels[index] >= 0
        labels, ignored = samples.labels[index][there].tolist(), samples.ignore[index][there].tolist()
        captions = ["ignored" if skip else names[label] for label, skip in zip(labels, ignored, strict=True)]
        shades = [GREY if skip else colour(label) for label, skip in zip(labels, ignored, strict=True)]
        picture = Image.fromarray(samples.inputs[index].to(torch.uint8).permute(1, 2, 0).cpu().numpy())
        boxes = (samples.boxes[index][there] * cell / max(picture.size)).tolist()
        answer = samples.values[index] if samples.values is not None else None
        notes = [names[int(answer)]] if answer is not None and answer.ndim == 0 and masked else []
        mask = samples.masks[index].cpu().numpy() if samples.masks is not None and masked else None
        over = None if mask is None else layer(mask, names)
        pictures.append(draw(fit(picture, cell), [Marks("", boxes, captions, shades, notes, over)]))
    return grid(pictures, cell=cell, titles=[Path(name).name for name in samples.ids[: len(pictures)]])


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib and knows Greek and Cyrillic."""
    import matplotlib as mpl

    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def _clean(mark: Marks) -> Marks:
    """Line breaks and control characters in names become question marks: letters have no place for them."""

    def line(text: str) -> str:
        return "".join(letter if letter.isprintable() else "?" for letter in text)

    over = mark.layer and mark.layer._replace(names={label: line(name) for label, name in mark.layer.names.items()})
    return mark._replace(
        title=line(mark.title), captions=[*map(line, mark.captions)], notes=[*map(line, mark.notes)], layer=over
    )


def _height(font: ImageFont.FreeTypeFont) -> int:
    return sum(font.getmetrics())


def _ordered(box: Sequence[float]) -> Corners:
    """Pillow refuses a rectangle whose corners are swapped."""
    return min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3])


def _ink(back: Colour) -> Colour:
    """Dark letters on light colours, white ones on dark (luma of ITU-R BT.601)."""
    return INK if 0.299 * back[0] + 0.587 * back[1] + 0.114 * back[2] > 140 else WHITE  # half of 255, up a bit


def _shorten(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """The text, or as much of it as fits."""
    while len(text) > 1 and font.getlength(text) > width:
        text = text[:-2] + "…"
    return text


def _place(size: tuple[int, int], box: Corners, tag: tuple[float, float], taken: Sequence[Corners]) -> Corners | None:
    """The first place for a tag that is in the picture and free: above the box, below it, or inside a large one."""
    width, height = tag
    x1, y1, x2, y2 = box
    lefts = [min(max(0.0, left), max(0.0, size[0] - width)) for left in (x1, x2 - width)]
    tops = [y1 - height, y1, y2] if y2 - y1 > 3 * height else [y1 - height, y2]
    inside = [top for top in tops if top >= 0 and top + height <= size[1]]
    places = [(left, top, left + width, top + height) for left in lefts for top in inside]
    free = (place for place in places if not any(_overlap(place, other) for other in taken))
    return next(free, None)


def _overlap(one: Corners, other: Corners) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _notes(canvas: ImageDraw.ImageDraw, marks: Sequence[Marks], font: ImageFont.FreeTypeFont) -> None:
    """Lines about the whole picture, on a dark ground in its upper left corner."""
    several = len(marks) > 1
    lines = [f"{mark.title}: {note}" if several else note for mark in marks for note in mark.notes]
    for row, line in enumerate(lines):
        top = row * _height(font)
        canvas.rectangle((0, top, font.getlength(line) + 2 * GAP, top + _height(font)), fill=INK)
        canvas.text((GAP, top), line, WHITE, font)


def _legend(picture: Image.Image, marks: Sequence[Marks], font: ImageFont.FreeTypeFont) -> Image.Image:
    """The picture, and below it each of several tasks with its colours, and each class of a mask with its own."""
    entries: list[tuple[str, list[Colour]]] = []
    for mark in marks:
        if len(marks) > 1 and mark.boxes:
            entries.append((mark.title, list(dict.fromkeys(mark.colours))))
        if mark.layer is not None:
            entries += [(name, [mark.layer.colours[label]]) for label, name in mark.layer.names.items()]
    if not entries:
        return picture
    height = _height(font)
    side = height * 0.6
    places: list[tuple[float, int]] = []
    left, row = float(GAP), 0
    for title, shades in entries:
        width = len(shades) * (side + 2) + font.getlength(title) + 2 * GAP
        if left > GAP and left + width > picture.width:
            left, row = float(GAP), row + 1
        places.append((left, row * height))
        left += width
    sheet = Image.new("RGB", (picture.width, picture.height + (row + 1) * height), INK)
    sheet.paste(picture)
    canvas = ImageDraw.Draw(sheet)
    for (title, shades), (left, down) in zip(entries, places, strict=True):
        top = picture.height + down
        for number, shade in enumerate(shades):
            x, y = left + number * (side + 2), top + height * 0.2
            canvas.rectangle((x, y, x + side, y + side), fill=shade)
        canvas.text((left + len(shades) * (side + 2) + GAP / 2, top), title, WHITE, font)
    return sheet
