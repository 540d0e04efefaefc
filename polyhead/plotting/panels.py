"""Panels of one input side by side, in each of which the same place is outlined, with lines of text below."""

from collections.abc import Sequence

from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor

from polyhead.plotting.draw import INK, WHITE, draw, fit, grid
from polyhead.plotting.heat import captioned
from polyhead.types import Marks

CELL = 480
"""Pixels of the longer side of a panel."""
OUTLINE = 3
"""Width of each of the two lines of an outline in pixels."""
SMALL, AROUND = 1 / 8, 1 / 4
"""A box whose longer side is below the first fraction of the image's is shown in a part of the image of the second."""

View = tuple[int, int, int, int]
"""The part of an image that is shown, xyxy in its pixels."""


def panel(image: Image.Image, marks: Marks, box: Float[Tensor, "4"] | None = None) -> Image.Image:
    """Draw marks on an image, or on the part around a small box, of the size of a panel.

    Args:
        image: the image, of any size.
        marks: what to draw, in pixels of the image.
        box: xyxy in pixels of the image: what to outline, in white beside black, below the marks.
    """
    view = view_of(image.size, box)
    part = image.convert("RGB").crop(view)
    small = fit(part, CELL)
    scale = max(small.size) / max(part.size)
    if box is not None:
        x1, y1, x2, y2 = (scale * (box - box.new_tensor(view[:2] * 2))).tolist()
        canvas = ImageDraw.Draw(small)
        for away, color in ((2 * OUTLINE, INK), (OUTLINE, WHITE)):
            canvas.rectangle((x1 - away, y1 - away, x2 + away, y2 + away), outline=color, width=OUTLINE)
    return draw(small, [_within(marks, view).scaled(scale)])


def view_of(size: tuple[int, int], box: Float[Tensor, "4"] | None) -> View:
    """Return the part of an image (width, height) that is shown: all of it, unless there is a small box."""
    if box is None or float((box[2:] - box[:2]).max()) >= SMALL * max(size):
        return 0, 0, *size
    left, top = ((box[:2] + box[2:]) / 2 - AROUND * max(size) / 2).round().int().tolist()
    side = round(AROUND * max(size))
    x1, y1 = (max(0, min(start, whole - side)) for start, whole in zip((left, top), size, strict=True))
    return x1, y1, min(x1 + side, size[0]), min(y1 + side, size[1])


def _within(marks: Marks, view: View) -> Marks:
    """Return the marks in a part of an image, in pixels of the part."""
    x1, y1, x2, y2 = view
    shown = [
        (number, [box[0] - x1, box[1] - y1, box[2] - x1, box[3] - y1])
        for number, box in enumerate(marks.boxes)
        if box[0] < x2 and box[1] < y2 and box[2] > x1 and box[3] > y1
    ]
    numbers = [number for number, _ in shown]
    overlay = marks.overlay
    return marks._replace(
        boxes=[box for _, box in shown],
        captions=[marks.captions[number] for number in numbers],
        colors=[marks.colors[number] for number in numbers],
        overlay=None if overlay is None else overlay._replace(classes=overlay.classes[y1:y2, x1:x2]),
    )


def text_panel(text: str) -> Image.Image:
    """Return a panel with a text, which is wrapped."""
    return captioned(Image.new("RGB", (CELL, 1), WHITE), [text], CELL)


def side_by_side(
    panels: Sequence[Image.Image], titles: Sequence[str], heading: str, lines: Sequence[str]
) -> Image.Image:
    """Arrange panels in a row, each with its title above, and write lines of text below."""
    return captioned(grid(panels, len(panels), CELL, titles, heading), lines)
