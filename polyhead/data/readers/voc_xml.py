"""Read one annotation file of PASCAL VOC: boxes that are counted from 1 and include both borders.

Files with a document type declaration are rejected: PASCAL VOC has none, and XML bombs are built from its entities.
"""

import re
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from polyhead.data.readers.in_memory import Box
from polyhead.errors import InvalidFileError, Problem
from polyhead.types import Size

SIDES = ("xmin", "ymin", "xmax", "ymax")
HEAD = 4096
"""Bytes at the beginning of a file in which its root element is looked for."""


class VocObject(NamedTuple):
    """An ``<object>`` of an annotation file.

    Attributes:
        where: the file and the number of the object, for messages.
        name: its class.
        box: xyxy in pixels, counted from 0.
        difficult: whether it is marked as difficult.
    """

    where: str
    name: str
    box: Box
    difficult: bool


class VocFile(NamedTuple):
    """An annotation file.

    Attributes:
        filename: name of the image, if there is one.
        size: height and width of the image; None if they are missing, 0 or invalid.
        objects: the objects that could be read.
        problems: the problems of the others.
    """

    filename: str | None
    size: Size | None
    objects: list[VocObject]
    problems: list[Problem]


def read_annotation_file(path: Path) -> VocFile:
    """Read one annotation file.

    Raises:
        InvalidFileError: if the file is not valid XML (names line and column), has a document type declaration, or its
            root element is not ``<annotation>``.
    """
    try:
        root = ET.fromstring(path.read_bytes(), parser=ET.XMLParser(target=_NoDoctype(path)))
    except ET.ParseError as error:
        where = f"{path}: line {error.position[0]}, column {error.position[1] + 1}"
        remedy = "repair the file, or save it as UTF-8"
        raise InvalidFileError(where, f"is not valid XML ({error})", remedy) from error
    except (OSError, LookupError, ValueError) as error:
        raise InvalidFileError(path, f"cannot be read ({error})", "repair the file, or save it as UTF-8") from error
    if root.tag != "annotation":
        what = f"expected the root element <annotation>, got <{root.tag}>"
        raise InvalidFileError(path, what, "choose PASCAL VOC's annotation files")
    objects, problems = [], []
    for number, entry in enumerate(root.findall("object"), 1):
        result = _read_object(f"{path}: object {number}", entry)
        if isinstance(result, VocObject):
            objects.append(result)
        else:
            problems.append(result)
    sides = [root.findtext(f"size/{side}", "").strip() for side in ("height", "width")]
    valid = all(side.isdecimal() and len(side) < 9 and int(side) > 0 for side in sides)
    size = (int(sides[0]), int(sides[1])) if valid else None
    filename = root.findtext("filename", "").strip() or None
    return VocFile(filename, size, objects, problems)


class _NoDoctype(ET.TreeBuilder):
    """An XML builder that stops at a document type declaration, before any of its entities is expanded."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def doctype(self, *_: str | None) -> None:
        """Raise an InvalidFileError."""
        what = "the document type declaration (<!DOCTYPE ...>) is not allowed"
        raise InvalidFileError(self.path, what, "delete it; PASCAL VOC files have none")


def _read_object(where: str, entry: ET.Element) -> VocObject | Problem:
    name = entry.findtext("name", "").strip()
    if not name:
        return Problem(where, "the object has no <name>", "add its class as <name>, or delete the object")
    texts = [entry.findtext(f"bndbox/{side}") for side in SIDES]
    try:
        x1, y1, x2, y2 = (float(text) for text in texts if text is not None)
    except ValueError:
        found = ", ".join(f"{side}={text!s:.40}" for side, text in zip(SIDES, texts, strict=True))
        return Problem(
            where, f"expected four numbers in <bndbox>, got {found}", "correct the box, or delete the object"
        )
    difficult = entry.findtext("difficult", "").strip() or "0"
    if difficult not in ("0", "1"):
        what = f"expected 0 or 1 in <difficult>, got {difficult!r}"
        return Problem(where, what, "correct the value, or delete the tag")
    # pixel 1 of VOC is pixel 0 here; x2 and y2 stay, because VOC includes the last pixel
    return VocObject(where, name, (x1 - 1, y1 - 1, x2, y2), difficult == "1")


def root_element(path: Path) -> str:
    """Return the name of the root element from the beginning of a file; empty if there is none or it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD).replace(b"\0", b"")  # of UTF-16
    except OSError:
        return ""
    text = re.sub(rb"<!--.*?(-->|$)", b"", head, flags=re.DOTALL)
    element = re.search(rb"<([A-Za-z_][\w.:-]*)", text)
    return element[1].decode() if element else ""
