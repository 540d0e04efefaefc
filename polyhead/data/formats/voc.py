"""Find PASCAL VOC's annotation files, boxes or masks, and their splits."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from polyhead.data.formats.class_files import find_class_file
from polyhead.data.formats.data_folder import DataFolder, Found, split_of_path, stems
from polyhead.data.formats.mask_classes import mask_settings
from polyhead.data.io.pairing import is_usual, pair
from polyhead.data.readers.voc import YEAR, voc_years
from polyhead.data.readers.voc_masks import LISTS, MASKS
from polyhead.data.readers.voc_xml import root_element
from polyhead.errors import PolyheadError, few

ENDINGS = (".xml", ".txt")
MASK_ENDINGS = (".png", ".txt")
LOOKED_AT = 20
"""How many XML files of a folder are looked at to see whether they are PASCAL VOC's."""


def find(folder: DataFolder) -> Found | None:
    """Return the splits of the boxes: by lists of ids, by folders of annotation files, or by folders of images."""
    folders = [path for path, names in folder.ending(".xml").items() if _is_voc(folder.path / path, names)]
    if not folders:
        return None
    years = {
        name: path
        for name, path in voc_years(folder.path).items()
        if str((path / "Annotations").relative_to(folder.path)) in folders
    }
    if years and _is_whole(folder, years) and (found := _listed(years, "ImageSets/Main")):
        return found
    return _in_folders(folder, folders)


def find_masks(folder: DataFolder) -> Found | None:
    """Return the lists of ids of each split of the masks, and the names of their classes."""
    years = voc_years(folder.path, MASKS)
    masks = sorted(path for year in years.values() for path in (year / MASKS).glob("*.png"))
    found = _listed(years, LISTS) if masks else None
    if found is None:
        return None
    settings, notes = _mask_classes(folder, years, masks)
    return Found({split: {**arguments, **settings} for split, arguments in found.splits.items()}, notes)


def _mask_classes(
    folder: DataFolder, years: dict[str, Path], masks: Sequence[Path]
) -> tuple[dict[str, Any], Sequence[str]]:
    """Return the settings ``labels`` or ``colors``, which are empty for PASCAL's own masks, and notes.

    Raises:
        PolyheadError: if nothing says what the classes are.
    """
    places = [path.relative_to(folder.path).as_posix() for path in years.values()]
    file = find_class_file(folder, [*places, *(f"{place}/{MASKS}".removeprefix("./") for place in places)])
    if file is None and all(_is_pascal(path) for path in years.values()):
        return {}, ["the numbers of the masks are named as in PASCAL VOC; for other classes, set labels"]
    settings, notes = mask_settings(folder, file, masks, f"JPEGImages/ and {MASKS}/")
    if settings.get("first") == 0:
        raise PolyheadError(
            f"{file}: expected the background as the first class, because it has the number 0 in VOC masks."
        )
    return {"labels" if key == "classes" else key: value for key, value in settings.items()}, notes


def _is_pascal(year: Path) -> bool:
    """Return whether a folder has the name of one of PASCAL VOC's years, or all of its lists."""
    own_lists = all((year / LISTS / f"{name}.txt").is_file() for name in ("train", "val", "trainval"))
    return bool(re.fullmatch(r"VOC20\d\d", year.name)) or own_lists


def _listed(years: dict[str, Path], lists: str) -> Found | None:
    """Return the splits of VOC's layout: lists in a folder of each year."""
    splits: dict[str, dict[str, Any]] = {}
    for split, name in (("train", "trainval"), ("train", "train"), ("val", "val"), ("test", "test")):
        with_list = [year for year, path in years.items() if (path / lists / f"{name}.txt").is_file()]
        if with_list:
            splits[split] = {"split": name} | ({"year": with_list} if len(years) > 1 else {})
    if splits:
        return Found(splits)
    return Found({"train": {"split": None}}) if len(years) == 1 else None


def _is_voc(folder: Path, names: list[str]) -> bool:
    """Return whether a folder has annotation files of PASCAL VOC; other tools write other XML."""
    return any(root_element(folder / name) == "annotation" for name in names[:LOOKED_AT])


def _is_whole(folder: DataFolder, years: dict[str, Path]) -> bool:
    """Return whether years are PASCAL's, or the whole folder: its other images would be of other data sets."""
    places = {str(path.relative_to(folder.path)) for path in years.values()}
    if all(YEAR.match(name) for name in years) or "." in places:
        return True
    return all(any(PurePosixPath(images).is_relative_to(place) for place in places) for images in folder.images)


def _in_folders(folder: DataFolder, folders: list[str]) -> Found | None:
    """Return the splits of annotation files in usual folders, or beside images in folders of any name."""
    usual = [path for path in folders if is_usual(path)]
    beside = [path for path in folders if path not in usual and _is_beside(folder, path)]
    notes = []
    if beside and not _has_other_data(folder):
        usual += beside
        notes = [f"the annotation files are beside the images in {few(beside)}, whose names are not read as classes"]
    if not usual:
        return None
    groups: dict[str | None, list[str]] = {}
    for path in usual:
        groups.setdefault(split_of_path(path), []).append(path)
    alone = groups.pop(None, [])
    if alone and "train" in groups:
        notes.append(f"the annotation files in {few(alone)} are in no folder of a split: they are not read")
    elif alone and not groups and (splits := _by_images(folder, alone)):
        return Found(splits, notes)
    elif alone:
        groups["train"] = alone
    return Found({split: {"annotations": _short(group, folders)} for split, group in groups.items() if split}, notes)


def _is_beside(folder: DataFolder, path: str) -> bool:
    """Return whether annotation files are beside their images in one folder, which itself is in usual ones."""
    shared = stems(folder.files[path]) if path in folder.images else set()
    both = shared & stems(folder.images.get(path, ())) & stems(folder.ending(".xml")[path])
    return bool(both) and is_usual(str(PurePosixPath(path).parent))


def _has_other_data(folder: DataFolder) -> bool:
    """Return whether there are files in which other formats have annotations."""
    if folder.ending(".json", ".csv", ".yaml", ".yml"):
        return True
    return bool(pair(_paths(folder.images), _paths(folder.ending(".txt"))))


def _paths(files: Mapping[str, Sequence[str]]) -> list[str]:
    return [f"{path}/{name}" for path, names in files.items() for name in names]


def _by_images(folder: DataFolder, alone: list[str]) -> dict[str, dict[str, Any]]:
    """Return the splits of annotation files whose images only are in folders of splits; none if they are not."""
    files = [f"{path}/{name}" for path in alone for name in folder.ending(".xml")[path]]
    places = {str(PurePosixPath(found[0]).parent) for found in pair(files, _paths(folder.images)).values()}
    by_split: dict[str | None, list[str]] = {}
    for place in sorted(places):
        by_split.setdefault(split_of_path(place), []).append(place)
    if "train" not in by_split or any(len(each) > 1 for each in by_split.values()):
        return {}
    annotations = _short(alone, alone)
    return {split: {"annotations": annotations, "images": each[0]} for split, each in by_split.items() if split}


def _short(group: list[str], folders: list[str]) -> str | list[str]:
    """Return one folder or several; their common parent where no other annotation files are in it."""
    if len(group) == 1:
        return group[0]
    parts = [PurePosixPath(path).parts for path in group]
    count = next((n for n, level in enumerate(zip(*parts, strict=False)) if len(set(level)) > 1), min(map(len, parts)))
    parent = PurePosixPath(*parts[0][:count])
    below = [path for path in folders if PurePosixPath(path).is_relative_to(parent)]
    return str(parent) if sorted(below) == sorted(group) and str(parent) not in group else group
