"""Read Oxford-IIIT Pet from the files that its authors publish: the breed of each image, or its mask.

Parkhi, Vedaldi, Zisserman, Jawahar, "Cats and Dogs", CVPR 2012.
"""

from pathlib import Path, PurePosixPath
from typing import NamedTuple

import torch

from polyhead.data.io.files import Listing, escapes, read_text
from polyhead.data.io.images import image_size, is_image
from polyhead.data.readers.in_memory import InMemoryReader, Issues, Record
from polyhead.data.readers.mask_files import BACKGROUND, MaskEncoding, MaskReader, pair_files
from polyhead.errors import InvalidFileError, PolyheadError, Problem, suggest
from polyhead.paths import find
from polyhead.types import IGNORED, ClassLabel

IMAGES, ANNOTATIONS, TRIMAPS = "images", "annotations", "annotations/trimaps"
LISTS = ("list", "trainval", "test")
BREEDS = 37
TRIMAP = MaskEncoding({1: 1, 2: 0, 3: IGNORED}, colors=False)
"""The pet, the background, and the border between them, which is not annotated."""


class _Row(NamedTuple):
    """A line of a list: its place, the image without ending, and its class id."""

    where: str
    name: str
    number: int

    @property
    def breed(self) -> str:
        """The name of the class: that of the image without its number."""
        return self.name.rpartition("_")[0]


class OxfordPets(InMemoryReader):
    """The breed of the pet in each image, from ``annotations/SPLIT.txt``.

    The classes are the breeds that the lists in ``annotations`` name, by their class ids.

    Args:
        root: the folder with ``images`` and ``annotations``.
        split: the name of a list: ``"trainval"``, ``"test"``, or ``"list"`` for all images.
        on_bad: ``"stop"`` or ``"skip"``, see :class:`polyhead.data.readers.in_memory.InMemoryReader`.
        cap: the largest fraction of images that may be skipped.

    Raises:
        PolyheadError: if the folder does not have this layout or this list.
    """

    kind = "classification"

    def __init__(self, root: str | Path, split: str = "trainval", *, on_bad: str = "stop", cap: float = 0.1) -> None:
        folder = _folder(root)
        issues = Issues()
        rows = _rows(folder, split, issues)
        others = Issues()  # the faults of the other lists are not those of this split
        listed = [row for name in LISTS if _list(folder, name).is_file() for row in _rows(folder, name, others)]
        breeds: dict[int, str] = {}
        for row in [*rows, *listed]:
            breeds.setdefault(row.number, row.breed)
        numbers = sorted(breeds)
        images = _images(folder)
        records: dict[str, Record] = {}
        for row in rows:
            if breeds[row.number] != row.breed:
                what = f"the class id {row.number} is that of {breeds[row.number]}, got an image of {row.breed}"
                issues.add(row.name, Problem(row.where, what, "correct the class id"))
            elif row.name in records:
                issues.add(row.name, Problem(row.where, f"{row.name} is listed twice", "delete one of the lines"))
            elif record := _record(row, images, numbers.index(row.number), issues):
                records[row.name] = record
        names = [breeds[number] for number in numbers]
        super().__init__(folder, names, [*numbers], [*records.values()], issues, on_bad, cap)

    def target(self, index: int) -> ClassLabel:
        """Return the breed of one image."""
        value = self._values[index]
        assert value is not None
        return ClassLabel(torch.tensor(value))


