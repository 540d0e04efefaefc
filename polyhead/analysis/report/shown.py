"""What a cell of a report shows: a text in Markdown, or images that are small enough for a file that is passed on."""

import base64
import io
from pathlib import Path
from typing import NamedTuple

from PIL import Image

WIDEST = 1100
"""Pixels: wider images are scaled down."""
COLORS = 128
"""Colors of a plot, which make its file a third as large."""
PHOTO = (".jpg", ".jpeg")
"""Ends of the names of files that hold photos, which stay JPEG files."""


class Text(str):
    """A text in Markdown, which notebooks show as such."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_markdown_(self) -> str:
        return str(self)


class Shown(NamedTuple):
    """An image.

    Attributes:
        mime: its MIME type, ``image/png`` or ``image/jpeg``.
        content: the file.
        name: what stands for it where images cannot be shown.
    """

    mime: str
    content: bytes
    name: str

    def __repr__(self) -> str:
        return f"image {self.name}"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {self.mime: base64.b64encode(self.content).decode(), "text/plain": repr(self)}


class Gallery(list[Shown]):
    """Images, which a notebook shows one below the other."""

    def _ipython_display_(self) -> None:
        from IPython.display import display  # pylint: disable=import-outside-toplevel  # only notebooks need it

        for each in self:
            display(each)


def image(path: Path) -> Shown:
    """Return the image in a file, at most :data:`WIDEST` pixels wide."""
    with Image.open(path) as opened:
        pixels = opened.convert("RGB")
    if pixels.width > WIDEST:
        pixels = pixels.resize((WIDEST, round(pixels.height * WIDEST / pixels.width)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    if path.suffix.lower() in PHOTO:
        pixels.save(buffer, "JPEG", quality=85)
        return Shown("image/jpeg", buffer.getvalue(), path.name)
    pixels.quantize(COLORS, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return Shown("image/png", buffer.getvalue(), path.name)
