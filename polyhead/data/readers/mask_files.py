"""Turn mask files into classes: 0 is the background, 1 to C-1 are the other classes, 255 is ignored.

Any other value or color is an error.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, UInt8

from polyhead.data.io.images import image_mode, image_size, read_classes, read_colors
from polyhead.data.readers.in_memory import InMemoryReader, Issues, Record
from polyhead.errors import InvalidFileError, PolyheadError, Problem
from polyhead.types import IGNORED, Mask, Size

BACKGROUND = "background"
VOID = frozenset(["void", "unlabeled"])
"""Names of a class, in lower case, that mean that nothing is labeled."""
Colors = dict[str, list[int]]
NUMBER_MODES = ("L", "P", "1")
"""Pillow's modes of images whose pixels are numbers."""
COLOR_MODES = ("RGB", "RGBA", *NUMBER_MODES)
"""Pillow's modes of images whose pixels are colors; gray images have black, grays and white."""


class MaskEncoding:
    """What the pixels of mask files mean.

    Args:
        classes: the class of each number, or of each color as one number (:func:`pack_color`).
        colors: whether the keys are colors.
    """

    def __init__(self, classes: Mapping[int, int], *, colors: bool) -> None:
        self.keys = np.array(sorted(classes), dtype=np.int32)  # [k], sorted for the binary search
        self.classes = np.array([classes[key] for key in sorted(classes)], dtype=np.uint8)  # [k]
        self.colors = colors

    def select(self, numbers: Sequence[int]) -> "MaskEncoding":
        """Return the encoding in which each class from 1 on has its number in a list instead."""
        new = {0: 0, IGNORED: IGNORED} | dict(enumerate(numbers, 1))
        pairs = zip(self.keys.tolist(), self.classes.tolist(), strict=True)
        return MaskEncoding({key: new[label] for key, label in pairs}, colors=self.colors)

    def supports(self, mode: str) -> bool:
        """Return whether images of one of Pillow's modes can be such masks."""
        return mode in (COLOR_MODES if self.colors else NUMBER_MODES)

    def read(self, path: str | Path) -> UInt8[np.ndarray, "h w"]:
        """Return the class of each pixel of a mask file.

        Raises:
            InvalidFileError: if the file cannot be read, or has values that mean nothing; names the most frequent one
                and its number of pixels.
        """
        values = pack_colors(read_colors(path)) if self.colors else read_classes(path).astype(np.int32)  # [h, w]
        # position of each value among the sorted keys; values that are not a key get a neighboring position
        indices = np.searchsorted(self.keys, values).clip(max=len(self.keys) - 1)
        unknown = values[self.keys[indices] != values]  # [n]
        if unknown.size:
            lossy = Path(path).suffix.lower() in (".jpg", ".jpeg")
            remedy = "JPEG changes the numbers and colors of masks: save the masks as PNG, from the originals"
            raise InvalidFileError(path, self._describe(unknown), remedy if lossy else self._remedy())
        classes: np.ndarray = self.classes[indices]
        return classes

    def _describe(self, unknown: Int[np.ndarray, " n"]) -> str:
        values, counts = np.unique(unknown, return_counts=True)
        most = int(counts.argmax())
        value = int(values[most])
        name = f"the color {unpack_color(value)}" if self.colors else f"the number {value}"
        others = f" ({len(values) - 1} more such values in {unknown.size - counts[most]} pixels)"
        return f"{counts[most]} pixels have {name}, which is not a class{others if len(values) > 1 else ''}"

    def _remedy(self) -> str:
        if self.colors:
            return "add the class, set 'ignored' to this color, or save the mask as PNG without smoothing"
        known = ", ".join(map(str, self.keys[:30]))
        return f"known numbers are {known}: add the class, set 'ignored' to this number, or correct the mask"


