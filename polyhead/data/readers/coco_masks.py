"""Read the outlines of COCO JSON (polygons and run lengths) as one mask of classes per image."""

from hashlib import blake2b
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from polyhead.data.io.json_files import number as to_number
from polyhead.data.readers.coco import Coco
from polyhead.data.readers.in_memory import Issues, Record
from polyhead.data.readers.mask_files import is_background, with_background
from polyhead.data.readers.outlines import paint
from polyhead.errors import InvalidFileError, Problem
from polyhead.types import IGNORED, Mask, Size

REDRAW = "draw the outline again, or delete the annotation"
MOST_BITS = 60
"""Bits of a compressed run length; a longer one would take long to decode, and is that of no image."""


class Outline(NamedTuple):
    """The outline of an object. Its ``repr`` is part of the fingerprint of the data: do not rename it or its fields.

    Attributes:
        id: id of the annotation.
        label: its class in the mask; 255 for a crowd.
        shape: polygons or run lengths as in the JSON file.
    """

    id: str
    label: int
    shape: list[list[float]] | dict[str, Any]


class CocoMasks(Coco):
    """A data set in COCO's layout for segmentation: the outlines of objects are read, their boxes are not.

    Objects are painted from the largest to the smallest, so that small objects are on top of large ones. Crowds are
    ignored (255) and are painted first, below all objects. Pixels without an object are background.

    Args:
        root: the folder of the data set; this and the other arguments are as in
            :class:`polyhead.data.readers.coco.Coco`.
        annotations: the JSON file.
        images: the folder of the images.
        classes: the names of the classes to read, in this order; pixels of other classes are background.
        on_bad: ``"stop"`` or ``"skip"``.
        cap: the largest fraction of images that may be skipped.
    """

    kind = "segmentation"
    background = True

    def __init__(
        self,
        root: str | Path,
        annotations: str | list[str] | None = None,
        images: str | None = None,
        *,
        classes: list[str] | None = None,
        on_bad: str = "stop",
        cap: float = 0.1,
    ) -> None:
        self._outlines: dict[str, list[Outline]] = {}
        super().__init__(root, annotations, images, classes=classes, on_bad=on_bad, cap=cap)
        self.digest = blake2b(repr((sorted(self._outlines.items()), self._sizes)).encode(), digest_size=16).hexdigest()

    def _classes(
        self, entries: list[Any], selected: list[str] | None, issues: Issues
    ) -> tuple[list[str], dict[int | str, int | None]]:
        """Return class names and labels with the background first, whether it is a category of its own or not."""
        names, labels = super()._classes(entries, selected, issues)
        all_names = with_background(names)
        numbers = [0 if is_background(name) else all_names.index(name) for name in names]
        return all_names, {category: None if label is None else numbers[label] for category, label in labels.items()}

    def content(self, index: int) -> str:  # the digest has all outlines
        """Return an empty text."""
        return ""

    def target(self, index: int) -> Mask:
        """Return the class of each pixel."""
        size = self._sizes[index]
        outlines = self._outlines.get(self.ids[index], [])
        return Mask(paint([(outline.label, self._run_lengths(outline, size)) for outline in outlines], size))

    def _run_lengths(self, outline: Outline, size: Size) -> dict[str, Any]:
        """Return the pixels of an object as run lengths, rasterized by COCO's own code."""
        from faster_coco_eval.core import mask

        shape = outline.shape
        if isinstance(shape, dict):
            counts = run_lengths(shape["counts"]) if isinstance(shape["counts"], str) else shape["counts"]
            shape = {
                "size": [*size],
                "counts": counts,
            }  # the file may write the size as 48.0, which the library refuses
            if sum(counts) != size[0] * size[1] or min(counts) < 0:
                where = f"{self.file}: annotation {outline.id}"
                what = "the compressed run lengths do not add up to the pixels of the image"
                raise InvalidFileError(where, what, "export the file again")
        lengths = mask.frPyObjects(shape, *size)
        merged: dict[str, Any] = mask.merge(lengths) if isinstance(lengths, list) else lengths
        return merged

    def _add_objects(
        self, entries: list[Any], records: dict[str, Record | None], labels: dict[int | str, int | None], issues: Issues
    ) -> None:
        """Check every object as the reader of boxes does, and store its outline."""
        super()._add_objects(entries, records, labels, issues)
        for entry in entries:
            image_id = self._id(entry.get("image_id")) if isinstance(entry, dict) else ""
            record = records.get(image_id)
            label = labels.get(entry.get("category_id")) if record and _is_hashable(entry.get("category_id")) else None
            if record is None or label is None:
                continue
            shape = _with_numbers(entry.get("segmentation"))
            error = check_outline(shape, record.size)
            if error:
                issues.add(image_id, Problem(f"{self.file}: annotation {entry.get('id')}", *error))
            else:
                number = IGNORED if entry.get("iscrowd") in (1, "1") else label
                outline = Outline(str(entry.get("id")), number, shape)
                self._outlines.setdefault(image_id, []).append(outline)


