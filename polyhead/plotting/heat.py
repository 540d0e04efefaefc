"""Heat maps over images, and lines of text below them."""

import textwrap
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont

from polyhead.plotting import fonts

STRENGTH = 0.6
"""Weight of the color of the most important pixels."""
LINE, MARGIN = 16, 6
"""Height of a line of text, and the space around it, in pixels."""


def heat(image: Image.Image, values: Float[np.ndarray, "h w"]) -> Image.Image:
    """Color an image by how important its pixels are.

    Args:
        image: RGB.
        values: 0..1 for each pixel of the image; pixels of value 0 keep their color.
    """
    from matplotlib import colormaps  # pylint: disable=import-outside-toplevel  # takes longer than all the rest

    pixels = np.asarray(image.convert("RGB"), dtype=np.float32)  # [h, w, 3]
    colors = colormaps["turbo"](values)[..., :3] * 255  # [h, w, 3]
    weight = (STRENGTH * values)[..., None]  # [h, w, 1]
    return Image.fromarray(((1 - weight) * pixels + weight * colors).round().astype(np.uint8))


def captioned(image: Image.Image, lines: Sequence[str], width: int = 480) -> Image.Image:
    """Write lines of text below an image, which is enlarged if it is too narrow for them; long lines are wrapped."""
    if image.width < width:
        image = image.resize((width, max(1, round(image.height * width / image.width))))
    path = fonts.font_of(lines)
    font = ImageFont.truetype(path, LINE - 3)
    letters = max(20, int((image.width - 2 * MARGIN) / font.getlength("n")))
    wrapped = [part for line in lines for part in textwrap.wrap(fonts.drawable(line, path), letters)]
    sheet = Image.new("RGB", (image.width, image.height + LINE * len(wrapped) + 2 * MARGIN), (255, 255, 255))
    sheet.paste(image)
    canvas = ImageDraw.Draw(sheet)
    for number, line in enumerate(wrapped):
        canvas.text((MARGIN, image.height + MARGIN + LINE * number), line, (30, 30, 30), font)
    return sheet
