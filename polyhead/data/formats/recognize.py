"""Recognize the format of a data folder from the files in it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from polyhead.contracts.reader import Reader
from polyhead.data.formats import box_csv, class_folders, coco, labelme, masks, penn_fudan, public, voc, yolo
from polyhead.data.formats.below import annotations_outside, data_sets_below
from polyhead.data.formats.data_folder import DataFolder, Found
from polyhead.data.formats.settings import fit_settings, one_split, settings_of
from polyhead.data.formats.unread import unread
from polyhead.data.readers.box_csv import BoxCsv
from polyhead.data.readers.cifar10 import Cifar10
from polyhead.data.readers.coco import Coco
from polyhead.data.readers.coco_masks import CocoMasks
from polyhead.data.readers.folder import Folder
from polyhead.data.readers.labelme import LabelMe
from polyhead.data.readers.labelme_masks import LabelMeMasks
from polyhead.data.readers.oxford_pets import OxfordPets, OxfordPetsMasks
from polyhead.data.readers.penn_fudan import PennFudan
from polyhead.data.readers.png_masks import PngMasks
from polyhead.data.readers.voc import Voc
from polyhead.data.readers.voc_masks import VocMasks
from polyhead.data.readers.yolo import Yolo
from polyhead.data.readers.yolo_masks import YoloMasks
from polyhead.errors import PolyheadError, few
from polyhead.paths import find


class Format(NamedTuple):
    """A data format.

    Attributes:
        reader: reads it.
        find: returns what a folder holds in this format; None if nothing.
        expected: the files that it has, for messages.
        endings: of its files besides images.
        rank: a format is used only if none with a lower rank is found: the images of all formats are in folders, and
            data with boxes often has masks, too. Public data sets in their own files come first.
    """

    reader: Callable[..., Reader]
    find: Callable[[DataFolder], Found | None]
    expected: str
    endings: Collection[str]
    rank: int = 0


FORMATS = {
    "coco": Format(
        Coco, coco.find, "a JSON file with images, annotations and categories, here or in annotations/", coco.ENDINGS
    ),
    "voc": Format(Voc, voc.find, "Annotations/*.xml and JPEGImages/, here or in VOCdevkit/*/", voc.ENDINGS),
    "yolo": Format(Yolo, yolo.find, "data.yaml with names, or classes.txt, and label files NAME.txt", yolo.ENDINGS),
    "penn_fudan": Format(PennFudan, penn_fudan.find, "PNGImages/ and PedMasks/", penn_fudan.ENDINGS),
    "labelme": Format(LabelMe, labelme.find, "a JSON file of LabelMe for each image", labelme.ENDINGS),
    "box_csv": Format(
        BoxCsv, box_csv.find, "a CSV file with the columns filename, class, xmin, ymin, xmax, ymax", box_csv.ENDINGS
    ),
    "cifar10": Format(
        Cifar10,
        public.find_cifar10,
        "batches.meta and data_batch_1, here or in cifar-10-batches-py/",
        public.CIFAR10,
        -1,
    ),
    "oxford_pets": Format(
        OxfordPets, public.find_oxford_pets, "images/ and annotations/trainval.txt", public.ENDINGS, -1
    ),
    "oxford_pets_masks": Format(
        OxfordPetsMasks, public.find_oxford_pets_masks, "as oxford_pets, and annotations/trimaps/", public.ENDINGS, 1
    ),
    "coco_masks": Format(CocoMasks, coco.find, "as coco", coco.ENDINGS, 1),
    "yolo_masks": Format(YoloMasks, yolo.find, "as yolo, with outlines", yolo.ENDINGS, 1),
    "voc_masks": Format(
        VocMasks,
        voc.find_masks,
        "SegmentationClass/*.png and JPEGImages/, here or in VOCdevkit/*/",
        voc.MASK_ENDINGS,
        1,
    ),
    "labelme_masks": Format(LabelMeMasks, labelme.find, "as labelme", labelme.ENDINGS, 1),
    "png_masks": Format(
        PngMasks,
        masks.find,
        "images/, masks/ and classes.txt with one class name per line",
        masks.ENDINGS,
        1,
    ),
    "folder": Format(
        Folder,
        class_folders.find,
        "two or more class folders with images, here or in train/",
        class_folders.ENDINGS,
        2,
    ),
}


class DatasetLayout(NamedTuple):
    """The format of a folder.

    Attributes:
        reader: short name of the reader, a key of :data:`FORMATS`.
        init_args: arguments of the reader for each split of the folder; ``train`` always exists.
        splits: the reader of each split.
        notes: what was assumed or left out, one sentence each.
    """

    reader: str
    init_args: dict[str, dict[str, Any]]
    splits: dict[str, Reader]
    notes: list[str]

    @property
    def classes(self) -> list[str]:
        """The class names."""
        return self.splits["train"].names

    @property
    def counts(self) -> dict[str, int]:
        """Number of images of each split."""
        return {split: len(reader) for split, reader in self.splits.items()}


def recognize(
    folder: str | Path, reader: str | None = None, settings: Mapping[str, Any] | None = None
) -> DatasetLayout:
    """Return the format of a folder.

    Args:
        folder: the folder; it is looked up in the same places as the data roots of a recipe.
        reader: the format to use if the folder has several.
        settings: settings of the reader, which replace what was found, such as ``{"images": "train2017"}``.

    Raises:
        PolyheadError: if no format is found (names the files that were expected), or more than one.
    """
    root = find(folder)
    if not root.is_dir():
        raise PolyheadError(f"{root}: expected a folder, got a file. Give the folder of the data set.")
    settings = dict(settings or {})
    if reader is not None and reader not in FORMATS:
        raise PolyheadError(f"unknown format {reader!r} (expected one of {', '.join(FORMATS)})")
    suitable = [name for name, each in FORMATS.items() if settings.keys() <= settings_of(each.reader).keys()]
    names = [reader] if reader else suitable
    if not names:
        raise PolyheadError(
            f"no reader has all of the settings {', '.join(settings)}. Name a reader with --reader; the message then "
            "lists its settings."
        )
    found, faults = _layouts(DataFolder(root), names, settings)
    lowest = min((FORMATS[name].rank for name in found), default=0)
    best = {name: layout for name, layout in found.items() if FORMATS[name].rank == lowest}
    sound = {name: layout for name, layout in best.items() if not any(each.problems for each in layout.splits.values())}
    chosen = sound or best
    if len(chosen) > 1:
        raise PolyheadError(f"{root}: has several formats ({', '.join(chosen)}). Choose one with --reader NAME.")
    # a fault of a format that would have been preferred is more likely what the user wants to know
    faults = {name: fault for name, fault in faults.items() if not chosen or FORMATS[name].rank <= lowest}
    if not chosen and faults:
        raise next(iter(faults.values()))
    if not chosen:
        return _recognize_below(root, names, reader, settings)
    layout = next(iter(chosen.values()))
    unsound = [f"not used as {name}: it has problems (see them with --reader {name})" for name in best.keys() - chosen]
    return layout._replace(
        notes=[*layout.notes, *(f"not used as {name}: {fault}" for name, fault in faults.items()), *unsound]
    )


def _layouts(
    folder: DataFolder, names: Sequence[str], settings: Mapping[str, Any]
) -> tuple[dict[str, DatasetLayout], dict[str, PolyheadError]]:
    """Return the layout of each format that is found and can be opened, and the faults of those that cannot."""
    layouts: dict[str, DatasetLayout] = {}
    faults: dict[str, PolyheadError] = {}
    for name in names:
        if any(FORMATS[other].rank < FORMATS[name].rank for other in layouts):
            continue  # it would not be used, and reading takes time
        try:
            found = _find(name, folder, named=bool(settings) and len(names) == 1)
            if found is not None and found.splits:
                layouts[name] = _open(name, folder.path, found, settings)
        except PolyheadError as fault:
            faults[name] = fault
    return layouts, faults


def _find(name: str, folder: DataFolder, *, named: bool) -> Found | None:
    """Return what a folder holds in a format; if the user's settings name it, nothing has to be found."""
    try:
        found = FORMATS[name].find(folder)
    except PolyheadError:
        if not named:
            raise
        found = None
    return Found({"train": {}}) if found is None and named else found