def check_outline(shape: Any, size: Size) -> tuple[str, str] | None:
    """Check the ``segmentation`` of an object in an image of ``size`` (height, width).

    Returns:
        What is wrong and what to do; None for a valid outline.
    """
    if not shape:
        what = "the object has no outline (segmentation is missing or empty)"
        return what, "add an outline; for boxes only, use the reader coco"
    if isinstance(shape, list):
        return _check_polygons(shape, size)
    if isinstance(shape, dict) and isinstance(shape.get("counts"), list | str) and "size" in shape:
        return _check_run_lengths(shape["size"], shape["counts"], size)
    return f"expected polygons, or run lengths {{size, counts}}, got {shape!r:.80}", REDRAW


def _check_polygons(shape: list[Any], size: Size) -> tuple[str, str] | None:
    for polygon in shape:
        is_list = isinstance(polygon, list)
        if not is_list or len(polygon) < 6 or len(polygon) % 2 or not all(map(_is_coordinate, polygon)):
            return "expected polygons [x1, y1, x2, y2, x3, y3, ...] of finite numbers", REDRAW
        farthest = max(map(abs, polygon))
        if farthest > 2 * max(size):
            what = f"a polygon has the coordinate {farthest:g}, far outside the image of {size[1]} x {size[0]} pixels"
            return what, REDRAW
    return None


def _check_run_lengths(shape_size: Any, counts: list[Any] | str, size: Size) -> tuple[str, str] | None:
    """Check uncompressed run lengths; compressed ones are checked when they are painted."""
    if shape_size != list(size):
        what = f"expected run lengths of the image size (height, width) {list(size)}, got {shape_size}"
        return what, "export the file again"
    if isinstance(counts, str):
        return None
    valid = all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts)
    if not valid or sum(counts) != size[0] * size[1]:
        return "the run lengths do not add up to the pixels of the image", "export the file again"
    return None


def run_lengths(text: str) -> list[int]:
    """Decode COCO's compressed run lengths.

    Each character minus 48 holds five bits of a number, lowest bits first, and in its sixth bit whether more follow.
    From the fourth number on, the text holds the difference to the last number but one. This is done here because the
    library's result for an invalid text is undefined.
    """
    lengths: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        value |= (bits & 31) << shift
        shift += 5
        if shift > MOST_BITS:
            return [-1]  # a number that no image has
        if bits & 32:  # more characters of this number follow
            continue
        if bits & 16:  # the number is negative: extend its sign
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = shift = 0
    return lengths or [0]


def _with_numbers(shape: Any) -> Any:
    """Return polygons whose coordinates are texts as numbers; anything else unchanged."""
    if not isinstance(shape, list) or not all(isinstance(polygon, list) for polygon in shape):
        return shape
    if not any(isinstance(value, str) for polygon in shape for value in polygon):
        return shape
    return [[to_number(value) for value in polygon] for polygon in shape]


def _is_coordinate(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return isfinite(value)
    except OverflowError:  # an integer that no float can hold
        return False


def _is_hashable(value: Any) -> bool:
    return isinstance(value, int | str)
