"""Find the data sets in the folders below one, as archives and repositories wrap them."""

from collections.abc import Callable
from pathlib import Path

from polyhead.data.formats.class_folders import PROJECT_WORDS
from polyhead.data.formats.data_folder import DataFolder, stems
from polyhead.data.formats.mask_folders import words
from polyhead.data.readers.folder import class_folders

DEPTH = 3
"""How many folders deep data sets are looked for."""
MOST = 100
"""In more folders beside each other, nothing is looked for."""


def data_sets_below(root: Path, is_data_set: Callable[[DataFolder], bool], depth: int = DEPTH) -> list[str]:
    """Return the relative paths of the highest folders below one that are data sets.

    Args:
        root: the folder.
        is_data_set: returns whether a folder is a data set.
        depth: how many folders deep to look.
    """
    names = [name for name in class_folders(root) if not (words(name) and PROJECT_WORDS.issuperset(words(name)))]
    if depth == 0 or len(names) > MOST:
        return []
    found = []
    for name in names:
        if is_data_set(DataFolder(root / name)):
            found.append(name)
        else:
            found += [f"{name}/{below}" for below in data_sets_below(root / name, is_data_set, depth - 1)]
    return found


def annotations_outside(folder: DataFolder, inner: str) -> list[str]:
    """Return the files outside of a folder of class folders that may be annotations of its images.

    Args:
        folder: the folder around it.
        inner: the relative path of the folder of class folders.
    """
    images = {
        name for sub, names in folder.images.items() if f"{sub}/".startswith(f"{inner}/") for name in stems(names)
    }
    found = []
    for sub, names in folder.files.items():
        if not f"{sub}/".startswith((f"{inner}/", "__MACOSX/")):
            texts = [name for name in names if name.lower().endswith(".txt") and stems([name]) <= images]
            others = [name for name in names if name.lower().endswith((".csv", ".json", ".xml"))]
            found += [f"{sub}/{name}".removeprefix("./") for name in (*texts, *others)]
    return found
