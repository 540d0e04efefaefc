"""The files of a data folder by subfolder, and what a format finds in them."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from polyhead.data.io.files import Listing
from polyhead.data.io.images import is_image

SPLITS = {
    "train": "train", "training": "train", "trn": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
"""The split that a word in the name of a file or folder means."""


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
    def files(self) -> dict[str, list[str]]:
        """The sorted names of the files in each subfolder that has any."""
        found: dict[str, list[str]] = {}
        for name in Listing(self.path).files:
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


def split_of(name: str) -> str | None:
    """Return the split that the name of a file or folder contains as a word; None if it contains none.

    >>> split_of("instances_val2017"), split_of("Testing"), split_of("trainer"), split_of("images")
    ('val', 'test', None, None)
    """
    words = name.lower().replace("-", "_").replace(".", "_").replace(" ", "_").split("_")
    return next((SPLITS[word] for word in (each.rstrip("0123456789") for each in words) if word in SPLITS), None)


def split_of_path(folder: str) -> str | None:
    """Return the split that the last part of a relative path with one names; None if no part does.

    >>> split_of_path("data/train/images"), split_of_path("images")
    ('train', None)
    """
    return next((split for part in reversed(PurePosixPath(folder).parts) if (split := split_of(part))), None)
