"""Find YOLO's label files, what names their classes, and the splits."""

from polyhead.data.formats.data_folder import DataFolder, Found
from polyhead.data.io.files import Listing, read_text
from polyhead.data.readers.yolo_layout import YoloLayout, labels_without_classes, looks_like_labels, yolo_layout
from polyhead.errors import InvalidFileError, few

ENDINGS = (".txt", ".yaml", ".yml", ".names", ".data", ".labels")
MOST_READ = 2000
"""How many label files are read to list the classes in them."""


def find(folder: DataFolder) -> Found | None:
    """Return the splits that data.yaml or the folders name; val and test only if they have images and label files."""
    if not folder.ending(*ENDINGS):
        return None
    layout = yolo_layout(Listing(folder.path))
    if layout is None or not (layout.description.entries or layout.labels):
        return None
    notes = list(layout.notes)
    splits = {}
    for split, images in layout.splits.items():
        reason = _unusable(layout, split)
        # data.yaml often names the images of train as val, too: that is not a split
        if split != "train" and images == layout.splits.get("train"):
            continue
        if split == "train" or not reason:
            splits[split] = {"split": split}
        else:
            notes.append(f"{split} has {reason}: {split} is split off from train")
    return Found(splits, notes) if splits else None


def _unusable(layout: YoloLayout, split: str) -> str:
    """Return what a split lacks; empty if it has images and label files."""
    images = layout.splits[split]
    if not images:
        return "no images"
    return "" if any(image.name in layout.labels for image in images) else f"no label file for its {len(images)} images"


def missing_part(folder: DataFolder) -> str:
    """Return what is missing in a folder of YOLO label files whose classes nothing names; empty for other folders."""
    listing = Listing(folder.path)
    if yolo_layout(listing) is not None:
        return ""
    labels = labels_without_classes(listing)
    files = [listing.files[name] for name in labels.values() if looks_like_labels(listing.files[name])]
    if not files:
        return ""
    numbers: set[int] = set()
    for path in files[:MOST_READ]:
        try:
            numbers |= {int(float(line.split()[0])) for line in read_text(path).splitlines() if line.strip()}
        except (InvalidFileError, ValueError, OverflowError):  # reported when the file is read with its classes
            continue
    start = f"{len(labels)} images have a YOLO label file, such as {next(iter(labels.values()))}"
    if not numbers:
        return f"{start}, but no file names the classes. Add classes.txt with one class name per line."
    listed = few([str(number) for number in sorted(numbers)])
    return (
        f"{start}, with the classes {listed}, but no file names them. Add classes.txt with one class name per line "
        f"({max(numbers) + 1} lines, the first for class 0)."
    )
