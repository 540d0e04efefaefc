"""Recognize the format of a data folder from the files in it."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

from polyhead.contracts.reader import Reader
from polyhead.data.io.images import is_image
from polyhead.data.readers.coco import Coco, coco_files, load_coco
from polyhead.data.readers.coco_masks import CocoMasks
from polyhead.data.readers.folder import Folder, class_folders
from polyhead.data.readers.penn_fudan import PennFudan, penn_fudan_folder
from polyhead.data.readers.png_masks import PngMasks, mask_folders
from polyhead.data.readers.voc import Voc, voc_years
from polyhead.data.readers.voc_masks import LISTS, MASKS, VocMasks
from polyhead.data.readers.yolo import Yolo, describe_yolo, yolo_description
from polyhead.errors import PolyheadError
from polyhead.paths import find

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
Arguments = dict[str, dict[str, Any]]


class DatasetLayout(NamedTuple):
    """The format of a folder.

    Attributes:
        reader: short name of the reader, a key of ``READERS``.
        init_args: arguments of the reader for each split of the folder; ``train`` always exists.
        splits: the reader of each split.
    """

    reader: str
    init_args: dict[str, dict[str, Any]]
    splits: dict[str, Reader]

    @property
    def classes(self) -> list[str]:
        """The class names."""
        return self.splits["train"].names

    @property
    def counts(self) -> dict[str, int]:
        """Number of images of each split."""
        return {split: len(reader) for split, reader in self.splits.items()}


def recognize(folder: str | Path, reader: str | None = None) -> DatasetLayout:
    """Return the format of a folder.

    Args:
        folder: the folder; it is looked up in the same places as the data roots of a recipe.
        reader: the format to use if the folder has several.

    Raises:
        PolyheadError: if no format is found (names the files that were expected), or more than one.
    """
    root = find(folder)
    if not root.is_dir():
        raise PolyheadError(f"{root}: expected a folder, got a file. Give the folder of the data set.")
    if reader is not None and reader not in FORMATS:
        raise PolyheadError(f"unknown format {reader!r} (expected one of {', '.join(FORMATS)})")
    found = {name: layout for name, find in FORMATS.items() if reader in (None, name) and (layout := find(root))}
    for fallbacks in FALLBACKS:
        found = {name: layout for name, layout in found.items() if name not in fallbacks} or found
    if not found:
        raise PolyheadError(_not_recognized(root, [name for name in FORMATS if reader in (None, name)]))
    if len(found) > 1:
        raise PolyheadError(f"{root}: has several formats ({', '.join(found)}). Choose one with --reader NAME.")
    name, splits = next(iter(found.items()))
    first = "train" if "train" in splits else next(iter(splits))
    init_args = {"train" if split == first else split: arguments for split, arguments in splits.items()}
    readers = {split: READERS[name](**arguments) for split, arguments in init_args.items()}
    return DatasetLayout(name, init_args, readers)


def _not_recognized(root: Path, formats: Collection[str]) -> str:
    """Return the message for a folder that has none of the formats, with the most specific hint."""
    start = f"{root}: the format was not recognized"
    subfolders = [name for name in class_folders(root) if any(FORMATS[each](root / name) for each in formats)]
    if subfolders:
        return f"{start}: these subfolders are each a data set: {', '.join(subfolders)}. Give one of them."
    if hint := _missing_part(root, formats):
        return f"{start}: {hint}"
    expected = "".join(f"\n  {name}: {EXPECTED[name]}" for name in formats)
    return f"{start}; expected one of{expected}"


def _missing_part(root: Path, formats: Collection[str]) -> str:
    """Return what is missing in a folder that is almost a data set of masks or of YOLO; empty for other folders."""
    remedy = "Add classes.txt with one class name per line"
    named = (root / "classes.txt").is_file() or yolo_description(root) is not None
    if "png_masks" in formats and not named and (root / "images").is_dir() and (root / "masks").is_dir():
        return f"images/ and masks/ exist, but classes.txt is missing. {remedy}."
    if "yolo" not in formats:
        return ""
    if not named and (root / "labels").is_dir():
        return f"labels/ exists, but classes.txt is missing. {remedy}, or data.yaml with names."
    texts = {path.stem for path in root.glob("*.txt")}
    image = next((path for path in sorted(root.iterdir()) if is_image(path) and path.stem in texts), None)
    if image is None:
        return ""
    return (
        f"{image.stem}.txt is next to {image.name}. For YOLO, put the images into images/, their txt files into "
        "labels/, and one class name per line into classes.txt."
    )


def _split_of(name: str) -> str:
    """Return the split that the name of a file or folder contains; train if it contains none."""
    words = name.lower().replace("-", "_").replace(".", "_").split("_")
    plain = [word.rstrip("0123456789") for word in words]
    return next((SPLITS[word] for word in plain if word in SPLITS), "train")


def _coco(root: Path) -> Arguments:
    found: Arguments = {}
    for path in coco_files(root):
        try:
            load_coco(path)
        except PolyheadError:
            continue
        name = path.relative_to(root).as_posix()
        split = _split_of(path.stem if path.parent in (root, root / "annotations") else path.parent.name)
        if split in found:
            raise PolyheadError(
                f"{root}: expected one COCO file for {split}, got {found[split]['annotations']} and {name}. Move one "
                "away."
            )
        found[split] = {"root": str(root), "annotations": name}
    return found


def _voc(root: Path) -> Arguments:
    return _listed(root, voc_years(root), "ImageSets/Main")


def _voc_masks(root: Path) -> Arguments:
    return _listed(root, voc_years(root, MASKS), LISTS)


def _png_masks(root: Path) -> Arguments:
    return {_split_of(name): {"root": str(root)} | folders for name, folders in mask_folders(root).items()}


def _listed(root: Path, years: dict[str, Path], lists: str) -> Arguments:
    """Return the splits of VOC's layout: lists in a folder of each year."""
    found: Arguments = {}
    for split in ("train", "val", "test"):
        with_list = [year for year, path in years.items() if (path / lists / f"{split}.txt").is_file()]
        if with_list:
            found[split] = {"root": str(root), "split": split} | ({"year": with_list} if len(years) > 1 else {})
    return found or ({"train": {"root": str(root), "split": None}} if len(years) == 1 else {})


