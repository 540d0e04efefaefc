"""Drawing boxes, captions, masks and grids on images, with Pillow alone.

Line width and font size grow with the image, and a class has the same color in every image. A caption moves where a
better box's caption is in its way, and is left out where there is no free space; its box stays, in the class's color.
"""

import colorsys
import math
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from polyhead.plotting import fonts
from polyhead.types import Color, Marks, MaskOverlay

Corners = tuple[float, float, float, float]

PALETTE: list[Color] = [
    (255, 194, 10), (26, 133, 255), (212, 17, 89), (0, 168, 120), (153, 79, 224),
    (240, 101, 20), (0, 188, 212), (255, 105, 180), (120, 144, 24), (141, 85, 36),
]  # fmt: skip
GRAY: Color = (150, 150, 150)
WHITE: Color = (255, 255, 255)
INK: Color = (30, 30, 30)
GAP = 8
CONFIDENT = 0.25
"""Detections with at least this score are drawn by default."""
MAX_JPEG = 65_500
"""Pixels of a side that a JPEG file can have."""
OPACITY = 0.5
"""Weight of an overlay's color; the image has the remaining weight."""


def color(index: int) -> Color:
    """Return the color of a class: ten distinct colors, then hues by the golden ratio, which never repeat."""
    if index < len(PALETTE):
        return PALETTE[index]
    hue = (index * 0.61803398875) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.55 + 0.4 * (index % 2), 0.95 - 0.3 * (index % 3) / 2)
    return round(255 * red), round(255 * green), round(255 * blue)


def draw(image: Image.Image, marks: Sequence[Marks]) -> Image.Image:
    """Return a copy of the image (RGB) with all marks drawn on it.

    A legend is added below the image where it has boxes of several tasks or a mask.
    """
    drawn = image.convert("RGB")
    if drawn is image:
        drawn = image.copy()
    for mark in marks:
        if mark.overlay is not None:
            drawn = _blend(drawn, mark.overlay)
    canvas = ImageDraw.Draw(drawn)
    width = max(2, round(min(drawn.size) / 200))
    path = fonts.font_of(_texts(marks))
    font = _font(path, max(12, round(min(drawn.size) / 32)))
    marks = [_printable(mark, path) for mark in marks]
    for mark in marks:
        for box, box_color in reversed(list(zip(mark.boxes, mark.colors, strict=True))):  # the best is drawn last
            canvas.rectangle(_ordered(box), outline=box_color, width=width)
    notes = _notes(marks, font)
    taken = [corners for _, corners in notes]
    for mark in marks:
        for box, caption, box_color in zip(mark.boxes, mark.captions, mark.colors, strict=True):
            size = (font.getlength(caption) + GAP, float(_height(font)))
            free = _free_position(drawn.size, _ordered(box), size, taken)
            if caption and free:
                canvas.rectangle(free, fill=box_color)
                canvas.text((free[0] + GAP / 2, free[1]), caption, _text_color(box_color), font)
                taken.append(free)
    for text, corners in notes:
        canvas.rectangle(corners, fill=INK)
        canvas.text((corners[0] + GAP, corners[1]), text, WHITE, font)
    fonts.warn()
    return _add_legend(drawn, marks, font)


def _blend(image: Image.Image, overlay: MaskOverlay) -> Image.Image:
    """Return the image with the overlay's colors blended in."""
    classes = np.array(Image.fromarray(overlay.classes).resize(image.size, Image.Resampling.NEAREST))  # [h, w]
    pixels = np.array(image)  # [h, w, 3]
    for label, class_color in overlay.colors.items():
        inside = classes == label
        pixels[inside] = ((1 - OPACITY) * pixels[inside] + OPACITY * np.array(class_color)).round().astype(np.uint8)
    return Image.fromarray(pixels)


def mask_overlay(classes: UInt8[np.ndarray, "h w"], names: Sequence[str], first: int = 0) -> MaskOverlay:
    """Make an overlay that paints every class but the background; the legend lists those that occur, largest first.

    Args:
        classes: class index of each pixel; indices beyond the names (such as 255) are not painted.
        names: names of all classes, the background first.
        first: color index of the background, which is not painted; class ``k`` has the color ``first + k``.
    """
    counts = np.bincount(classes.ravel(), minlength=len(names))[: len(names)]
    present = [label for label in np.argsort(-counts, kind="stable").tolist() if counts[label] and label]
    return MaskOverlay(
        classes, {label: names[label] for label in present}, {label: color(first + label) for label in present}
    )


def fit(image: Image.Image, side: int) -> Image.Image:
    """Resize the image so that its longer side has ``side`` pixels."""
    scale = side / max(image.size)
    return image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))


