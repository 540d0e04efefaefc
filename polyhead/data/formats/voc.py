"""Find PASCAL VOC's annotation files, boxes or masks, and their splits."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from polyhead.data.formats.class_files import find_class_file
from polyhead.data.formats.data_folder import DataFolder, Found
from polyhead.data.formats.mask_classes import mask_settings
from polyhead.data.readers.voc import voc_years
from polyhead.data.readers.voc_masks import LISTS, MASKS
from polyhead.errors import PolyheadError

ENDINGS = (".xml", ".txt")
MASK_ENDINGS = (".png", ".txt")


def find(folder: DataFolder) -> Found | None:
    """Return the lists of ids of each split of the boxes."""
    return _listed(voc_years(folder.path), "ImageSets/Main")


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
    for split in ("train", "val", "test"):
        with_list = [year for year, path in years.items() if (path / lists / f"{split}.txt").is_file()]
        if with_list:
            splits[split] = {"split": split} | ({"year": with_list} if len(years) > 1 else {})
    if splits:
        return Found(splits)
    return Found({"train": {"split": None}}) if len(years) == 1 else None
