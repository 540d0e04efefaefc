"""Pair images and annotation files that are in two folders, or in one, with or without folders for the splits."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePosixPath

from polyhead.data.io.split_names import split_of, split_of_path

IMAGE_FOLDERS = frozenset(["images", "image", "imgs", "img", "jpegimages", "photos"])
"""Usual names of folders of images, in lower case."""
ANNOTATION_FOLDERS = frozenset(
    ["labels", "label", "annotations", "annotation", "annots", "annot", "xmls", "xml", "txts", "txt"]
)
"""Usual names of folders of annotation files, in lower case."""


def pair(paths: Sequence[str], files: Iterable[str]) -> dict[str, list[str]]:
    """Return the files that belong to each path, the best first; paths without any are left out.

    A file belongs to a path if both have the same name without the ending, and are in the same folder when folders
    such as ``images`` and ``labels`` are left out of their paths. If only one of the two is in the folder of a split,
    this folder is left out, too. If nothing belongs together by these rules, the names without endings decide, where
    they are unique.

    Args:
        paths: relative paths.
        files: relative paths, among which is looked.

    >>> pair(["images/train/a.jpg", "train/images/b.jpg"], ["labels/train/a.txt", "labels/b.txt"])
    {'images/train/a.jpg': ['labels/train/a.txt'], 'train/images/b.jpg': ['labels/b.txt']}
    """
    same, flat, names = _index(files)
    found = {path: matches for path in paths if (matches := _at_same_place(path, same, flat))}
    if found:
        return found
    return {path: names[stem] for path in paths if len(names.get(stem := PurePosixPath(path).stem, ())) == 1}


def is_usual(folder: str) -> bool:
    """Return whether each part of a relative path is the usual name of a folder of images, annotations or a split.

    >>> is_usual("."), is_usual("Images/train2017"), is_usual("export/labels")
    (True, True, False)
    """
    usual = IMAGE_FOLDERS | ANNOTATION_FOLDERS
    return all(part.lower() in usual or split_of(part) for part in PurePosixPath(folder).parts)


Index = Mapping[str, list[str]]


def _index(files: Iterable[str]) -> tuple[Index, Index, Index]:
    """Return files by their place, by their place without splits, and by their name without ending."""
    same: dict[str, list[str]] = {}
    flat: dict[str, list[str]] = {}
    names: dict[str, list[str]] = {}
    for file in files:
        folder, stem = _parts(file)
        same.setdefault(f"{_place(folder)}/{stem}", []).append(file)
        flat.setdefault(f"{_place(folder, splits=False)}/{stem}", []).append(file)
        names.setdefault(stem, []).append(file)
    return same, flat, names


def _at_same_place(path: str, same: Index, flat: Index) -> list[str]:
    folder, stem = _parts(path)
    matches = same.get(f"{_place(folder)}/{stem}", [])
    # a file in a folder of its own kind is preferred to one beside the path, which may be something else
    if apart := [file for file in matches if _parts(file)[0] != folder]:
        return apart
    if matches:
        return matches
    split = split_of_path(folder)
    others = flat.get(f"{_place(folder, splits=False)}/{stem}", ())
    one_split = [file for file in others if (split_of_path(_parts(file)[0]) is None) != (split is None)]
    return one_split if len(one_split) == 1 else []


def _parts(path: str) -> tuple[str, str]:
    """Return the folder of a path, and its name without ending."""
    pure = PurePosixPath(path)
    return str(pure.parent), pure.stem


@lru_cache(10_000)
def _place(folder: str, *, splits: bool = True) -> str:
    """Return a folder in lower case without folders of images and annotations, and on request without splits."""
    left_out = IMAGE_FOLDERS | ANNOTATION_FOLDERS
    parts = [part.lower() for part in PurePosixPath(folder).parts]
    return "/".join(part for part in parts if part not in left_out and (splits or not split_of(part)))