class MaskReader(InMemoryReader):
    """A reader whose target is a mask file for each image.

    Args:
        where: the folder, for messages.
        names: class names, the background first.
        encoding: what the pixels of the files mean.
        records: the images, each with its ``mask``.
        issues: the problems found so far.
        on_bad: as in :class:`polyhead.data.readers.in_memory.InMemoryReader`.
        cap: as in ``InMemoryReader``.
    """

    kind = "segmentation"
    background = True

    def __init__(
        self,
        where: Path,
        names: Sequence[str],
        encoding: MaskEncoding,
        records: list[Record],
        issues: Issues,
        on_bad: str,
        cap: float,
    ) -> None:
        super().__init__(where, [*names], [*names], records, issues, on_bad, cap)
        self.encoding = encoding
        self.digest = repr((encoding.keys.tolist(), encoding.classes.tolist(), encoding.colors))

    def target(self, index: int) -> Mask:
        """Return the class of each pixel."""
        classes = self.encoding.read(self._masks[index])  # [h, w]
        require_size(self._masks[index], (classes.shape[0], classes.shape[1]), self._sizes[index])
        return Mask(torch.from_numpy(classes))

    def content(self, index: int) -> str:  # the mask is in a file
        """Return an empty text."""
        return ""


def is_background(name: str) -> bool:
    """Return whether a class name means the background; labelme writes it ``_background_``."""
    return name.strip("_").lower() == BACKGROUND


def with_background(names: Sequence[str]) -> list[str]:
    """Return the class names of a mask with the background first, whether it is among ``names`` or not.

    Raises:
        PolyheadError: if a name is used twice, or there are more names than pixel values.
    """
    found = [BACKGROUND, *(name for name in names if not is_background(name))]
    if len(set(found)) < len(found):
        raise PolyheadError(f"classes: expected different names, got a name twice in {', '.join(names)}")
    if len(found) > IGNORED:
        raise PolyheadError(
            f"classes: expected at most {IGNORED} classes with the background, got {len(found)}. Name fewer classes."
        )
    return found


def with_void(colors: Sequence[str]) -> list[str]:
    """Return the class names of color masks with the background first.

    If none of them is the background, that is the one that means that nothing is labeled, under its own name: every
    pixel has one of the colors.
    """
    void = next((name for name in colors if name.lower() in VOID), None)
    if void is None or any(map(is_background, colors)):
        return with_background(colors)
    return [void, *with_background([name for name in colors if name != void])[1:]]


def number_encoding(
    classes: Sequence[str], ignored: int | list[int] | None = None, first: int | None = None
) -> MaskEncoding:
    """Return the encoding of masks whose pixels are numbers; 255 is ignored.

    Args:
        classes: names of the numbers ``first``, ``first + 1``, ...
        ignored: a further number that is ignored.
        first: 0 or 1; if it is 1, 0 is the background. If None, 0 if the first name is that of the background, else 1.

    Raises:
        PolyheadError: if a setting is invalid.
    """
    if not (ignored is None or isinstance(ignored, int)):
        raise PolyheadError(f"ignored: expected a number from 0 to 255, because the masks hold numbers, got {ignored}")
    if first not in (None, 0, 1):
        raise PolyheadError(f"first: expected 0 or 1, the number of the first class, got {first}")
    names = with_background(classes)
    if first is None:
        first = 0 if classes and is_background(classes[0]) else 1
    labels = {number: 0 if is_background(name) else names.index(name) for number, name in enumerate(classes, first)}
    labels |= {0: 0} if first == 1 else {}
    if ignored is not None and not 0 <= ignored <= IGNORED:
        raise PolyheadError(f"ignored: expected a number from 0 to 255, got {ignored}")
    if ignored is not None and labels.get(ignored):
        name = names[labels[ignored]]
        raise PolyheadError(
            f"ignored: expected a number that is not a class, got {ignored}, the number of the class {name!r}"
        )
    labels |= {IGNORED: IGNORED} | ({} if ignored is None else {ignored: IGNORED})
    return MaskEncoding(labels, colors=False)


