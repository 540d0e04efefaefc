"""Which format a folder of data has, told by what lies in it."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

from polyhead.contracts.reader import Reader
from polyhead.data.io.images import is_picture
from polyhead.data.readers.coco import Coco, coco_files, load_coco
from polyhead.data.readers.coco_masks import CocoMasks
from polyhead.data.readers.folder import Folder, class_folders
from polyhead.data.readers.penn_fudan import PennFudan, pedestrian_folder
from polyhead.data.readers.png_masks import PngMasks, mask_folders
from polyhead.data.readers.voc import Voc, voc_years
from polyhead.data.readers.voc_masks import LISTS, MASKS, VocMasks
from polyhead.data.readers.yolo import Yolo, describe_yolo, yolo_description
from polyhead.errors import PolyheadError
from polyhead.paths import find

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
Arguments = dict[str, dict[str, Any]]


class Layout(NamedTuple):
    """The format of a folder.

    Attributes:
        reader: short name of the reader, a key of ``READERS``.
        init_args: arguments of the reader for each split that the folder has; ``train`` is always among them.
        splits: the reader of each.
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
        """Number of pictures of each split."""
        return {split: len(reader) for split, reader in self.splits.items()}


def recognise(folder: str | Path, reader: str | None = None) -> Layout:
    """Find the format of a folder.

    Args:
        folder: looked up as data roots are.
        reader: the format to take where a folder holds several.

    Raises:
        PolyheadError: when no format or more than one is found, naming what was looked for.
    """
    root = find(folder)
    if not root.is_dir():
        raise PolyheadError(f"{root} is a file; give the folder of the data set")
    if reader is not None and reader not in FORMATS:
        raise PolyheadError(f"there is no format {reader!r}; choose from {', '.join(FORMATS)}")
    found = {name: layout for name, find in FORMATS.items() if reader in (None, name) and (layout := find(root))}
    for weak in WEAK:
        found = {name: layout for name, layout in found.items() if name not in weak} or found
    if not found:
        sought = {name: LOOKED_FOR[name] for name in FORMATS if reader in (None, name)}
        told = "".join(f"\n  {name}: {what}" for name, what in sought.items())
        inside = [sub for sub in class_folders(root) if any(FORMATS[name](root / sub) for name in sought)]
        hint = f"there is a data set in each of {', '.join(inside)}; give one" if inside else _almost(root, sought)
        raise PolyheadError(f"{root}: the format was not recognised; {hint or f'looked for{told}'}")
    if len(found) > 1:
        raise PolyheadError(f"{root}: more than one format found ({', '.join(found)}); choose one with --reader NAME")
    name, splits = next(iter(found.items()))
    first = "train" if "train" in splits else next(iter(splits))
    init_args = {"train" if split == first else split: arguments for split, arguments in splits.items()}
    readers = {split: READERS[name](**arguments) for split, arguments in init_args.items()}
    return Layout(name, init_args, readers)


def _almost(root: Path, sought: Collection[str]) -> str:
    """What a folder lacks that is all but a data set of masks or of YOLO, where these were looked for."""
    sheet = "classes.txt with the name of one class per line is missing"
    named = (root / "classes.txt").is_file() or yolo_description(root) is not None
    if "png_masks" in sought and not named and (root / "images").is_dir() and (root / "masks").is_dir():
        return f"there are images/ and masks/, but {sheet}"
    if "yolo" not in sought:
        return ""
    if not named and (root / "labels").is_dir():
        return f"there is labels/, but {sheet} (or data.yaml, with names)"
    texts = {path.stem for path in root.glob("*.txt")}
    beside = next((path for path in sorted(root.iterdir()) if is_picture(path) and path.stem in texts), None)
    if beside is None:
        return ""
    return (
        f"{beside.stem}.txt lies beside {beside.name}: for YOLO, put pictures into images/, their texts into labels/, "
        "and the name of one class per line into classes.txt"
    )


def _split_of(name: str) -> str:
    """The split that a file's or folder's name speaks of, else train."""
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
                f"{root}: two COCO files for {split}: {found[split]['annotations']} and {name}; move one away"
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
    """The splits of VOC's layout, which are lists in a folder of each year."""
    found: Arguments = {}
    for split in ("train", "val", "test"):
        having = [year for year, path in years.items() if (path / lists / f"{split}.txt").is_file()]
        if having:
            found[split] = {"root": str(root), "split": split} | ({"year": having} if len(years) > 1 else {})
    return found or ({"train": {"root": str(root), "split": None}} if len(years) == 1 else {})


def _yolo(root: Path) -> Arguments:
    if yolo_description(root) is None:
        return {}
    splits = describe_yolo(root).splits
    own = [split for split in splits if split == "train" or splits[split] != splits.get("train")]
    return {SPLITS[split]: {"root": str(root), "split": split} for split in own}


def _pedestrians(root: Path) -> Arguments:
    return {"train": {"root": str(root)}} if pedestrian_folder(root) else {}


def _folder(root: Path) -> Arguments:
    if set(class_folders(root)) == {"images", "masks"}:  # pictures and their masks are no classes
        return {}
    splits: Arguments = {SPLITS[name]: {"root": str(root / name)} for name in class_folders(root) if name in SPLITS}
    names = _classes(Path(splits["train"]["root"])) if "train" in splits else []
    for split, arguments in list(splits.items()):
        own = _classes(Path(arguments["root"]))
        if set(own) < set(names) and set(class_folders(Path(arguments["root"]))) <= set(names):
            arguments["classes"] = names  # a small val set may have no picture of a class
        if len(own) < (1 if "classes" in arguments else 2):
            del splits[split]
    return splits or ({"train": {"root": str(root)}} if len(_classes(root)) > 1 else {})


def _classes(root: Path) -> list[str]:
    """The folders that hold pictures; none where one of them is a split."""
    filled = [name for name in class_folders(root) if any(is_picture(path) for path in (root / name).iterdir())]
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
    "penn_fudan": _pedestrians,
    "coco_masks": _coco,
    "voc_masks": _voc_masks,
    "png_masks": _png_masks,
    "folder": _folder,
}
WEAK = (("folder",), ("coco_masks", "voc_masks", "png_masks"))
"""Formats that give way to others: pictures of all formats lie in folders, and data with boxes often has masks, too."""
LOOKED_FOR = {
    "coco": "a JSON file with images, annotations and categories, here or in annotations/",
    "voc": "Annotations/*.xml beside JPEGImages/, here or in VOCdevkit/*/",
    "yolo": "data.yaml with names, or classes.txt beside labels/",
    "penn_fudan": "PNGImages/ beside PedMasks/",
    "coco_masks": "as coco",
    "voc_masks": "SegmentationClass/*.png beside JPEGImages/, here or in VOCdevkit/*/",
    "png_masks": "images/, masks/ and classes.txt with the name of one class per line",
    "folder": "two or more class folders with pictures, here or in train/",
}