def _open(name: str, root: Path, found: Found, settings: Mapping[str, Any]) -> DatasetLayout:
    """Build the reader of each split."""
    fitted = fit_settings(name, FORMATS[name].reader, settings)
    found = one_split(found, fitted)
    first = next(split for split in ("train", "val", "test") if split in found.splits)
    init_args = {
        "train" if split == first else split: {"root": str(root), **arguments, **fitted}
        for split, arguments in found.splits.items()
    }
    readers = {split: FORMATS[name].reader(**arguments) for split, arguments in init_args.items()}
    names = readers["train"].names
    for split, arguments in init_args.items() if name == "coco" else ():
        # the files of two splits may list the same classes in another order
        if readers[split].names != names and sorted(readers[split].names) == sorted(names):
            arguments["classes"] = names
            readers[split] = FORMATS[name].reader(**arguments)
    notes = [*found.notes, *(note for reader in readers.values() for note in reader.notes)]
    return DatasetLayout(name, init_args, readers, list(dict.fromkeys(notes)))


def _recognize_below(
    root: Path, names: Collection[str], reader: str | None, settings: Mapping[str, Any]
) -> DatasetLayout:
    """Return the format of the only data set below a folder.

    Raises:
        PolyheadError: if there is none or more than one, or other files may be its annotations.
    """
    start = f"{root}: the format was not recognized"
    below = data_sets_below(root, lambda folder: _is_data_set(folder, names))
    if len(below) > 1:
        raise PolyheadError(f"{start}: these subfolders are each a data set: {few(below)}. Give one of them.")
    if not below:
        raise PolyheadError(_not_recognized(start, DataFolder(root), names))
    layout = recognize(root / below[0], reader, settings)
    if layout.reader == "folder" and (files := annotations_outside(DataFolder(root), below[0])):
        raise PolyheadError(
            f"{start}: {below[0]} has class folders, but {few(files)} may be annotations of its images. Give "
            f"{root / below[0]} if each image has the class of its folder."
        )
    return layout._replace(notes=[f"the data set is in {below[0]}/", *layout.notes])


def _not_recognized(start: str, folder: DataFolder, names: Collection[str]) -> str:
    """Return the message for a folder that has none of the formats, with the most specific hint."""
    hints = [*unread(folder), *(part(folder) for name, part in MISSING.items() if name in names)]
    if hint := next(filter(None, hints), ""):
        return f"{start}: {hint}"
    expected = "".join(f"\n  {name}: {FORMATS[name].expected}" for name in names)
    return f"{start}; expected one of{expected}"


MISSING = {"yolo": yolo.missing_part, "folder": class_folders.missing_part}
"""For folders that are almost a data set: functions that return what is missing."""


def _is_data_set(folder: DataFolder, names: Collection[str]) -> bool:
    """Return whether a folder holds a data set, sound or not."""
    for name in names:
        try:
            if FORMATS[name].find(folder):
                return True
        except PolyheadError:
            return True
    return False