def color_encoding(colors: Colors, ignored: int | list[int] | None = None) -> MaskEncoding:
    """Return the encoding of masks whose pixels are colors.

    Args:
        colors: name and color ``[red, green, blue]`` of each class.
        ignored: a color that is ignored.

    Raises:
        PolyheadError: if a setting is invalid.
    """
    if isinstance(ignored, int):
        raise PolyheadError(f"ignored: expected [red, green, blue], because the masks hold colors, got {ignored}")
    names = with_void([*colors])
    entries = [(name, color, 0 if is_background(name) else names.index(name)) for name, color in colors.items()]
    entries += [] if ignored is None else [("ignored", ignored, IGNORED)]
    labels: dict[int, int] = {}
    for name, color, label in entries:
        if len(color) != 3 or not all(0 <= value <= 255 for value in color):
            raise PolyheadError(f"colors: {name}: expected [red, green, blue], each from 0 to 255, got {color}")
        if pack_color(color) in labels:
            raise PolyheadError(f"colors: {name}: the color {unpack_color(pack_color(color))} is used twice")
        labels[pack_color(color)] = label
    if not colors:
        raise PolyheadError(f"colors: expected the color of each class other than {BACKGROUND}, got none")
    return MaskEncoding(labels, colors=True)


def pair_files(
    image_id: str, image: Path | Problem, mask: Path | Problem, encoding: MaskEncoding, issues: Issues
) -> Record | None:
    """Return the record of an image and its mask, or None if the headers of the files show that they are invalid.

    Args:
        image_id: id of the image.
        image: the image file, or why it was not found.
        mask: the mask file, or why it was not found.
        encoding: what the pixels of the mask mean.
        issues: where problems are added.
    """
    for found in (image, mask):
        if isinstance(found, Problem):
            issues.add(image_id, found)
    if isinstance(image, Problem) or isinstance(mask, Problem):
        return None
    try:
        record = Record(image_id, image, image_size(image))
        mode = image_mode(mask)
        if not encoding.supports(mode):
            raise InvalidFileError(mask, *_unsupported(mode, encoding))
        require_size(mask, image_size(mask), record.size)
    except InvalidFileError as error:
        issues.add(image_id, error.problem)
        return None
    record.mask = str(mask)
    return record


def require_size(mask: str | Path, found: Size, expected: Size) -> None:
    """Check that a mask has the size (height, width) of its upright image.

    Raises:
        InvalidFileError: if the sizes differ.
    """
    if found != expected:
        what = (
            f"expected a mask of {expected[1]} x {expected[0]} pixels as its image (after EXIF rotation), "
            f"got {found[1]} x {found[0]}"
        )
        remedy = "make both the same size; if the image has an EXIF rotation, save it rotated"
        raise InvalidFileError(mask, what, remedy)


def pack_color(color: Sequence[int]) -> int:
    """Return a color (red, green, blue) as one number, ``256² red + 256 green + blue``."""
    red, green, blue = color
    return red << 16 | green << 8 | blue


def unpack_color(value: int) -> tuple[int, int, int]:
    """Return red, green and blue of a color that :func:`pack_color` made one number."""
    return value >> 16, value >> 8 & 255, value & 255


def pack_colors(colors: UInt8[np.ndarray, "h w 3"]) -> Int[np.ndarray, "h w"]:
    """Return the colors of an image, each as one number (:func:`pack_color`)."""
    wide = colors.astype(np.int32)  # the shifts overflow uint8
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


def _unsupported(mode: str, encoding: MaskEncoding) -> tuple[str, str]:
    """Return what is wrong with a mask of this mode, and what to do."""
    if encoding.colors:
        what = f"expected RGB, gray or palette colors, got pixels of mode {mode}"
        return what, "save the mask as RGB PNG, or name the classes of the numbers instead of colors"
    what = f"expected one 8-bit channel of numbers or a palette, got pixels of mode {mode}"
    return what, "save the mask as gray or palette PNG, or set the colors of the classes"
