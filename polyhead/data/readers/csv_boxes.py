"""Parse CSV files with one box per line: columns by their header, or those of three tools that write none."""

import csv
import re
from math import isfinite
from pathlib import Path
from typing import NamedTuple

from polyhead.data.io.files import read_text
from polyhead.data.io.images import is_image, is_size
from polyhead.data.io.json_files import head, number, whole_number
from polyhead.data.readers.in_memory import Box
from polyhead.errors import InvalidFileError, Problem
from polyhead.types import Size

IMAGE = ("filename", "imagename", "imagefilename", "image", "file", "imagepath", "filepath", "path", "imageid", "img",
         "imgname", "imgpath", "fname", "frame")  # fmt: skip
CLASS = ("class", "classname", "label", "labelname", "category", "categoryname", "classid", "labelid", "categoryid")
CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"), ("left", "top", "right", "bottom"),
    ("bboxxmin", "bboxymin", "bboxxmax", "bboxymax"), ("bboxx1", "bboxy1", "bboxx2", "bboxy2"),
    ("xtl", "ytl", "xbr", "ybr"), ("x0", "y0", "x1", "y1"), ("minx", "miny", "maxx", "maxy"),
)  # fmt: skip
"""Names of the columns of the corners, the best known first."""
SIDES = (
    ("x", "y", "w", "h"), ("left", "top", "w", "h"), ("left", "top", "width", "height"),
    ("xmin", "ymin", "w", "h"), ("xmin", "ymin", "width", "height"), ("x", "y", "width", "height"),
    ("bboxx", "bboxy", "bboxwidth", "bboxheight"), ("bboxx", "bboxy", "bboxw", "bboxh"),
    ("bboxleft", "bboxtop", "bboxwidth", "bboxheight"),
)  # fmt: skip
"""Names of the columns of the upper left corner, width and height."""
IMAGE_SIZE = (("imageheight", "imagewidth"), ("imgheight", "imgwidth"), ("height", "width"))
WHOLE = ("bbox", "boundingbox")
"""Names of a column with all four numbers of a box, such as ``[1, 2, 30, 40]``."""
NO_CLASS = ("", "id", "index", "source", "width", "height", "imagewidth", "imageheight", "imgwidth", "imgheight")
"""Columns besides image and box that are surely not the class: a table with only these has one class."""
ONLY_CLASS = "object"
"""The class of boxes without one."""
OTHER = ("isoccluded", "isgroupof", "regionshapeattributes")
"""Columns of Open Images and VIA, which are other formats."""


class Columns(NamedTuple):
    """Where the values of a line are.

    Attributes:
        image: the column of the image.
        label: the column of the class; None if all boxes have the same one.
        box: the four columns of the box, or the one with all four numbers.
        sides: whether the last two of these are width and height, not the lower right corner.
        size: the columns of the image's height and width, if there are any.
        first: number of the first line with a box.
        delimiter: between the columns.
    """

    image: int
    label: int | None
    box: tuple[int, ...]
    sides: bool = False
    size: tuple[int, int] | None = None
    first: int = 2
    delimiter: str = ","


RETINANET = Columns(0, 5, (1, 2, 3, 4), first=1)
SKU110K = RETINANET._replace(size=(7, 6))
MAKE_SENSE = Columns(5, 0, (1, 2, 3, 4), sides=True, size=(7, 6), first=1)


class Row(NamedTuple):
    """A line of a file; ``box`` is None for an image without boxes."""

    where: str
    image: str
    label: str
    box: Box | None
    size: Size | None


def csv_columns(path: Path) -> Columns | None:
    """Return the columns of a CSV file of boxes, from its first lines; None for other files."""
    start = head(path).decode("utf-8-sig", "replace").splitlines()
    if not start:
        return None
    for delimiter in (",", ";", "\t"):
        lines = list(csv.reader(start[:2], delimiter=delimiter))
        cells = [cell.strip() for cell in next(iter(lines), [])]
        found = _from_header(cells, lines[1:]) or _without_header(cells)
        if found:
            return found._replace(delimiter=delimiter)
    return None


def plain_columns(cells: list[str]) -> list[str]:
    """Return the names of columns in lower case, with letters and digits only."""
    return ["".join(filter(str.isalnum, cell.lower())) for cell in cells]


def box_columns(names: list[str]) -> tuple[tuple[int, ...], bool]:
    """Return the columns of the box, and whether they have its width and height; no columns if there are none."""
    for sides, choices in ((False, CORNERS), (True, SIDES), (True, [(name,) for name in WHOLE])):
        for box in choices:
            if set(box) <= set(names):
                return tuple(names.index(name) for name in box), sides
    return (), False


def _from_header(cells: list[str], lines: list[list[str]]) -> Columns | None:
    names = plain_columns(cells)
    image = next((name for name in IMAGE if name in names), None)
    label = next((name for name in CLASS if name in names and name != image), None)
    box, sides = box_columns(names)
    if image is None or not box or any(name in names for name in OTHER):
        return None
    others = [name for column, name in enumerate(names) if column not in box]
    if label is None and not set(others) <= {image, *NO_CLASS}:
        return None
    if len(box) == 1 and not all(_is_whole_box(each, box[0]) for each in lines):
        return None
    pairs = [pair for pair in IMAGE_SIZE if set(pair) <= set(others)]
    size = (names.index(pairs[0][0]), names.index(pairs[0][1])) if pairs else None
    return Columns(names.index(image), None if label is None else names.index(label), box, sides, size)


