"""Read images for classification from one folder per class, as torchvision's ImageFolder does."""

from pathlib import Path

import torch

from polyhead.data.io.files import Listing
from polyhead.data.io.images import image_size, is_image
from polyhead.data.readers.in_memory import InMemoryReader, Issues, Record
from polyhead.errors import InvalidFileError, PolyheadError, Problem, suggest
from polyhead.paths import find
from polyhead.types import ClassLabel


class Folder(InMemoryReader):
    """Images for classification, each with the class of its folder.

    Args:
        root: the folder that contains the class folders.
        classes: the names of the folders to read, in this order; all of them, sorted, if None. A name may have no
            folder if all folders that exist are named, as in a small val set.
        on_bad: ``"stop"`` or ``"skip"``, see :class:`polyhead.data.readers.in_memory.InMemoryReader`.
        cap: the largest fraction of images that may be skipped.

    Raises:
        PolyheadError: if there are no class folders, or one of ``classes`` is misspelled.
    """

    kind = "classification"

    def __init__(
        self, root: str | Path, *, classes: list[str] | None = None, on_bad: str = "stop", cap: float = 0.1
    ) -> None:
        folder = find(root)
        found = class_folders(folder)
        if not found:
            raise PolyheadError(
                f"{folder}: has no class folders (expected a folder of images for each class). Correct root."
            )
        others = [name for name in found if name not in (classes or []) and _has_images(folder / name)]
        for name in classes or []:
            if name not in found and others:  # a misspelled name would leave out the images of a class
                raise PolyheadError(f"classes: {folder} has no folder {name!r}{suggest(name, others)}")
        names = found if classes is None else list(classes)
        issues = Issues()
        records: list[Record] = []
        for label, name in enumerate(names):
            if name in found:
                records += _read_class(folder / name, label, issues, may_be_empty=classes is not None)
        super().__init__(folder, names, [*names], records, issues, on_bad, cap)

    def target(self, index: int) -> ClassLabel:
        """Return the class of one image."""
        value = self._values[index]
        assert value is not None
        return ClassLabel(torch.tensor(value))


def class_folders(folder: Path) -> list[str]:
    """Return the sorted names of the folders in a folder, without hidden ones and those of macOS in ZIP files."""
    paths = folder.iterdir() if folder.is_dir() else ()
    return sorted(path.name for path in paths if path.is_dir() and not path.name.startswith((".", "__MACOSX")))


def _has_images(folder: Path) -> bool:
    return any(is_image(path) for path in folder.rglob("*"))


def _read_class(folder: Path, label: int, issues: Issues, *, may_be_empty: bool) -> list[Record]:
    """Return a record for each image of a class folder."""
    listing = Listing(folder)
    records = []
    images = sorted(name for name in (*listing.files, *listing.broken_links) if is_image(name))
    if not images and not may_be_empty:
        what = "the class folder contains no images"
        issues.add(None, Problem(str(folder), what, "add images, or leave out the class with classes="))
    for name in images:
        image_id, path = f"{folder.name}/{name}", listing.find(name)
        if isinstance(path, Problem):
            issues.add(image_id, path)
            continue
        try:
            records.append(Record(image_id, path, image_size(path), label))
        except InvalidFileError as error:
            issues.add(image_id, error.problem)
    return records