def grid(
    images: Sequence[Image.Image],
    columns: int | None = None,
    cell: int = 320,
    titles: Sequence[str] = (),
    heading: str = "",
) -> Image.Image:
    """Arrange images in a grid on white, each resized to a longer side of ``cell`` pixels, with its title above.

    Args:
        images: at least one.
        columns: images in a row; None takes the square root of their number.
        cell: width of a column, and maximum height of an image.
        titles: one for each image, or none.
        heading: written above the grid.
    """
    columns = columns or math.ceil(math.sqrt(len(images)))
    path = fonts.font_of([*titles, heading])
    font = _font(path, max(12, cell // 20))
    heading, titles = _line(heading, path), [_line(title, path) for title in titles]
    title_height = _height(font) + GAP if titles else 0
    small = [fit(image, cell) for image in images]
    rows = [small[start : start + columns] for start in range(0, len(small), columns)]
    heights = [title_height + max(image.height for image in row) for row in rows]
    heading_height = _height(font) + GAP if heading else 0
    width = columns * (cell + GAP) + GAP
    sheet = Image.new("RGB", (width, heading_height + sum(heights) + GAP * (len(rows) + 1)), WHITE)
    canvas = ImageDraw.Draw(sheet)
    fonts.warn()
    canvas.text((GAP, GAP), _shorten(heading, font, width - 2 * GAP), INK, font)
    top = GAP + heading_height
    for number, row in enumerate(rows):
        for column, image in enumerate(row):
            left = GAP + column * (cell + GAP)
            if titles:
                title = _shorten(titles[number * columns + column], font, cell)
                canvas.text((left + cell / 2, top), title, INK, font, anchor="ma")
            sheet.paste(image, (left + (cell - image.width) // 2, top + title_height))
        top += heights[number] + GAP
    return sheet


def save_jpeg(image: Image.Image, path: Path) -> None:
    """Write a JPEG file, smaller where the image has more pixels on a side than the format allows."""
    image = fit(image, MAX_JPEG) if max(image.size) > MAX_JPEG else image
    image.save(path, format="JPEG", quality=92)


@cache
def _font(path: str, size: int) -> ImageFont.FreeTypeFont:
    """Load a font."""
    return ImageFont.truetype(path, size)


def _texts(marks: Sequence[Marks]) -> list[str]:
    """Return all texts of the marks."""
    names = [name for mark in marks if mark.overlay for name in mark.overlay.names.values()]
    return [*(text for mark in marks for text in (mark.title, *mark.captions, *mark.notes)), *names]


def _line(text: str, font: str) -> str:
    """Return a text that a font can draw on one line; control characters become question marks."""
    return fonts.drawable("".join(letter if letter.isprintable() else "?" for letter in text), font)


def _printable(mark: Marks, font: str) -> Marks:
    """Replace what cannot be drawn on one line in the texts of a mark."""
    line = partial(_line, font=font)
    overlay = mark.overlay
    if overlay is not None:
        overlay = overlay._replace(names={label: line(name) for label, name in overlay.names.items()})
    return mark._replace(
        title=line(mark.title), captions=[*map(line, mark.captions)], notes=[*map(line, mark.notes)], overlay=overlay
    )


def _height(font: ImageFont.FreeTypeFont) -> int:
    return sum(font.getmetrics())


def _ordered(box: Sequence[float]) -> Corners:
    """Order the corners of a box: Pillow refuses a rectangle whose corners are swapped."""
    return min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3])


def _text_color(background: Color) -> Color:
    """Return dark text for light backgrounds and white text for dark ones (luma of ITU-R BT.601)."""
    luma = 0.299 * background[0] + 0.587 * background[1] + 0.114 * background[2]
    return INK if luma > 140 else WHITE  # a bit more than half of 255


def _shorten(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """Return the text, cut with an ellipsis where it does not fit."""
    while len(text) > 1 and font.getlength(text) > width:
        text = text[:-2] + "…"
    return text


def _free_position(
    image_size: tuple[int, int], box: Corners, caption_size: tuple[float, float], taken: Sequence[Corners]
) -> Corners | None:
    """Return the first free position for a caption inside the image: above the box, inside a large box, or below it."""
    width, height = caption_size
    x1, y1, x2, y2 = box
    lefts = [min(max(0.0, left), max(0.0, image_size[0] - width)) for left in (x1, x2 - width)]
    tops = [y1 - height, y1, y2] if y2 - y1 > 3 * height else [y1 - height, y2]
    inside = [top for top in tops if top >= 0 and top + height <= image_size[1]]
    positions = [(left, top, left + width, top + height) for left in lefts for top in inside]
    free = (position for position in positions if not any(_overlap(position, other) for other in taken))
    return next(free, None)


def _overlap(one: Corners, other: Corners) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _notes(marks: Sequence[Marks], font: ImageFont.FreeTypeFont) -> list[tuple[str, Corners]]:
    """Return the lines of the notes with their places, from the upper left corner of the image down."""
    several, height = len(marks) > 1, float(_height(font))
    lines = [f"{mark.title}: {note}" if several else note for mark in marks for note in mark.notes]
    return [
        (line, (0.0, row * height, font.getlength(line) + 2 * GAP, (row + 1) * height))
        for row, line in enumerate(lines)
    ]


def _add_legend(image: Image.Image, marks: Sequence[Marks], font: ImageFont.FreeTypeFont) -> Image.Image:
    """Add a legend below the image: the colors of each task where there are several, and of each class of a mask."""
    entries: list[tuple[str, list[Color]]] = []
    for mark in marks:
        if len(marks) > 1 and mark.boxes:
            entries.append((mark.title, list(dict.fromkeys(mark.colors))))
        if mark.overlay is not None:
            entries += [(name, [mark.overlay.colors[label]]) for label, name in mark.overlay.names.items()]
    if not entries:
        return image
    height = _height(font)
    side = height * 0.6  # of a color square
    positions: list[tuple[float, int]] = []  # left and top of each entry, within the legend
    left, row = float(GAP), 0
    for title, colors in entries:
        width = len(colors) * (side + 2) + font.getlength(title) + 2 * GAP
        if left > GAP and left + width > image.width:  # start a new row
            left, row = float(GAP), row + 1
        positions.append((left, row * height))
        left += width
    sheet = Image.new("RGB", (image.width, image.height + (row + 1) * height), INK)
    sheet.paste(image)
    canvas = ImageDraw.Draw(sheet)
    for (title, colors), (left, down) in zip(entries, positions, strict=True):
        top = image.height + down
        for number, square_color in enumerate(colors):
            x, y = left + number * (side + 2), top + height * 0.2
            canvas.rectangle((x, y, x + side, y + side), fill=square_color)
        canvas.text((left + len(colors) * (side + 2) + GAP / 2, top), title, WHITE, font)
    return sheet