def four_numbers(text: str) -> list[str]:
    """Return the parts of a text such as ``[1, 2, 30, 40]`` or ``1 2 30 40``; nothing if they are not four numbers."""
    parts = re.split(r"[\s,;]+", text.strip().strip("[]()").strip())
    return parts if len(parts) == 4 and all(number(part) is not None for part in parts) else []


def _is_whole_box(cells: list[str], column: int) -> bool:
    """Return whether a line has a box in one column, or nothing there."""
    return len(cells) > column and (not cells[column].strip() or bool(four_numbers(cells[column])))


def _without_header(cells: list[str]) -> Columns | None:
    if _is_retinanet(cells):
        return RETINANET
    if len(cells) == 8 and all(whole_number(cell) for cell in cells[6:]):
        if _is_retinanet(cells[:6]):
            return SKU110K
        if _is_retinanet([cells[5], *cells[1:5], cells[0]]):
            return MAKE_SENSE
    return None


def _is_retinanet(cells: list[str]) -> bool:
    """Return whether a line is an image with a box and its class, or with five empty cells."""
    if len(cells) != 6 or not is_image(cells[0]):
        return False
    filled = all(number(cell) is not None for cell in cells[1:5]) and bool(cells[5])
    return filled or not any(cells[1:])


def read_csv_boxes(path: Path) -> tuple[list[Row], list[tuple[str, Problem]]]:
    """Read a CSV file of boxes.

    Returns:
        Its rows, and the image and the problem of each line that is not valid.

    Raises:
        InvalidFileError: if the file cannot be read, has other columns, or its boxes are not in pixels.
    """
    text = read_text(path)
    columns = csv_columns(path)
    if columns is None:
        what = (
            "expected the columns filename, class, xmin, ymin, xmax, ymax, or RetinaNet's lines path,x1,y1,x2,y2,class"
        )
        raise InvalidFileError(path, what, "rename the columns in the first line")
    rows: list[Row] = []
    problems: list[tuple[str, Problem]] = []
    reader = csv.reader(text.splitlines(), delimiter=columns.delimiter)
    try:
        for cells in reader:
            if reader.line_num < columns.first or not any(cell.strip() for cell in cells):
                continue
            row = _row(f"{path}: line {reader.line_num}", cells, columns)
            if isinstance(row, Row):
                rows.append(row)
            else:
                problems.append((cells[columns.image].strip() if columns.image < len(cells) else row.where, row))
    except csv.Error as error:
        raise InvalidFileError(f"{path}: line {reader.line_num}", f"is not valid CSV ({error})", "repair it") from error
    boxes = [row.box for row in rows if row.box]
    if boxes and max(max(box) for box in boxes) <= 1:
        what = "expected boxes in pixels, got numbers of at most 1, which are relative to the image"
        raise InvalidFileError(path, what, "multiply them by the width and height of the images")
    if len(columns.box) == 1 and boxes and all(x2 > 2 * x1 and y2 > 2 * y1 for x1, y1, x2, y2 in boxes):
        # they were read as x, y, width, height; but in no box is the third number too small for a second corner
        what = "the four numbers of each box may be x, y, width, height or two corners"
        fix = "write them into four columns, named x, y, w, h or xmin, ymin, xmax, ymax"
        raise InvalidFileError(path, what, fix)
    return rows, problems


def _row(where: str, cells: list[str], columns: Columns) -> Row | Problem:
    """Return the box of a line, or what is wrong with it."""
    cells = [cell.strip() for cell in cells]
    least = max(columns.image, columns.label or 0, *columns.box) + 1
    if len(cells) < least:
        return Problem(where, f"expected at least {least} columns, got {len(cells)}", FIX)
    image, label = cells[columns.image], ONLY_CLASS if columns.label is None else cells[columns.label]
    if not image:
        return Problem(where, "the line names no image", FIX)
    size = None
    if columns.size and max(columns.size) < len(cells):
        sides = [whole_number(cells[column]) or 0 for column in columns.size]
        size = (sides[0], sides[1]) if is_size(sides[0], sides[1]) else None
    texts = [cells[column] for column in columns.box]
    if all(text.lower() in ("", "nan", "none", "null") for text in texts):
        return Row(where, image, "", None, size)
    texts = four_numbers(texts[0]) or texts if len(texts) == 1 else texts
    numbers = [number(text) for text in texts]
    if len(numbers) != 4 or any(each is None or not isfinite(each) for each in numbers):
        return Problem(where, f"expected four numbers, got {', '.join(texts):.80}", FIX)
    if not label:
        return Problem(where, "the box has no class", FIX)
    x1, y1, x2, y2 = (each for each in numbers if each is not None)
    return Row(where, image, label, (x1, y1, x1 + x2, y1 + y2) if columns.sides else (x1, y1, x2, y2), size)


FIX = "correct or delete the line"


def read_class_ids(path: Path) -> list[str] | None:
    """Return the names in RetinaNet's file of classes, ``name,id`` per line, by id; None for another file.

    Raises:
        InvalidFileError: if the file cannot be read.
    """
    names: dict[int, str] = {}
    for line in read_text(path).splitlines():
        name, _, text = line.strip().rpartition(",")
        if not line.strip():
            continue
        if not name.strip() or not text.strip().isdecimal() or len(text) > 9:
            return None
        names[int(text)] = name.strip().strip('"')
    if sorted(names) != list(range(len(names))) or len(set(names.values())) < len(names):
        return None
    return [names[each] for each in range(len(names))]
