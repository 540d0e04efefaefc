"""Find the folders that hold images and their masks, by the names of the folders and of the files in them."""

import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from polyhead.data.formats.data_folder import SPLITS, DataFolder
from polyhead.data.formats.mask_pixels import are_flat, spread
from polyhead.data.io.images import image_size
from polyhead.data.readers.name_pairs import Patterns, divide, find_patterns, stem
from polyhead.errors import InvalidFileError, PolyheadError, few

IMAGE_WORDS = frozenset([
    "image", "images", "img", "imgs", "jpegimages", "pngimages", "leftimg", "input", "inputs", "photo",
    "photos",
])  # fmt: skip
MASK_WORDS = frozenset([
    "mask", "masks", "label", "labels", "annotation", "annotations", "annot", "annots", "ann", "anns", "gt", "gtfine",
    "gtcoarse", "groundtruth", "truth", "seg", "segs", "segmentation", "segmentations", "segmentationclass",
    "segmentationclasspng", "semantic", "semantics", "target", "targets", "trimap", "trimaps", "manual",
])  # fmt: skip
OTHER_WORDS = frozenset(["dir", "set", "data", "dataset", "bit", "folder", "png", "jpg", "raw", "st", "nd"])
"""Words in the names of folders that say neither what they hold nor what it shows."""
LARGEST_GROUP = 8
"""Folders beside each other whose files are compared; class folders are often more."""


class Pair(NamedTuple):
    """The folders of images and their masks, relative to the data folder, and the patterns of their names."""

    images: str
    masks: str
    patterns: Patterns


class Place(NamedTuple):
    """What the name of a folder says.

    Attributes:
        base: the folder, up to the last part of its path that says something.
        split: the split, as it is written there; empty if there is none.
        masks: whether it holds masks.
        key: the other words in it, which are the same for images and their masks.
    """

    base: str
    split: str
    masks: bool
    key: tuple[str, ...]


def words(name: str) -> list[str]:
    """Return the words of a name in lower case without numbers; a split's name is a word of its own.

    >>> words("trainannot"), words("image_2"), words("gtFine"), words("Training-Set"), words("trainers")
    (['train', 'annot'], ['image'], ['gtfine'], ['training', 'set'], ['trainers'])
    """
    found = []
    for word in re.findall(r"[^\W\d_]+", name.lower()):
        split = next((each for each in sorted(SPLITS, key=len, reverse=True) if word.startswith(each)), "")
        rest = word[len(split) :]
        found += [split, rest] if split and rest in IMAGE_WORDS | MASK_WORDS | OTHER_WORDS else [word]
    return found


def place(folder: str) -> Place:
    """Return what the relative path of a folder says."""
    parts = PurePosixPath(folder).parts
    known = IMAGE_WORDS | MASK_WORDS | SPLITS.keys()
    last = max((number for number, part in enumerate(parts, 1) if known & {*words(part)}), default=0)
    found = [word for part in parts[:last] for word in words(part)]
    key = tuple(word for word in found if word not in known | OTHER_WORDS)
    split = next((word for word in found if word in SPLITS), "")
    return Place("/".join(parts[:last]) or ".", split, bool({*found} & MASK_WORDS), key)


def find_pairs(folder: DataFolder) -> dict[str, Pair]:
    """Return the images and masks of each split; empty if there are none.

    Raises:
        PolyheadError: if there are several for one split, or the images of one have no masks.
    """
    return _in_named_folders(folder) or _in_one_folder(folder) or _in_other_folders(folder)


def names_below(folder: DataFolder, base: str, without: str = "") -> list[str]:
    """Return the paths of the images below a folder, relative to it.

    Args:
        folder: the data folder.
        base: the folder below it.
        without: a folder below ``base`` that is left out.
    """
    start = "" if base == "." else f"{base}/"
    paths = [name if sub == "." else f"{sub}/{name}" for sub, names in folder.images.items() for name in names]
    left_out = f"{without}/" if without not in ("", base) else "/"  # no relative path begins with a slash
    return [path[len(start) :] for path in paths if path.startswith(start) and not path.startswith(left_out)]


