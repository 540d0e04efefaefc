"""Find PASCAL VOC's annotation files, boxes or masks, and their splits."""

from pathlib import Path
from typing import Any

from polyhead.data.formats.data_folder import DataFolder, Found
from polyhead.data.readers.voc import voc_years
from polyhead.data.readers.voc_masks import LISTS, MASKS

ENDINGS = (".xml", ".txt")
MASK_ENDINGS = (".png", ".txt")


def find(folder: DataFolder) -> Found | None:
    """Return the lists of ids of each split of the boxes."""
    return _listed(voc_years(folder.path), "ImageSets/Main")


def find_masks(folder: DataFolder) -> Found | None:
    """Return the lists of ids of each split of the masks."""
    return _listed(voc_years(folder.path, MASKS), LISTS)


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
