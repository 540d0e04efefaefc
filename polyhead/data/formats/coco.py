"""Find COCO JSON files and their splits."""

from collections.abc import Mapping
from itertools import combinations
from pathlib import PurePosixPath
from typing import NamedTuple

from polyhead.data.formats.data_folder import DataFolder, Found, split_of, split_of_path, unlisted
from polyhead.data.io.named_images import plain_name
from polyhead.data.readers.coco import category_set
from polyhead.data.readers.coco_files import USUAL, coco_files, load_coco
from polyhead.errors import PolyheadError, few

ENDINGS = (".json",)


class Content(NamedTuple):
    """What is compared between files: the paths of the images and the categories, as texts."""

    images: set[str]
    categories: set[str]


def find(folder: DataFolder) -> Found | None:
    """Return the annotation files of each split."""
    files, faults = _contents(folder)
    if not files:
        if faults:
            raise next(iter(faults.values()))
        return None
    notes = [f"{name} is not read: {fault}" for name, fault in faults.items()]
    named: dict[str, list[str]] = {}
    for name in files:
        named.setdefault(split_of(PurePosixPath(name).stem) or split_of_path(_parent(name)) or "", []).append(name)
    unnamed = named.pop("", [])
    others = set().union(*(files[name].images for names in named.values() for name in names))
    if not named or ("train" not in named and unnamed and not any(files[name].images & others for name in unnamed)):
        named["train"] = unnamed
    elif unnamed:
        notes.append(f"not read, because other files are named after a split: {few(unnamed)}")
    splits = {split: {"annotations": _together(folder, split, names, files)} for split, names in named.items()}
    read = [name for names in named.values() for name in names]
    listed = set().union(*(files[name].images for name in read))
    return Found(splits, [*notes, *unlisted(folder, listed, "in no COCO file that is read")])


def _contents(folder: DataFolder) -> tuple[dict[str, Content], dict[str, PolyheadError]]:
    """Return the content of each COCO file of this folder by its relative path, and why others cannot be read."""
    files: dict[str, Content] = {}
    faults: dict[str, PolyheadError] = {}
    for path in coco_files(folder.path):
        name = path.relative_to(folder.path).as_posix()
        if not _belongs(name, folder):
            continue
        try:
            document = load_coco(path)
        except PolyheadError as fault:
            faults[name] = fault
            continue
        names = (entry.get("file_name") for entry in document["images"] if isinstance(entry, dict))
        files[name] = Content({plain_name(str(each)).lower() for each in names}, category_set(document))
    return files, faults


def _belongs(name: str, folder: DataFolder) -> bool:
    """Return whether a file is of this folder: not of a data set of its own in a subfolder, beside other images."""
    top = name.split("/", maxsplit=1)[0]
    if name == top or f"{_parent(name)}/" in USUAL or split_of(top):
        return True
    own = [path for path in folder.images if path.split("/")[0] == top]
    return not own or len(own) == len(folder.images)


def _together(folder: DataFolder, split: str, names: list[str], files: Mapping[str, Content]) -> str | list[str]:
    """Return the only file of a split, or several that can be read together.

    Raises:
        PolyheadError: if they cannot.
    """
    for one, other in combinations(names, 2):
        same = files[one].categories == files[other].categories
        if not same or files[one].images & files[other].images:
            why = "the same images" if same else "different categories"
            raise PolyheadError(
                f"{folder.path}: expected one COCO file for {split}, got {one} and {other}, which have {why}. Choose "
                "with annotations=FILE, or move one away."
            )
    return names[0] if len(names) == 1 else names


def _parent(name: str) -> str:
    return str(PurePosixPath(name).parent)