def _in_named_folders(folder: DataFolder) -> dict[str, Pair]:
    """Return the folders whose names say that they hold images and masks."""
    places = sorted({place(path) for path in folder.images})
    pairs: dict[str, list[Pair]] = {}
    keys = set()
    mask_bases: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for each in places:
        if each.masks:
            mask_bases.setdefault((each.split, each.key), []).append(each.base)
    for images in [each for each in places if not each.masks]:
        for masks in mask_bases.get((images.split, images.key), ()):
            if pair := _pair(folder, images.base, masks):
                pairs.setdefault(images.split, []).append(pair)
                keys.add(images.key)
    if len(pairs) > 1:  # images/ and masks/ hold the folders of the splits
        pairs.pop("", None)
    for images in places:
        lacks = images.key in keys and not images.masks and images.split and images.split not in pairs
        if lacks and "" not in pairs and SPLITS[images.split] != "test":
            split, (pair, *_) = min(pairs.items())
            raise PolyheadError(
                f"{folder.path}: {images.base} has no masks (expected the folder "
                f"{pair.masks.replace(split, images.split)}). Add the masks, or move the images away."
            )
    return _one_for_each_split(folder, pairs)


def _pair(folder: DataFolder, images: str, masks: str) -> Pair | None:
    """Return a pair if the names of the files in both folders fit together."""
    names = names_below(folder, images, masks)
    patterns = find_patterns([*map(stem, names)], [*map(stem, names_below(folder, masks))])
    return Pair(images, masks, patterns) if patterns else None


def _in_one_folder(folder: DataFolder) -> dict[str, Pair]:
    """Return the folders in which the masks are beside the images."""
    pairs: dict[str, list[Pair]] = {}
    for base, split in sorted({place(path)[:2] for path in folder.images}):
        names = names_below(folder, base)
        images, masks = divide(names, Patterns())
        alike = len({*map(stem, images)} & {*map(stem, masks)}) * 2 > len(images)
        patterns = Patterns() if alike else find_patterns([*map(stem, names)], [*map(stem, names)], one_folder=True)
        if patterns is None:
            continue
        images, masks = divide(names, patterns)
        flat = [are_flat([folder.path / base / name for name in files]) for files in (images, masks)]
        if flat[1] and (not flat[0] or MASK_WORDS & {*words(patterns.masks)}):
            pairs.setdefault(split, []).append(Pair(base, base, patterns))
    if len(pairs) > 1:
        pairs.pop("", None)
    return _one_for_each_split(folder, pairs)


def _in_other_folders(folder: DataFolder) -> dict[str, Pair]:
    """Return two folders beside each other with the same file names and sizes, of which one has masks' pixels."""
    groups: dict[str, list[str]] = {}
    for path in folder.images:
        groups.setdefault(str(PurePosixPath(path).parent), []).append(path)
    pairs: dict[str, list[Pair]] = {}
    for parent, paths in groups.items():
        for one, other in combinations(paths if len(paths) <= LARGEST_GROUP and "." not in paths else (), 2):
            if images := _images_of(folder, one, other):
                pair = Pair(images, other if images == one else one, Patterns())
                pairs.setdefault(place(parent).split, []).append(pair)
    return _one_for_each_split(folder, pairs)


def _images_of(folder: DataFolder, one: str, other: str) -> str | None:
    """Return which of two folders has the images if the other has their masks."""
    files = [
        {PurePosixPath(name).stem: folder.path / each / name for name in folder.images[each]} for each in (one, other)
    ]
    both = sorted(files[0].keys() & files[1].keys())
    if len(both) < 0.9 * min(map(len, files)):
        return None
    sample = spread([files[0][stem] for stem in both], 5)
    pairs = [(path, files[1][path.stem]) for path in sample]
    if not all(_size(path) == _size(mask) for path, mask in pairs):
        return None
    flat = [are_flat([pair[side] for pair in pairs]) for side in (0, 1)]
    return None if flat[0] == flat[1] else other if flat[0] else one


def _size(path: Path) -> tuple[int, int] | None:
    try:
        return image_size(path)
    except InvalidFileError:
        return None


def _one_for_each_split(folder: DataFolder, pairs: Mapping[str, Sequence[Pair]]) -> dict[str, Pair]:
    """Return the pair of each split; none if they are in different data sets.

    Raises:
        PolyheadError: if there are several for one split.
    """
    found: dict[str, list[Pair]] = {}
    for word, several in pairs.items():
        found.setdefault(SPLITS.get(word, "train"), []).extend(several)
    tops = {PurePosixPath(pair.images).parts[:1] for several in found.values() for pair in several}
    if len(tops) > 1 and all(top and place(top[0]).base == "." for top in tops):
        return {}
    for split, several in found.items():
        if len(several) > 1:
            listed = few([f"{pair.images} and {pair.masks}" for pair in several], 3, "; ")
            raise PolyheadError(
                f"{folder.path}: expected one folder of images and one of masks for {split}, got {listed}. Move all "
                "but one away, or name them in a recipe with the settings images and masks of the reader png_masks."
            )
    return {split: several[0] for split, several in found.items()}
