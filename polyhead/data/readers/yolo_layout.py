"""Find the images of each split of a YOLO data set, and the label file of each image."""

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from polyhead.data.io.files import Listing, escapes, read_text
from polyhead.data.io.images import is_image
from polyhead.data.io.pairing import is_usual, pair
from polyhead.data.io.split_names import split_of, split_of_path
from polyhead.data.readers.yolo_names import YoloDescription, describe, is_class_file
from polyhead.errors import InvalidFileError, few

MOST_PARTS = 20
"""How many of the last parts of a path are looked at."""


class ListedImage(NamedTuple):
    """An image of a split.

    Attributes:
        name: its path relative to the root.
        where: the folder, or the file and line, that names it.
    """

    name: str
    where: str


class YoloLayout(NamedTuple):
    """A YOLO data set.

    Attributes:
        description: what names its classes.
        splits: the images of each split.
        labels: the label file of each image that has one, as relative paths.
        notes: what was assumed, one sentence each.
    """

    description: YoloDescription
    splits: dict[str, list[ListedImage]]
    labels: dict[str, str]
    notes: list[str]


def yolo_layout(listing: Listing) -> YoloLayout | None:
    """Return the layout of a folder; None if nothing in it names classes.

    Raises:
        PolyheadError: if the description is invalid, or its training images are not found.
    """
    description = describe(listing)
    if description is None:
        return None
    labels = label_files(listing)
    splits, notes = _usual_splits(listing, labels)
    if description.entries:
        splits, notes = _named_splits(description, listing, splits)
    return YoloLayout(description, splits, labels, notes)


def label_files(listing: Listing) -> dict[str, str]:
    """Return the label file of each image that has one, as relative paths."""
    texts = [name for name in listing.files if name.lower().endswith(".txt") and not is_class_file(name)]
    return {image: min(found, key=_is_elsewhere) for image, found in pair(_images(listing), texts).items()}


def _is_elsewhere(file: str) -> bool:
    """Return whether a label file is not in ``labels``; other folders may hold the files it was converted from."""
    return "labels" not in [part.lower() for part in PurePosixPath(file).parent.parts]


def labels_without_classes(listing: Listing) -> dict[str, str]:
    """Return the label files in usual folders by their image, for folders where nothing names the classes."""
    return {image: file for image, file in label_files(listing).items() if is_usual(str(PurePosixPath(file).parent))}


def looks_like_labels(path: Path) -> bool:
    """Return whether the first line of a text file is the line of an object, or the file is empty."""
    try:
        columns = next((line.split() for line in read_text(path).splitlines() if line.strip()), None)
        return columns is None or (len(columns) > 4 and [*map(float, columns)] != [])
    except (InvalidFileError, ValueError):
        return False


def _images(listing: Listing) -> list[str]:
    """Return the images, and the broken links that may be images: these are reported later."""
    return sorted(filter(is_image, (*listing.files, *listing.broken_links)))


def _usual_splits(listing: Listing, labels: dict[str, str]) -> tuple[dict[str, list[ListedImage]], list[str]]:
    """Return the images of lists such as train.txt, or of the folders in which an image has a label file."""
    lists = {split: name for name in listing.files if (split := split_of(name)) and _is_list(name, listing)}
    if "train" in lists:
        return {split: _expand([name], listing) for split, name in sorted(lists.items())}, []
    folders = {str(PurePosixPath(image).parent) for image in labels}
    splits: dict[str | None, list[ListedImage]] = {}
    for image in _images(listing):
        folder = str(PurePosixPath(image).parent)
        if folder in folders:
            # the label files may be in folders of splits although the images are not
            split = split_of_path(folder) or split_of_path(str(PurePosixPath(labels.get(image, "")).parent))
            splits.setdefault(split, []).append(ListedImage(image, str(listing.folder / folder)))
    alone = splits.pop(None, [])
    notes = []
    if alone and "train" not in splits:
        splits["train"] = alone
    elif alone:
        parents = few(sorted({str(PurePosixPath(image.name).parent) for image in alone}))
        notes = [f"{len(alone)} images in {parents} are in no folder of a split: they are left out"]
    return {split: images for split, images in splits.items() if split}, notes


def _is_list(name: str, listing: Listing) -> bool:
    """Return whether a file at the root is a list of images that exist."""
    if "/" in name or not name.lower().endswith(".txt"):
        return False
    try:
        return any(image.name in listing.files for image in _expand([name], listing))
    except InvalidFileError:  # a file of something else
        return False


