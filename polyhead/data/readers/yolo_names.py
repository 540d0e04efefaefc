"""Read what names the classes and the splits of a YOLO data set: data.yaml, darknet's files, or a list of classes."""

import re
from contextlib import suppress
from pathlib import Path, PurePosixPath
from reprlib import repr as short
from typing import Any, NamedTuple

from polyhead.data.io.files import Listing, read_text
from polyhead.data.io.pairing import is_usual
from polyhead.data.io.split_names import SPLITS
from polyhead.data.io.yaml_files import load_yaml
from polyhead.errors import InvalidFileError, PolyheadError, few

CLASS_FILES = ("classes.txt", "_darknet.labels", "obj.names", "predefined_classes.txt", "class_names.txt", "names.txt")
"""Usual names of files with one class name per line."""
BOX_COLUMNS = 5


class YoloDescription(NamedTuple):
    """What the description of a YOLO data set says.

    Attributes:
        path: the file.
        names: class names.
        entries: the folders and lists of images of each split, as they are written there.
        base: the folder that they are relative to, as it is written there.
        keypoint_columns: number of columns of a label line with keypoints; 0 if there are none.
    """

    path: Path
    names: list[str]
    entries: dict[str, list[str]]
    base: str = ""
    keypoint_columns: int = 0


def describe(listing: Listing) -> YoloDescription | None:
    """Return the description of a folder; None if nothing in it names classes.

    Raises:
        PolyheadError: if a description is invalid, or there are several that differ.
    """
    path = _yaml_file(listing)
    document = _read_yaml(path) if path else None
    if path and document:
        return _from_yaml(path, document)
    found = _from_darknet(listing) or _from_class_files(listing)
    if found is None and path:
        raise InvalidFileError(path, "has no list of class names", "add 'names: [first, second]'")
    return found


def is_class_file(name: str) -> bool:
    """Return whether a file has the usual name of a list of classes."""
    name = PurePosixPath(name).name.lower()
    return name in CLASS_FILES or name.endswith(".names")


def _yaml_file(listing: Listing) -> Path | None:
    """Return ``data.yaml``, or else the only YAML file at the root that names classes."""
    top = {name: path for name, path in listing.files.items() if "/" not in name and not name.startswith(".")}
    files = {name: path for name, path in top.items() if name.endswith((".yaml", ".yml"))}
    if usual := files.get("data.yaml") or files.get("data.yml"):
        return usual
    named = [path for path in files.values() if _has_names(path)]
    if len(named) > 1:
        names = few([path.name for path in named])
        raise PolyheadError(
            f"{listing.folder}: several files name classes ({names}). Rename the right one to data.yaml."
        )
    return named[0] if named else None


def _has_names(path: Path) -> bool:
    try:
        document = _read_yaml(path) if re.search(r"^names\s*:", read_text(path), re.MULTILINE) else None
        return document is not None and isinstance(document["names"], list | dict)
    except InvalidFileError:  # a file of something else
        return False


def _read_yaml(path: Path) -> dict[str, Any] | None:
    """Return the content of a YAML file; None if it has no ``names``."""
    document = load_yaml(path)
    return document if isinstance(document, dict) and document.get("names") else None


def _from_yaml(path: Path, document: dict[str, Any]) -> YoloDescription:
    entries: dict[str, list[str]] = {}
    for key, split in SPLITS.items():
        value = document.get(key)
        if value and split not in entries:
            listed = value if isinstance(value, list) else [value]
            for entry in listed:
                if not isinstance(entry, str):
                    what = f"expected a folder of images, got {short(entry)}"
                    raise InvalidFileError(path, what, "write its path as a string")
            entries[split] = listed
    base = document.get("path")
    return YoloDescription(
        path, _yaml_names(path, document), entries, base if isinstance(base, str) else "", _keypoint_columns(document)
    )


def _yaml_names(path: Path, document: dict[str, Any]) -> list[str]:
    names = document["names"]
    if isinstance(names, dict):
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            what = f"expected 0 to {len(names) - 1} as keys of 'names', got {few(list(map(str, names)))}"
            raise InvalidFileError(path, what, "number the classes without gaps")
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        what = f"expected a list of strings as 'names', got {short(names)}"
        raise InvalidFileError(path, what, "put each name in quotes")
    _require_different(path, names)
    if document.get("nc", len(names)) != len(names):
        what = f"'nc' is {short(document['nc'])}, but there are {len(names)} names"
        raise InvalidFileError(path, what, "correct one of the two")
    return names


def _keypoint_columns(document: dict[str, Any]) -> int:
    """Return the columns of a line with keypoints: class, box, and ``kpt_shape`` (number of points, values of each)."""
    shape = document.get("kpt_shape")
    if not isinstance(shape, list) or len(shape) != 2 or not all(isinstance(number, int) for number in shape):
        return 0
    return BOX_COLUMNS + int(shape[0] * shape[1])


def _from_darknet(listing: Listing) -> YoloDescription | None:
    """Return the content of darknet's ``obj.data`` with its ``obj.names``."""
    for path in [path for name, path in listing.files.items() if name.endswith(".data") and name.count("/") <= 1]:
        values: dict[str, str] = {}
        with suppress(InvalidFileError):  # a file of something else
            values = dict(re.findall(r"^\s*(\w+)\s*=\s*(\S.*?)\s*$", read_text(path), re.MULTILINE))
        if "names" not in values:
            continue
        own = PurePosixPath(values["names"].replace("\\", "/")).name
        found = [each for each in listing.files if PurePosixPath(each).name == own and each.count("/") <= 1]
        if not found:
            what = f"names {values['names']!r} as the file of the class names, which is not in {listing.folder}"
            raise InvalidFileError(path, what, "add the file, with one class name per line")
        entries = {SPLITS[key]: [values[key]] for key in ("train", "valid", "test") if key in values}
        return YoloDescription(path, _class_names(listing.files[found[0]]), entries)
    return None


def _from_class_files(listing: Listing) -> YoloDescription | None:
    """Return the list of class names at the root, or in the usual folders of images and labels.

    LabelImg writes a list into each folder; shorter ones that agree with the longest are outdated.
    """
    files = [name for name in listing.files if is_class_file(name) and is_usual(str(PurePosixPath(name).parent))]
    lists = [(_class_names(listing.files[name]), listing.files[name]) for name in sorted(files, key=_depth)]
    lists = [(names, path) for names, path in lists if names]
    if not lists:
        return None
    longest, path = max(lists, key=lambda each: len(each[0]))
    for names, other in lists:
        if names != longest[: len(names)]:
            what = f"names other classes than {path}"
            raise InvalidFileError(other, what, "delete the one that does not belong to the labels")
    _require_different(path, longest)
    return YoloDescription(path, longest, {})


def _depth(name: str) -> tuple[int, str]:
    return name.count("/"), name


def _class_names(path: Path) -> list[str]:
    """Return the class names of a file with one name per line."""
    names = [line.strip() for line in read_text(path).rstrip().splitlines()]
    if "" in names:
        what = f"line {names.index('') + 1} is empty, so the numbers of the classes after it are not clear"
        raise InvalidFileError(path, what, "delete the line, or write the name of the class")
    return names


def _require_different(path: Path, names: list[str]) -> None:
    if len(set(names)) < len(names):
        raise InvalidFileError(path, "a class name is used twice", "give every class its own name")
