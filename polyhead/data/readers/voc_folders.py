"""The annotation files of PASCAL VOC in any folders, and the image of each."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from polyhead.data.io.files import Listing, escapes
from polyhead.data.io.images import is_image
from polyhead.data.io.pairing import pair
from polyhead.data.readers.voc_xml import root_element
from polyhead.errors import PolyheadError, Problem, few


class VocEntry(NamedTuple):
    """An annotation file.

    Attributes:
        id: its name without ending, or its relative path without ending.
        path: the file.
        images: the images of the same name that belong to it; usually one.
        find: returns the image that a name in the file means, or the problem with the name.
    """

    id: str
    path: Path
    images: list[Path]
    find: Callable[[str], Path | Problem]


class VocEntries(NamedTuple):
    """The annotation files of a split.

    Attributes:
        entries: the files.
        every: all annotation files of the data set.
        images: all its images.
        folder: only images in this folder are wanted.
        notes: what was left out.
    """

    entries: list[VocEntry]
    every: list[Path]
    images: list[Path]
    folder: Path
    notes: list[str]


def folder_entries(root: Path, annotations: str | list[str], images: str) -> VocEntries:
    """Return the annotation files in some folders.

    Args:
        root: the folder of the data set.
        annotations: the folders of the annotation files; their subfolders count if they have none themselves.
        images: the folder of the images that are wanted.

    Raises:
        PolyheadError: if a folder does not exist or has no annotation file.
    """
    for key, folder in [("images", images), *(("annotations", each) for each in _listed(annotations))]:
        if escapes(folder) or not (root / folder).is_dir():
            raise PolyheadError(f"{root / folder}: expected a folder inside {root}. Correct {key}=.")
    listing = Listing(root)
    names = [name for name in listing.files if name.lower().endswith(".xml")]
    wanted = [name for folder in _listed(annotations) for name in _files_in(str(PurePosixPath(folder)), names)]
    if not wanted:
        raise PolyheadError(f"{root}: found no XML files in {few(_listed(annotations))}. Correct annotations=.")
    # a file whose root element cannot be found is read, and its fault is reported
    others = [name for name in wanted if root_element(listing.files[name]) not in ("annotation", "")]
    own = [name for name in dict.fromkeys(wanted) if name not in set(others)]
    found = pair(own, filter(is_image, listing.files))
    look_up = _Names(listing)
    entries = [
        VocEntry(
            str(PurePosixPath(name).with_suffix("")),
            listing.files[name],
            [listing.files[image] for image in found.get(name, ())],
            look_up,
        )
        for name in own
    ]
    notes = [f"{len(others)} XML files are not PASCAL VOC's and are not read: {few(others, 3)}"] if others else []
    paths = [path for name, path in listing.files.items() if is_image(name)]
    return VocEntries(entries, [listing.files[name] for name in names], paths, root / images, notes)


def image_of(entry: VocEntry, filename: str | None) -> Path | Problem:
    """Return the image of an annotation file, or the problem with it.

    The image with the name of the annotation file is preferred to the one that it names: files are renamed.

    Args:
        entry: the annotation file.
        filename: the name of the image in it.
    """
    if len(entry.images) == 1:
        return entry.images[0]
    named = [path for path in entry.images if path.name == _base(filename or "")]
    if named:
        return named[0]
    if entry.images:
        names = few([str(path) for path in entry.images], 3)
        return Problem("image", f"several images have the name of the file: {names}", "name one in <filename>")
    return entry.find(filename or f"{entry.path.stem}.jpg")


def is_renamed(entry: VocEntry, filename: str | None) -> bool:
    """Return whether the name in an annotation file is not that of its image, with its ending or without."""
    name = _base(filename or "")
    return bool(entry.images and name) and entry.path.stem not in (name, PurePosixPath(name).stem)


def unannotated(entries: VocEntries, used: set[str]) -> list[str]:
    """Return a note with the number of images that have no annotation file, in the folders of those that have one.

    Args:
        entries: the annotation files.
        used: the images that were found.
    """
    folders = {str(Path(path).parent) for path in used}
    named = {path.stem for path in entries.every}
    images = [path for path in entries.images if str(path.parent) in folders]
    left = [path for path in images if str(path) not in used and path.stem not in named]
    if not left:
        return []
    where = few(sorted({path.parent.name for path in left}), 3)
    return [f"{len(left)} of {len(images)} images in {where} have no annotation file and are left out"]


class _Names:
    """Look up images by the name that an annotation file has for them, with or without folder and ending."""

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self.names: dict[str, list[str]] = {}
        for name in filter(is_image, listing.files):
            pure = PurePosixPath(name)
            for key in dict.fromkeys((pure.name, pure.stem)):
                self.names.setdefault(key, []).append(name)

    def __call__(self, filename: str) -> Path | Problem:
        found = self.names.get(_base(filename), ())
        if len(found) == 1:
            return self.listing.files[found[0]]
        if found:
            what = f"several images have this name: {few(list(found), 3)}"
            return Problem(f"image {filename!r:.300}", what, "give the annotation file the name of its image")
        return self.listing.find(filename)


def _base(filename: str) -> str:
    return filename.replace("\\", "/").rpartition("/")[2]


def _listed(annotations: str | list[str]) -> list[str]:
    return [annotations] if isinstance(annotations, str) else annotations


def _files_in(folder: str, names: list[str]) -> list[str]:
    """Return the files in a folder, or else those in its subfolders."""
    direct = [name for name in names if str(PurePosixPath(name).parent) == folder]
    prefix = "" if folder == "." else f"{folder}/"
    return direct or [name for name in names if name.startswith(prefix)]
