"""The files of a data folder by subfolder, and what a format finds in them."""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from polyhead.data.io.files import Listing
from polyhead.data.io.images import is_image
from polyhead.data.io.split_names import SPLITS, split_of, split_of_path

__all__ = ["SPLITS", "DataFolder", "Found", "split_of", "split_of_path", "stems", "unlisted"]


class Found(NamedTuple):
    """What a format finds in a folder.

    Attributes:
        splits: arguments of the reader for each split (train, val, test); there is at least one.
        notes: what was assumed or left out, one sentence each, which users should know.
    """

    splits: Mapping[str, dict[str, Any]]
    notes: Sequence[str] = ()


class DataFolder:
    """All files below a folder except hidden ones, by subfolder. Subfolders are relative, with ``/``; ``.`` is itself.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def listing(self) -> Listing:
        """All files below the folder."""
        return Listing(self.path)

    @cached_property
    def files(self) -> dict[str, list[str]]:
        """The sorted names of the files in each subfolder that has any."""
        found: dict[str, list[str]] = {}
        for name in self.listing.files:
            parent, _, file = name.rpartition("/")
            found.setdefault(parent or ".", []).append(file)
        return {folder: sorted(names) for folder, names in sorted(found.items())}

    @cached_property
    def images(self) -> dict[str, list[str]]:
        """The sorted names of the images in each subfolder that has any."""
        found = {folder: [name for name in names if is_image(name)] for folder, names in self.files.items()}
        return {folder: names for folder, names in found.items() if names}

    @cached_property
    def image_counts(self) -> dict[str, int]:
        """The number of images below each subfolder that has any, in folders of their own, too."""
        counts: dict[str, int] = {}
        for folder, names in self.images.items():
            for above in dict.fromkeys((folder, *map(str, PurePosixPath(folder).parents))):
                counts[above] = counts.get(above, 0) + len(names)
        return counts

    def ending(self, *endings: str) -> dict[str, list[str]]:
        """Return the names of the files with one of these endings (``.xml``, in any case) in each subfolder."""
        lower = {
            folder: [name for name in names if name.lower().endswith(endings)] for folder, names in self.files.items()
        }
        return {folder: names for folder, names in lower.items() if names}

    def has(self, name: str) -> bool:
        """Return whether the folder has a file, given by its relative path."""
        parent, _, file = name.rpartition("/")
        return file in self.files.get(parent or ".", ())


def stems(names: Sequence[str]) -> set[str]:
    """Return the names of files without their endings."""
    return {PurePosixPath(name).stem for name in names}


def unlisted(folder: DataFolder, listed: Collection[str], where: str) -> list[str]:
    """Return a note with the number of images that no annotation file names; none if there are none.

    Args:
        folder: the folder.
        listed: the paths or names of the images that are named, in any letter case, with an ending or without.
        where: the end of the note: where the images are not named.
    """
    names = {PurePosixPath(name).name.lower() for name in listed}
    left = [f"{path}/{name}" for path, found in folder.images.items() for name in found if not _is_in(name, names)]
    if not left:
        return []
    first = left[0].removeprefix("./")
    images = "1 image is" if len(left) == 1 else f"{len(left)} images are"
    return [f"{images} {where} and not read: {first}{' and others' if len(left) > 1 else ''}"]


def _is_in(name: str, names: Collection[str]) -> bool:
    return name.lower() in names or PurePosixPath(name.lower()).stem in names
