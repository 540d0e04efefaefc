"""Find and parse LabelMe's JSON files: one per image, with shapes of labels and points in pixels."""

from collections import Counter
from math import hypot, isfinite
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from polyhead.data.io.files import Listing
from polyhead.data.io.images import MAX_PIXELS, is_image, is_size
from polyhead.data.io.json_files import head, load_json, number, whole_number
from polyhead.data.readers.in_memory import Box
from polyhead.errors import InvalidFileError, Problem
from polyhead.types import Size

Point = tuple[float, float]
LINES = ("line", "linestrip", "point", "points")
"""Types of shapes without an area."""
POLYGONS = ("polygon", "rotation", "quadrilateral")
REMEDY = "draw the shape again, or delete it"


class Shape(NamedTuple):
    """A shape with an area. Its ``repr`` is part of the fingerprint of the data: do not rename it or its fields.

    Attributes:
        where: the number of the shape in its file.
        label: its label as written.
        type: ``polygon`` (also for other shapes with corners), ``rectangle``, ``circle`` or ``mask``.
        points: corners; of a circle its center and a point on it.
        mask: of a mask its PNG file in base64.
        group: the number of the object that it is a part of, or None.
        difficult: whether it is marked as difficult.
    """

    where: int
    label: str
    type: str
    points: tuple[Point, ...]
    mask: str = ""
    group: int | str | None = None
    difficult: bool = False

    @property
    def box(self) -> Box:
        """The bounding box, xyxy in pixels."""
        if self.type == "circle":
            (x, y), (edge_x, edge_y) = self.points
            radius = hypot(edge_x - x, edge_y - y)
            return x - radius, y - radius, x + radius, y + radius
        xs, ys = zip(*self.points, strict=True)
        last = 1 if self.type == "mask" else 0  # the second corner of a mask is its last pixel
        return min(xs), min(ys), max(xs) + last, max(ys) + last


class LabelMeFile(NamedTuple):
    """A parsed file.

    Attributes:
        image: ``imagePath`` as written; None if there is none.
        size: height and width of the image, if they are written.
        shapes: the shapes that have an area.
        left_out: how many others of each type there are.
        embedded: whether the image is in the file, too.
        problems: the problems of other shapes.
        flags: the flags of the image that are set.
    """

    image: str | None
    size: Size | None
    shapes: list[Shape]
    left_out: Counter[str]
    embedded: bool
    problems: list[Problem]
    flags: list[str]


def is_labelme(path: Path) -> bool:
    """Return whether a JSON file looks like LabelMe's; only its first bytes are read."""
    start = head(path)
    return any(key in start for key in (b'"shapes"', b'"imagePath"', b'"imageData"'))


def labelme_files(folder: Path, below: list[str] | None = None) -> dict[str, Path]:
    """Return LabelMe's files by their path relative to a folder.

    Args:
        folder: the folder of the data set.
        below: the subfolders to search; None for all of the folder.
    """
    files = Listing(folder).files if folder.is_dir() else {}
    found = {name: path for name, path in files.items() if name.lower().endswith(".json")}
    starts = tuple("" if each == "." else f"{each.strip('/')}/" for each in below or ["."])
    known = {name for name, path in found.items() if is_labelme(path)}
    if known:  # a broken file beside its image is one of them
        images = {str(PurePosixPath(name).with_suffix("")) for name in files if is_image(name)}
        known |= {name for name in found if name[: -len(".json")] in images}
    return {name: found[name] for name in sorted(known) if name.startswith(starts)}


def read_labelme(path: Path) -> LabelMeFile:
    """Parse one file.

    Raises:
        InvalidFileError: if it cannot be read or is not LabelMe's.
    """
    document = load_json(path)
    if not isinstance(document, dict) or not isinstance(document.get("shapes"), list):
        raise InvalidFileError(path, "expected LabelMe's JSON with a list of shapes", "export or delete the file")
    shapes, problems = [], []
    left_out: Counter[str] = Counter()
    for index, entry in enumerate(document["shapes"], 1):
        kind = (entry.get("shape_type") or "polygon") if isinstance(entry, dict) else ""
        if kind in LINES:
            left_out[kind] += 1
            continue
        shape = _shape(index, kind, entry)
        if isinstance(shape, Shape):
            shapes.append(shape)
        else:
            problems.append(Problem(f"{path}: shape {index}", shape, REMEDY))
    image = document.get("imagePath")
    sides = [whole_number(document.get(key)) or 0 for key in ("imageHeight", "imageWidth")]
    size = (sides[0], sides[1]) if is_size(sides[0], sides[1]) else None
    name = image.strip() if isinstance(image, str) and image.strip() else None
    flags = document.get("flags")
    chosen = [flag for flag, value in flags.items() if value is True] if isinstance(flags, dict) else []
    return LabelMeFile(name, size, shapes, left_out, bool(document.get("imageData")), problems, chosen)


def _shape(index: int, kind: object, entry: Any) -> Shape | str:
    """Return a shape, or what is wrong with it."""
    label = entry.get("label") if isinstance(entry, dict) else None
    if not isinstance(label, str) or not label.strip():
        return f"expected a label, got {label!r:.80}"
    points = _points(entry.get("points"))
    if points is None:
        return f"expected points [[x, y], ...] of finite numbers, got {entry.get('points')!r:.80}"
    group = entry.get("group_id")
    group = group if isinstance(group, int | str) else None
    shape = Shape(index, label.strip(), str(kind), points, group=group, difficult=entry.get("difficult") is True)
    if (kind in POLYGONS and len(points) >= 3) or (kind == "rectangle" and len(points) == 4):
        return shape._replace(type="polygon")
    if kind in ("rectangle", "circle") and len(points) == 2:
        return shape
    if kind == "mask" and len(points) == 2 and isinstance(entry.get("mask"), str):
        return shape._replace(mask=entry["mask"])
    known = ", ".join((*POLYGONS, "rectangle", "circle", "mask", *LINES))
    return f"expected the points of one of {known}, got {len(points)} points and the type {kind!r:.80}"


def _points(value: Any) -> tuple[Point, ...] | None:
    if not isinstance(value, list):
        return None
    found = []
    for pair in value:
        numbers = [number(each) for each in pair] if isinstance(pair, list) and len(pair) == 2 else [None]
        if any(each is None or not isfinite(each) or abs(each) > MAX_PIXELS for each in numbers):
            return None
        found.append((numbers[0] or 0.0, numbers[1] or 0.0))
    return tuple(found)
