"""Read YOLO txt: one file per image, one object per line as class, center and size relative to the image.

An image without a label file is a negative, as is usual in this format. If no image has one, that is an error.
"""

from collections import Counter
from collections.abc import Sequence
from math import isfinite
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from polyhead.data.io.files import Listing, read_text
from polyhead.data.io.images import NOT_READ, image_size
from polyhead.data.io.split_names import SPLITS
from polyhead.data.readers.in_memory import Box, InMemoryReader, Issues, Record, check_box
from polyhead.data.readers.yolo_layout import YoloLayout, looks_like_labels, yolo_layout
from polyhead.data.readers.yolo_names import BOX_COLUMNS, is_class_file
from polyhead.errors import Finding, InvalidFileError, PolyheadError, Problem, few, suggest
from polyhead.paths import find
from polyhead.types import Size

LEAST_OUTLINE, CORNERS = 7, 9
"""Columns of an outline of three points, and of one of four: also the form of a rotated box."""


class YoloObject(NamedTuple):
    """The object of a label line.

    Attributes:
        number: its class.
        box: xyxy in pixels.
        outline: x and y of each point in pixels; empty if the line is a box.
        form: ``box``, ``scored`` (with a confidence), ``points`` (with keypoints), ``corners`` or ``outline``.
    """

    number: int
    box: Box
    outline: Sequence[float]
    form: str


class Yolo(InMemoryReader):
    """A data set of images and YOLO's label files.

    The class names are in ``data.yaml`` (or another YAML file with ``names``), in darknet's ``obj.data`` and
    ``obj.names``, or in a list such as ``classes.txt``, one name per line. A label file has the name of its image and
    is in the folder ``labels`` in place of ``images``, or beside the image. A line with an outline is read as its
    bounding box (:class:`polyhead.data.readers.yolo_masks.YoloMasks` reads the outline).

    Args:
        root: the folder of ``data.yaml`` or of the class names. Paths in files that lead elsewhere are looked up in it.
        split: ``train``, ``val`` or ``test``: of ``data.yaml``, of lists such as ``train.txt``, or by name of folder.
        on_bad: ``"stop"`` or ``"skip"``, see :class:`polyhead.data.readers.in_memory.InMemoryReader`.
        cap: the largest fraction of images that may be skipped.

    Raises:
        PolyheadError: if the layout or the split is not found, or ``data.yaml`` is invalid.
    """

    def __init__(self, root: str | Path, split: str = "train", *, on_bad: str = "stop", cap: float = 0.1) -> None:
        folder = find(root)
        if not folder.is_dir():
            raise PolyheadError(f"{folder}: expected the folder of a data set, got a file. Correct root.")
        listing = Listing(folder)
        layout = yolo_layout(listing)
        if layout is None:
            raise PolyheadError(
                f"{folder}: has no YOLO layout (expected data.yaml with names, or classes.txt). Correct root."
            )
        split = SPLITS.get(split, split)
        if split not in layout.splits:
            raise PolyheadError(f"{folder}: has no split {split!r}{suggest(split, layout.splits)}")
        issues = Issues()
        self._forms: Counter[str] = Counter()
        self._keypoint_columns = layout.description.keypoint_columns
        names, self._numbers = self._classes(layout.description.names)
        records: dict[str, Record | None] = {}
        without = 0
        for name, where in layout.splits[split]:
            pure = PurePosixPath(name)
            image_id, label_file = str(pure.parent / pure.stem), layout.labels.get(name)
            path = listing.find(name)
            if image_id in records:
                what = f"another image has the same label file {label_file}, or the image is listed twice"
                issues.add(image_id, Problem(f"{where}, image {name!r}", what, "rename or remove one of the two"))
            elif isinstance(path, Problem):
                issues.add(image_id, path._replace(where=f"{where}, {path.where}"))
            else:
                without += label_file is None
                text_file = listing.files[label_file] if label_file else None
                records[image_id] = self._read_record(image_id, path, text_file, issues)
        _report_unused_labels(listing, layout, split, issues)
        if records and without == len(records):
            what = f"none of the {len(records)} images of {split!r} has a label file"
            remedy = "add labels/NAME.txt for each images/NAME.jpg, in the same subfolders"
            issues.add(None, Problem(str(folder), what, remedy))
        self.notes = [*layout.notes, *self._form_notes(split)]
        self.findings = _same_images(layout, split)
        if without:
            images = f"{without} of {len(records)} images have"
            self.notes.append(f"{split}: {images} no label file and count as images without objects")
        super().__init__(folder, names, [*range(len(names))], list(filter(None, records.values())), issues, on_bad, cap)

    def _classes(self, names: list[str]) -> tuple[list[str], list[int]]:
        """Return the class names of the reader, and its label of each number in the files."""
        return names, [*range(len(names))]

    def _form_notes(self, split: str) -> list[str]:
        """Return what is said of objects that are not given by a box."""
        counts, total = self._forms, self._forms.total()
        outlines = counts["outline"] + counts["corners"]
        form = "outlines" if counts["outline"] else "rotated boxes or outlines of four points"
        notes = {
            f"{outlines} of {total} objects are {form}: their bounding boxes are read "
            "(--reader yolo_masks reads them as masks)": outlines,
            f"{counts['scored']} of {total} objects have a sixth number, as the confidence of a prediction: "
            "it is not used": counts["scored"],
            f"{counts['points']} of {total} objects have keypoints: only their boxes are read": counts["points"],
        }
        return [f"{split}: {note}" for note, count in notes.items() if count]

    def _add(self, record: Record, found: YoloObject, where: str, issues: Issues) -> None:
        """Add an object to its image."""
        error = check_box(found.box, record.size)
        if error is None:
            record.add(found.box, self._numbers[found.number])
            return
        in_pixels = max(found.box) > 2 * max(record.size)  # relative coordinates are at most 1
        remedy = "divide the numbers by the width and height of the image" if in_pixels else error[1]
        issues.add(record.id, Problem(where, error[0], remedy))

    def _read_record(self, image_id: str, image: Path, label_file: Path | None, issues: Issues) -> Record | None:
        """Return an image with its valid objects; None if its size or its label file cannot be read."""
        try:
            record = Record(image_id, image, image_size(image))
            text = read_text(label_file) if label_file else ""
        except InvalidFileError as error:
            issues.add(image_id, error.problem)
            return None
        for number, line in enumerate(text.splitlines(), 1):
            columns = line.split()
            if not columns:
                continue
            where = f"{label_file}: line {number}"
            found = parse_line(columns, record.size, len(self._numbers), self._keypoint_columns)
            if isinstance(found, YoloObject):
                self._forms[found.form] += 1
                self._add(record, found, where, issues)
            else:
                issues.add(image_id, Problem(where, *found))
        return record