def _named_splits(
    description: YoloDescription, listing: Listing, usual: dict[str, list[ListedImage]]
) -> tuple[dict[str, list[ListedImage]], list[str]]:
    """Return the images of the splits that the description names; usual ones stand in for those that do not exist."""
    file, notes, moved = description.path.name, [], []
    splits: dict[str, list[ListedImage]] = {}
    for split, entries in description.entries.items():
        found = {entry: place for entry in entries if (place := _inside(entry, description.base, listing, split))}
        missing = few([f"{entry!r:.100}" for entry in entries if entry not in found])
        moved += [place for entry, place in found.items() if not _is_as_written(entry, place)]
        if found:
            splits[split] = _expand(found.values(), listing)
            notes += [f"{file} names {missing} for {split}, which is left out: it does not exist"] if missing else []
        elif split in usual:
            splits[split] = usual[split]
            places = few(sorted({str(PurePosixPath(image.name).parent) for image in usual[split]}), 3)
            notes.append(f"{file} names {missing} for {split}, which does not exist: {places} is read")
        elif split == "train":
            _fail(description, listing.folder)
        else:
            notes.append(f"{file} names {missing} for {split}, which does not exist: {split} is split off from train")
    if moved:
        notes.insert(0, f"{file} was written for another place: of this folder, {few(moved)} is read")
    return splits, notes


def _fail(description: YoloDescription, folder: Path) -> None:
    entry = description.entries["train"][0]
    if escapes(entry):
        what = f"expected a path inside the folder of the data set, got {entry!r:.100}, which leaves it"
        raise InvalidFileError(description.path, what, "write the path relative to it, such as images/train")
    raise InvalidFileError(description.path, f"{entry!r:.100} does not exist in {folder}", "correct the path")


def _inside(entry: str, base: str, listing: Listing, split: str) -> str | None:
    """Return the longest ending of a path that exists in the folder; None if none does.

    An ending without the folder of the split is taken only for train: the images of ``/data/test/images`` are not those
    in ``images``.
    """
    exists = _Places(listing)
    whole = [*_parts(base), *_parts(entry)]
    if not _parts(entry):  # such as '.' and './'
        return exists("/".join(_parts(base))) or exists("")
    for start in range(len(whole)):
        ending = "/".join(whole[start:])
        lost = split_of_path("/".join(whole)) not in (None, "train") and split_of_path(ending) is None
        if (place := exists(ending)) and not (lost and split != "train"):
            return place
    return None


class _Places:
    """Look up files and folders by their relative path, in any letter case if it is not ambiguous."""

    def __init__(self, listing: Listing) -> None:
        self.folder = listing.folder
        self.lower: dict[str, set[str]] = {}
        for name in (*listing.files, *listing.broken_links):
            for path in (name, *map(str, PurePosixPath(name).parents)):
                self.lower.setdefault(path.lower(), set()).add(path)

    def __call__(self, path: str) -> str | None:
        path = path or "."
        if os.path.exists(self.folder / path):  # noqa: PTH110  # Path.exists raises for names that no file can have
            return path
        near = self.lower.get(path.lower(), ())
        return next(iter(near)) if len(near) == 1 else None


def _parts(path: str) -> list[str]:
    """Return the parts of a path of any system without its root, drive, and ``.`` and ``..``."""
    parts = path.strip().replace("\\", "/").split("/")
    return [part for part in parts if part not in ("", ".", "..") and not part.endswith(":")][-MOST_PARTS:]


def _is_as_written(entry: str, place: str) -> bool:
    """Return whether a place is what a relative entry names; one large exporter writes ``../`` before each."""
    parts = _parts(entry)
    inner = entry.strip()
    while inner.startswith("../"):
        inner = inner[3:]
    return not escapes(inner) and PurePosixPath(place).parts[-len(parts) :] == tuple(parts) if parts else True


def _expand(paths: Iterable[str], listing: Listing) -> list[ListedImage]:
    """Return the images of folders and of lists."""
    images: list[ListedImage] = []
    for path in paths:
        where = str(listing.folder / path)
        if path.lower().endswith(".txt"):
            for number, line in enumerate(read_text(listing.folder / path).splitlines(), 1):
                if line.strip():
                    images.append(ListedImage(_listed(line.strip(), listing), f"{where}: line {number}"))
        elif path in listing.broken_links:
            images.append(ListedImage(path, where))
        else:
            prefix = "" if path == "." else f"{path}/"
            images += [ListedImage(name, where) for name in _images(listing) if name.startswith(prefix)]
    return images


def _listed(line: str, listing: Listing) -> str:
    """Return the longest ending of a path that is a file in the folder; the path itself if none is."""
    parts = _parts(line)
    endings = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((ending for ending in endings if ending in listing.files), line)
