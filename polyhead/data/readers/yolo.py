"""Read YOLO txt: one file per image, one object per line as class, center and size relative to the image.

An image without a label file is a negative, as is usual in this format. If no image has one, that is an error.
"""

import re
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import yaml

from polyhead.data.io.files import Listing, escapes, read_text
from polyhead.data.io.images import image_size, is_image
from polyhead.data.readers.in_memory import Box, InMemoryReader, Issues, Record, check_box
from polyhead.errors import InvalidFileError, PolyheadError, Problem, suggest
from polyhead.paths import find
from polyhead.types import Size

COLUMNS = 5
SPLITS = ("train", "val", "valid", "test")


class YoloDescription(NamedTuple):
    """What ``data.yaml`` or ``classes.txt`` describes.

    Attributes:
        names: class names.
        splits: the folders or lists of images of each split, relative to the root.
    """

    names: list[str]
    splits: dict[str, list[str]]


class Yolo(InMemoryReader):
    """A data set with ``data.yaml``, or with ``classes.txt`` (one name per line), ``images`` and ``labels``.

    Args:
        root: the folder of ``data.yaml``; the ``path`` in that file is not used.
        split: a key of ``data.yaml`` whose value is a folder of images, a txt file of image paths, or a list of both.
        on_bad: ``"stop"`` or ``"skip"``, see :class:`polyhead.data.readers.in_memory.InMemoryReader`.
        cap: the largest fraction of images that may be skipped.

    Raises:
        PolyheadError: if the layout or the split is not found, or ``data.yaml`` is invalid.
    """

    def __init__(self, root: str | Path, split: str = "train", *, on_bad: str = "stop", cap: float = 0.1) -> None:
        folder = find(root)
        names, splits = describe_yolo(folder)
        if split not in splits:
            raise PolyheadError(f"{folder}: has no split {split!r}{suggest(split, splits)}")
        issues = Issues()
        listing = Listing(folder)
        labels = {str(number): number for number in range(len(names))}
        records: dict[str, Record | None] = {}
        label_files = 0
        for name, where in _images(folder, splits[split], listing, issues):
            label_file = _label_file(name)
            image_id = str(PurePosixPath(name).with_suffix(""))
            path = listing.find(name)
            if image_id in records:
                what = f"another image has the same label file {label_file}, or the image is listed twice"
                issues.add(image_id, Problem(f"{where}, image {name!r}", what, "rename or remove one of the two"))
            elif isinstance(path, Problem):
                issues.add(image_id, path._replace(where=f"{where}, {path.where}"))
            else:
                records[image_id] = _read_record(image_id, path, listing.files.get(label_file), labels, issues)
                label_files += label_file in listing.files
        _report_unused_labels(folder, listing, records, issues)
        if records and not label_files:
            what = f"none of the {len(records)} images of {split!r} has a label file"
            remedy = "add labels/NAME.txt for each images/NAME.jpg, in the same subfolders"
            issues.add(None, Problem(str(folder), what, remedy))
        usable = [record for record in records.values() if record]
        super().__init__(folder, names, [*range(len(names))], usable, issues, on_bad, cap)


def yolo_description(folder: Path) -> Path | None:
    """Return the file of the class names: ``data.yaml``, the only YAML file with ``names``, or ``classes.txt``."""
    if (folder / "data.yaml").is_file():
        return folder / "data.yaml"
    candidates = [path for path in sorted(folder.glob("*.y*ml")) if "names:" in read_text(path)]
    if len(candidates) == 1:
        return candidates[0]
    return folder / "classes.txt" if (folder / "classes.txt").is_file() and (folder / "labels").is_dir() else None


def describe_yolo(folder: Path) -> YoloDescription:
    """Read class names and splits of a YOLO folder.

    Raises:
        PolyheadError: if there is no description, or it is invalid.
    """
    path = yolo_description(folder)
    if path is None:
        raise PolyheadError(
            f"{folder}: has no YOLO layout (expected data.yaml, or classes.txt and the folder labels). Correct root."
        )
    if path.suffix == ".txt":
        names = [line.strip() for line in read_text(path).splitlines() if line.strip()]
        return YoloDescription(names, _usual_splits(folder))
    try:
        document = yaml.safe_load(read_text(path))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        what = f"is not valid YAML ({error.problem})"
        raise InvalidFileError(f"{path}: line {line}", what, "repair the file") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise InvalidFileError(path, f"is not valid YAML ({error})", "repair the file") from error
    if not isinstance(document, dict) or not document.get("names"):
        raise InvalidFileError(path, "has no list of class names", "add 'names: [first, second]'")
    names = _names(path, document)
    splits = {}
    for split in SPLITS:
        if document.get(split):
            value = document[split]
            entries = value if isinstance(value, list) else [value]
            splits[split] = [_relative(path, folder, entry) for entry in entries]
    return YoloDescription(names, splits or _usual_splits(folder))


def _usual_splits(folder: Path) -> dict[str, list[str]]:
    """Return the image folders that exist; used if the description names none."""
    usual = ((split, path) for split in SPLITS for path in (f"images/{split}", f"{split}/images"))
    splits = {split: [path] for split, path in usual if (folder / path).is_dir()}
    return splits or ({"train": ["images"]} if (folder / "images").is_dir() else {})