def _same_images(layout: YoloLayout, split: str) -> list[Finding]:
    """Return a warning for each other split that has the images of this training split, and is therefore not used."""
    others = [name for name, images in layout.splits.items() if name != split and images == layout.splits[split]]
    if split != "train" or not others:
        return []
    what = (
        f"the same {len(layout.splits[split])} images are named for train and {few(others)}, so scores on them are "
        "scores on training data"
    )
    remedy = "give each split its own images; here the others are split off from train"
    return [Finding("same-folder", Problem(str(layout.description.path), what, remedy))]


def parse_line(columns: list[str], size: Size, classes: int, keypoint_columns: int) -> YoloObject | tuple[str, str]:
    """Return the object of a label line, or what is wrong with the line and what to do.

    Args:
        columns: the words of the line.
        size: height and width of the image.
        classes: number of classes.
        keypoint_columns: number of columns of a line with keypoints; 0 if there are none.
    """
    form = _form(len(columns), keypoint_columns)
    if not form:
        what = f"expected {BOX_COLUMNS} columns of a box, or an odd number from {LEAST_OUTLINE} on of an outline"
        remedy = "write 'class x_center y_center width height', or 'class x1 y1 x2 y2 x3 y3 ...'"
        return f"{what}, got {len(columns)}", remedy
    label = _whole_number(columns[0])
    if not 0 <= label < classes:
        what = f"expected a whole number from 0 to {classes - 1} as class, got {columns[0]!r:.40}"
        return what, "correct the class, or add its name to data.yaml"
    try:
        numbers = [*map(float, columns[1:])]
    except ValueError:
        what = "four numbers" if len(columns) == BOX_COLUMNS else "numbers"
        return f"expected {what}, got {' '.join(columns[1:])!r:.80}", "correct or delete the line"
    if form in ("outline", "corners"):
        if not all(map(isfinite, numbers)):
            return "the outline has a number that is not finite", "correct the number, or delete the line"
        rows, cols = size
        xs, ys = [x * cols for x in numbers[::2]], [y * rows for y in numbers[1::2]]
        points = [coordinate for point in zip(xs, ys, strict=True) for coordinate in point]
        return YoloObject(label, (min(xs), min(ys), max(xs), max(ys)), points, form)
    return YoloObject(label, _box(numbers, size), (), form)


def _form(columns: int, keypoint_columns: int) -> str | None:
    """Return the form of an object by the number of its columns; None if there is none."""
    forms = {BOX_COLUMNS: "box", BOX_COLUMNS + 1: "scored", CORNERS: "corners"}
    if columns == keypoint_columns:
        return "points"
    return forms.get(columns) or ("outline" if columns >= LEAST_OUTLINE and columns % 2 else None)


def _whole_number(text: str) -> int:
    """Return a number such as 2 or 2.0, which some tools write; -1 for anything else."""
    try:
        return int(number) if (number := float(text)).is_integer() else -1
    except ValueError:
        return -1


def _box(numbers: list[float], size: Size) -> Box:
    """Return the xyxy box in pixels of x and y of the center, width and height as fractions of the image."""
    x, y, width, height = numbers[:4]
    rows, cols = size
    return (x - width / 2) * cols, (y - height / 2) * rows, (x + width / 2) * cols, (y + height / 2) * rows


def _report_unused_labels(listing: Listing, layout: YoloLayout, split: str, issues: Issues) -> None:
    """Report label files without an image, in the folders of the label files of this split."""
    used = set(layout.labels.values())
    own = {layout.labels[image.name] for image in layout.splits[split] if image.name in layout.labels}
    folders = {str(PurePosixPath(name).parent) for name in own}
    not_read = {pure.stem: pure.name for pure in map(PurePosixPath, listing.files) if pure.suffix.lower() in NOT_READ}
    for name, path in listing.files.items():
        folder = str(PurePosixPath(name).parent)
        is_text = name.lower().endswith(".txt") and not is_class_file(name)
        if is_text and folder in folders and name not in used and looks_like_labels(path):
            what, remedy = "the label file has no image of this name", "add the image, or delete the label file"
            if other := not_read.get(PurePosixPath(name).stem):
                what, remedy = f"its image {other!r} is in a format that is not read", "save it as JPEG or PNG"
            issues.add(name, Problem(str(path), what, remedy))
