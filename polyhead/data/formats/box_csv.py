"""Find CSV files of boxes and their splits."""

from pathlib import PurePosixPath

from polyhead.data.formats.data_folder import DataFolder, Found, split_of, split_of_path, unlisted
from polyhead.data.readers.box_csv import class_names
from polyhead.data.readers.csv_boxes import csv_columns, read_csv_boxes
from polyhead.errors import PolyheadError, few

ENDINGS = (".csv", ".tsv")


def find(folder: DataFolder) -> Found | None:
    """Return the CSV file of each split, and the classes if there are several splits."""
    named: dict[str, list[str]] = {}
    for parent, files in folder.ending(*ENDINGS).items():
        for file in files:
            name = file if parent == "." else f"{parent}/{file}"
            if csv_columns(folder.path / name):
                split = split_of(PurePosixPath(file).stem) or split_of_path(parent) or ""
                named.setdefault(split, []).append(name)
    if not named:
        return None
    unnamed = named.pop("", [])
    if not named:
        named = {"train": unnamed}
    elif unnamed and "train" not in named:
        named["train"] = unnamed
    for split, files in named.items():
        if len(files) > 1:
            raise PolyheadError(
                f"{folder.path}: expected one CSV file of boxes for {split}, got {few(files)}. Choose with "
                "annotations=FILE, or move the others away."
            )
    notes = []
    if unnamed and named["train"] != unnamed:
        notes.append(f"not read, because other CSV files are named after a split: {few(unnamed)}")
    paths = [folder.path / files[0] for files in named.values()]
    listed = {row.image.replace("\\", "/") for path in paths for row in read_csv_boxes(path)[0]}
    classes = {"classes": class_names(folder.path, paths)} if len(named) > 1 else {}
    splits = {
        split: {"annotations": file, **_images(folder, file, split), **classes} for split, (file,) in named.items()
    }
    return Found(splits, [*notes, *unlisted(folder, listed, "in no CSV file")])


def _images(folder: DataFolder, file: str, split: str) -> dict[str, str]:
    """Return the folder of the images of a split, if they are in a usual one and not beside the CSV file."""
    parent = str(PurePosixPath(file).parent)
    if parent in folder.images:
        return {}
    beside = str(PurePosixPath(parent).parent / "images")
    usual = [f"{parent}/images/{split}", f"images/{split}", split, f"{parent}/images", beside, "images"]
    return next(({"images": name} for name in usual if name in folder.images), {})