def _names(path: Path, document: dict[str, Any]) -> list[str]:
    names = document["names"]
    if isinstance(names, dict):
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            what = f"expected 0 to {len(names) - 1} as keys of 'names', got {', '.join(map(str, names))}"
            raise InvalidFileError(path, what, "number the classes without gaps")
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        what = f"expected a list of strings as 'names', got {names!r:.120}"
        raise InvalidFileError(path, what, "put each name in quotes")
    if len(set(names)) < len(names):
        raise InvalidFileError(path, "a class name is used twice", "give every class its own name")
    if document.get("nc", len(names)) != len(names):
        what = f"'nc' is {document['nc']}, but there are {len(names)} names"
        raise InvalidFileError(path, what, "correct one of the two")
    return names


def _relative(path: Path, folder: Path, entry: Any) -> str:
    """Return a path of data.yaml relative to the root.

    A leading ``../`` is removed if the rest exists: one large exporter writes it although the path is relative to the
    folder of the file.
    """
    if not isinstance(entry, str):
        raise InvalidFileError(path, f"expected a folder of images, got {entry!r:.80}", "write its path as a string")
    inner = re.sub(r"^(\.\./)+", "", entry)
    found = not escapes(inner) and (folder / inner).exists()
    if not found and escapes(entry):
        what = f"expected a path inside the folder of the data set, got {entry!r}, which leaves it"
        raise InvalidFileError(path, what, "write the path relative to data.yaml, such as images/train")
    if not found:
        raise InvalidFileError(path, f"{entry!r} does not exist in {folder}", "correct the path, or delete the key")
    return PurePosixPath(inner).as_posix()


def _images(folder: Path, paths: list[str], listing: Listing, issues: Issues) -> list[tuple[str, str]]:
    """Return the images of a split relative to the root, each with the folder, or file and line, that names it."""
    images: list[tuple[str, str]] = []
    for path in paths:
        if path.endswith(".txt"):
            lines = enumerate(read_text(folder / path).splitlines(), 1)
            listed = [(line.strip(), f"{folder / path}: line {number}") for number, line in lines if line.strip()]
            for name, where in listed:
                if escapes(name):
                    problem = listing.find(name)
                    assert isinstance(problem, Problem)
                    issues.add(where, problem._replace(where=f"{where}, {problem.where}"))
                else:
                    images.append((PurePosixPath(name).as_posix(), where))
        else:
            prefix = "" if path == "." else f"{path}/"
            names = (name for name in (*listing.files, *listing.outside_links) if name.startswith(prefix))
            images += [(name, str(folder / path)) for name in sorted(filter(is_image, names))]
    return images


def _label_file(name: str) -> str:
    """Return the label file of an image: ``a/labels/b/c.txt`` for ``a/images/b/c.jpg``."""
    parts = list(PurePosixPath(name).with_suffix(".txt").parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return "/".join(parts)


def _read_record(
    image_id: str, image: Path, label_file: Path | None, labels: dict[str, int], issues: Issues
) -> Record | None:
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
        result = _parse_line(columns, record.size, labels)
        if isinstance(result[0], int):
            record.add(result[1], result[0])
        else:
            issues.add(image_id, Problem(f"{label_file}: line {number}", *result))
    return record


def _parse_line(columns: list[str], size: Size, labels: dict[str, int]) -> tuple[int, Box] | tuple[str, str]:
    """Return label and xyxy box (in pixels) of a line, or what is wrong with it and what to do."""
    if len(columns) != COLUMNS:
        remedy = "write 'class x_center y_center width height'; convert outlines to boxes first"
        return f"expected {COLUMNS} columns, got {len(columns)}", remedy
    if columns[0] not in labels:
        what = f"expected a whole number from 0 to {len(labels) - 1} as class, got {columns[0]!r}"
        return what, "correct the class, or add its name to data.yaml"
    try:
        x, y, width, height = (float(column) for column in columns[1:])
    except ValueError:
        return f"expected four numbers, got {' '.join(columns[1:])!r:.80}", "correct or delete the line"
    rows, cols = size
    box = ((x - width / 2) * cols, (y - height / 2) * rows, (x + width / 2) * cols, (y + height / 2) * rows)
    error = check_box(box, size)
    if error is None:
        return labels[columns[0]], box
    in_pixels = max(x, y, width, height) > 2  # relative coordinates are at most 1
    return error[0], "divide the numbers by the width and height of the image" if in_pixels else error[1]


def _report_unused_labels(folder: Path, listing: Listing, records: dict[str, Record | None], issues: Issues) -> None:
    """Report label files without an image, in the folders of the label files of this split."""
    used = {_label_file(name) for name in (*listing.files, *listing.outside_links) if is_image(name)}
    folders = {str(PurePosixPath(_label_file(f"{image_id}.x")).parent) for image_id in records}
    for name in listing.files:
        path = PurePosixPath(name)
        if path.suffix == ".txt" and str(path.parent) in folders and name not in used and path.name != "classes.txt":
            what = "the label file has no image of this name"
            issues.add(name, Problem(str(folder / name), what, "add the image, or delete the label file"))
