"""Read LabelMe's JSON files as masks: polygons, rectangles, circles and masks, in the order of the file."""

from base64 import b64decode
from collections import Counter
from hashlib import blake2b
from io import BytesIO
from math import hypot
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from polyhead.data.io.images import MAX_PIXELS
from polyhead.data.readers.in_memory import Issues, Record
from polyhead.data.readers.labelme import IGNORE, LabelMe, checked_box
from polyhead.data.readers.labelme_files import LabelMeFile, Shape
from polyhead.data.readers.mask_files import is_background, with_background
from polyhead.errors import InvalidFileError
from polyhead.types import IGNORED, Mask


class LabelMeMasks(LabelMe):
    """The shapes of LabelMe as one mask of classes per image. Later shapes are painted over earlier ones.

    Pixels without a shape, and those of the label ``_background_``, are background. The label ``__ignore__`` is ignored
    (255). Points and lines have no area and are left out.

    Args:
        root: the folder of the data set; this and the other arguments are as in
            :class:`polyhead.data.readers.labelme.LabelMe`.
        annotations: the folders of the JSON files.
        classes: the labels to read, in this order; pixels of other labels are background.
        on_bad: ``"stop"`` or ``"skip"``.
        cap: the largest fraction of images that may be skipped.
    """

    kind = "segmentation"
    background = True

    def __init__(
        self,
        root: str | Path,
        annotations: str | list[str] | None = None,
        *,
        classes: list[str] | None = None,
        on_bad: str = "stop",
        cap: float = 0.1,
    ) -> None:
        self._shapes: dict[str, list[tuple[int, Shape]]] = {}
        super().__init__(root, annotations, classes=classes, on_bad=on_bad, cap=cap)
        self.digest = blake2b(repr((sorted(self._shapes.items()), self._sizes)).encode(), digest_size=16).hexdigest()

    def content(self, index: int) -> str:  # the digest has all shapes
        """Return an empty text."""
        return ""

    def target(self, index: int) -> Mask:
        """Return the class of each pixel."""
        height, width = self._sizes[index]
        image = Image.new("L", (width, height))
        for label, shape in self._shapes.get(self.ids[index], []):
            _paint(image, shape, label, f"{self.ids[index]}.json: shape {shape.where}")
        return Mask(torch.from_numpy(np.array(image)))

    def _names(self, labels: list[str]) -> list[str]:
        return with_background(super()._names(labels))

    def _add_shapes(
        self, record: Record, file: LabelMeFile, labels: list[str], left_out: Counter[str], issues: Issues
    ) -> None:
        """Check the shapes of a file, and store those that are painted."""
        names = with_background(labels)
        for shape in file.shapes:
            known = shape.label in names or shape.label == IGNORE or is_background(shape.label)
            if known and checked_box(shape, record, issues):
                label = names.index(shape.label) if shape.label in names else 0
                self._shapes.setdefault(record.id, []).append((IGNORED if shape.label == IGNORE else label, shape))


def _paint(image: Image.Image, shape: Shape, label: int, where: str) -> None:
    """Paint a shape with the pixels of its border, as LabelMe does."""
    draw = ImageDraw.Draw(image)
    if shape.type == "polygon":
        draw.polygon(list(shape.points), fill=label, outline=label)
    elif shape.type == "rectangle":
        draw.rectangle(shape.box, fill=label, outline=label)
    elif shape.type == "circle":
        (x, y), (edge_x, edge_y) = shape.points
        radius = hypot(edge_x - x, edge_y - y)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=label, outline=label)
    else:
        inside = _decode(shape.mask, where)
        image.paste(label, (round(shape.box[0]), round(shape.box[1])), inside)


def _decode(text: str, where: str) -> Image.Image:
    """Return the pixels of a mask of LabelMe: a PNG file in base64.

    Raises:
        InvalidFileError: if it cannot be decoded.
    """
    try:
        with Image.open(BytesIO(b64decode(text)), formats=("PNG",)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels")
            return Image.fromarray((np.array(image.convert("L")) > 0).astype(np.uint8) * 255)
    except Exception as error:  # decoders raise any exception on broken files
        raise InvalidFileError(where, f"the mask cannot be decoded ({error})", "draw the shape again") from error
