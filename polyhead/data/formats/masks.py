"""Find images with masks, their splits, and the names of their classes."""

from pathlib import Path, PurePosixPath
from typing import Any

from polyhead.data.formats.class_files import find_class_file, read_settings
from polyhead.data.formats.data_folder import DataFolder, Found, stems
from polyhead.data.formats.mask_classes import mask_settings
from polyhead.data.formats.mask_folders import Pair, find_pairs, names_below
from polyhead.data.readers.name_pairs import Patterns, core, divide, stem
from polyhead.data.readers.png_masks import CLASS_FILE
from polyhead.errors import PolyheadError, few

ENDINGS = (".png", ".txt", ".csv", ".names")
VOC = ("JPEGImages", "SegmentationClass")


def find(folder: DataFolder) -> Found | None:
    """Return the folders of the images and the masks of each split.

    Raises:
        PolyheadError: if each image has a folder of its own.
    """
    if (folders := _of_one_image(folder))[1:]:
        raise PolyheadError(
            f"{folder.path}: {few(folders, 2)}: a folder for each image, with a mask for each of its objects (as "
            "in the Data Science Bowl 2018), which is not read. Merge the masks of each image into one file, "
            "masks/NAME.png for images/NAME.png, or convert them to COCO to detect each object."
        )
    pairs = {
        split: pair
        for split, pair in find_pairs(folder).items()
        if (PurePosixPath(pair.images).name, PurePosixPath(pair.masks).name) != VOC  # read by voc_masks
    }
    if not pairs:
        return None
    file = find_class_file(folder, [place for pair in pairs.values() for place in _around(pair)])
    masks = [path for pair in pairs.values() for path in _masks(folder, pair)]
    first = pairs.get("train") or next(iter(pairs.values()))
    settings, notes = mask_settings(folder, file, masks, f"{first.images}/ and {first.masks}/")
    if file == folder.path / CLASS_FILE and settings == read_settings(file):
        settings = {}  # the reader reads this file itself
    return Found({split: {**_folders(pair), **settings} for split, pair in pairs.items()}, notes)


def _of_one_image(folder: DataFolder) -> list[str]:
    """Return the folders with images/ of one image, and masks/ of other names."""
    found = []
    for path, names in folder.images.items():
        parent, _, last = path.rpartition("/")
        masks = stems(folder.images.get(f"{parent}/masks", ())) if parent and last == "images" else set()
        if masks and len(names) == 1 and not masks & stems(names):
            found.append(parent)
    return found


def _around(pair: Pair) -> list[str]:
    """Return the folders of a pair and those above them."""
    paths = [PurePosixPath(path) for path in (pair.masks, pair.images)]
    return [str(each) for path in paths for each in (path, *path.parents)]


def _folders(pair: Pair) -> dict[str, Any]:
    """Return the settings of the reader that differ from its defaults."""
    default = pair.patterns in (Patterns(), Patterns(masks="*_mask")) and pair.images != pair.masks
    names = {} if default else {"image_names": pair.patterns.images, "mask_names": pair.patterns.masks}
    return {"images": pair.images, "masks": pair.masks, **names}


def _masks(folder: DataFolder, pair: Pair) -> list[Path]:
    """Return the masks of a pair."""
    names = names_below(folder, pair.masks)
    if pair.images == pair.masks:
        names = divide(names, pair.patterns)[1]
    elif pair.patterns != Patterns():
        names = [name for name in names if core(stem(name), pair.patterns.masks) is not None]
    return [folder.path / pair.masks / name for name in names]