def _yolo(root: Path) -> Arguments:
    if yolo_description(root) is None:
        return {}
    splits = describe_yolo(root).splits
    # data.yaml often names the images of train as val, too: that is not a split
    own = [split for split in splits if split == "train" or splits[split] != splits.get("train")]
    return {SPLITS[split]: {"root": str(root), "split": split} for split in own}


def _penn_fudan(root: Path) -> Arguments:
    return {"train": {"root": str(root)}} if penn_fudan_folder(root) else {}


def _folder(root: Path) -> Arguments:
    if set(class_folders(root)) == {"images", "masks"}:  # these are images and their masks, not two classes
        return {}
    splits: Arguments = {SPLITS[name]: {"root": str(root / name)} for name in class_folders(root) if name in SPLITS}
    names = _classes(Path(splits["train"]["root"])) if "train" in splits else []
    for split, arguments in list(splits.items()):
        own = _classes(Path(arguments["root"]))
        if set(own) < set(names) and set(class_folders(Path(arguments["root"]))) <= set(names):
            arguments["classes"] = names  # a small val set may lack images of a class
        if len(own) < (1 if "classes" in arguments else 2):
            del splits[split]
    return splits or ({"train": {"root": str(root)}} if len(_classes(root)) > 1 else {})


def _classes(root: Path) -> list[str]:
    """Return the folders that contain images; an empty list if one of them is a split."""
    filled = [name for name in class_folders(root) if any(is_image(path) for path in (root / name).iterdir())]
    return [] if any(name.lower().rstrip("0123456789") in SPLITS for name in filled) else filled


READERS: dict[str, Callable[..., Reader]] = {
    "coco": Coco,
    "voc": Voc,
    "yolo": Yolo,
    "penn_fudan": PennFudan,
    "coco_masks": CocoMasks,
    "voc_masks": VocMasks,
    "png_masks": PngMasks,
    "folder": Folder,
}
FORMATS = {
    "coco": _coco,
    "voc": _voc,
    "yolo": _yolo,
    "penn_fudan": _penn_fudan,
    "coco_masks": _coco,
    "voc_masks": _voc_masks,
    "png_masks": _png_masks,
    "folder": _folder,
}
FALLBACKS = (("folder",), ("coco_masks", "voc_masks", "png_masks"))
"""Formats that are used only if no other one is found: the images of all formats are in folders, and data with boxes
often has masks, too."""
EXPECTED = {
    "coco": "a JSON file with images, annotations and categories, here or in annotations/",
    "voc": "Annotations/*.xml and JPEGImages/, here or in VOCdevkit/*/",
    "yolo": "data.yaml with names, or classes.txt and labels/",
    "penn_fudan": "PNGImages/ and PedMasks/",
    "coco_masks": "as coco",
    "voc_masks": "SegmentationClass/*.png and JPEGImages/, here or in VOCdevkit/*/",
    "png_masks": "images/, masks/ and classes.txt with one class name per line",
    "folder": "two or more class folders with images, here or in train/",
}