class OxfordPetsMasks(MaskReader):
    """The pixels of the pet in each image, from ``annotations/trimaps``; the border around it is ignored.

    Args:
        root: the folder with ``images`` and ``annotations``.
        split: the name of a list: ``"trainval"``, ``"test"``, or ``"list"`` for all images.
        on_bad: ``"stop"`` or ``"skip"``, see :class:`polyhead.data.readers.in_memory.InMemoryReader`.
        cap: the largest fraction of images that may be skipped.

    Raises:
        PolyheadError: if the folder does not have this layout or this list.
    """

    def __init__(self, root: str | Path, split: str = "trainval", *, on_bad: str = "stop", cap: float = 0.1) -> None:
        folder = _folder(root)
        if not (folder / TRIMAPS).is_dir():
            raise PolyheadError(f"{folder / TRIMAPS}: the folder does not exist. Unpack annotations.tar.gz into root.")
        issues = Issues()
        images, masks = _images(folder), Listing(folder / TRIMAPS)
        records: dict[str, Record] = {}
        for row in _rows(folder, split, issues):
            mask = masks.find(f"{row.name}.png")
            record = pair_files(row.name, _find(row, images), mask, TRIMAP, issues)
            if record and row.name not in records:
                records[row.name] = record
        super().__init__(folder, [BACKGROUND, "pet"], TRIMAP, [*records.values()], issues, on_bad, cap)


def is_oxford_pets(folder: Path) -> bool:
    """Return whether a folder has the layout and a list of Oxford-IIIT Pet."""
    if not (folder / IMAGES).is_dir() or not _list(folder, "trainval").is_file():
        return False
    try:
        first = read_text(_list(folder, "trainval")).splitlines()[:1]
    except InvalidFileError:
        return False
    return bool(first) and len(first[0].split()) == 4 and first[0].split()[1].isdecimal()


def _folder(root: str | Path) -> Path:
    folder = find(root)
    if not (folder / IMAGES).is_dir() or not (folder / ANNOTATIONS).is_dir():
        raise PolyheadError(
            f"{folder}: is not Oxford-IIIT Pet (expected the folders {IMAGES} and {ANNOTATIONS}). Correct root."
        )
    return folder


def _list(folder: Path, name: str) -> Path:
    return folder / ANNOTATIONS / f"{name}.txt"


def _rows(folder: Path, split: str, issues: Issues) -> list[_Row]:
    """Return the images of a list, whose lines are ``NAME CLASS-ID SPECIES BREED-ID``.

    Raises:
        PolyheadError: if the list does not exist.
    """
    path = _list(folder, split)
    if split not in LISTS or not path.is_file():
        known = [name for name in LISTS if _list(folder, name).is_file()]
        raise PolyheadError(f"{path}: the list of images does not exist{suggest(split, known)}")
    try:
        lines = read_text(path).splitlines()
    except InvalidFileError as error:
        issues.add(None, error.problem)
        return []
    rows = []
    for number, line in enumerate(lines, 1):
        where, columns = f"{path}: line {number}", line.split()
        if not columns or line.startswith("#"):
            continue
        valid = len(columns) == 4 and columns[1].isdecimal() and 1 <= int(columns[1][:9]) <= BREEDS
        if not valid or escapes(columns[0]) or "_" not in columns[0]:
            what = (
                f"expected 'NAME_NUMBER CLASS-ID SPECIES BREED-ID' with a class id from 1 to {BREEDS}, got {line!r:.80}"
            )
            issues.add(where, Problem(where, what, "correct or delete the line"))
        else:
            rows.append(_Row(where, columns[0], int(columns[1])))
    return rows


def _images(folder: Path) -> dict[str, Path]:
    """Return the image files by their names without ending; JPEG files come before others of the same name."""
    files = Listing(folder / IMAGES).files
    ordered = sorted(files, key=lambda name: not name.lower().endswith((".jpg", ".jpeg")), reverse=True)
    return {PurePosixPath(name).stem: files[name] for name in ordered if is_image(name)}


def _find(row: _Row, images: dict[str, Path]) -> Path | Problem:
    """Return the file of an image, or the problem that it is missing."""
    what = f"the image {row.name}.jpg does not exist in {IMAGES}/"
    return images.get(row.name, Problem(row.where, what, "add the image, or delete the line"))


def _record(row: _Row, images: dict[str, Path], label: int, issues: Issues) -> Record | None:
    """Return the record of an image with its class, or None if the image is missing or broken."""
    path = _find(row, images)
    if isinstance(path, Problem):
        issues.add(row.name, path)
        return None
    try:
        return Record(row.name, path, image_size(path), label)
    except InvalidFileError as error:
        issues.add(row.name, error.problem)
        return None
