"""Read Penn-Fudan pedestrians: one mask per image, 0 for the background and 1 to n for the people in it.

Wang, Shi, Song, Shen, "Object Detection Combining Recognition and Segmentation", ACCV 2007.
"""

from pathlib import Path

import numpy as np

from polyhead.data.io.files import Listing
from polyhead.data.io.images import image_size, is_image, read_classes
from polyhead.data.readers.in_memory import InMemoryReader, Issues, Record
from polyhead.errors import InvalidFileError, PolyheadError, Problem
from polyhead.paths import find

IMAGES, MASKS = "PNGImages", "PedMasks"


class PennFudan(InMemoryReader):
    """The data set Penn-Fudan, which has one class; boxes and areas are computed from the masks.

    Args:
        root: the folder ``PennFudanPed`` or the folder that contains it.
        class_name: name of the class.
        on_bad: ``"stop"`` or ``"skip"``, see :class:`polyhead.data.readers.in_memory.InMemoryReader`.
        cap: the largest fraction of images that may be skipped.

    Raises:
        PolyheadError: if the folder does not have this layout.
    """

    def __init__(self, root: str | Path, *, class_name: str = "person", on_bad: str = "stop", cap: float = 0.1) -> None:
        folder = penn_fudan_folder(find(root))
        if folder is None:
            raise PolyheadError(
                f"{find(root)}: has no Penn-Fudan layout (expected the folders {IMAGES} and {MASKS}). Correct root."
            )
        issues = Issues()
        masks = Listing(folder / MASKS)
        images = Listing(folder / IMAGES)
        records = []
        for name in sorted({*images.files, *images.broken_links}):
            if is_image(name):
                record = _read_record(name, images, masks, issues)
                records += [record] if record else []
        stems = {Path(name).stem for name in (*images.files, *images.broken_links)}
        for name, path in masks.files.items():
            if is_image(name) and Path(name).stem.removesuffix("_mask") not in stems:
                what = f"the mask has no image in {IMAGES}"
                issues.add(name, Problem(str(path), what, "add the image, or delete the mask"))
        super().__init__(folder, [class_name], [class_name], records, issues, on_bad, cap)


def penn_fudan_folder(folder: Path) -> Path | None:
    """Return the folder with Penn-Fudan's layout: this folder, its ``PennFudanPed``, or None."""
    for found in (folder, folder / "PennFudanPed"):
        if (found / IMAGES).is_dir() and (found / MASKS).is_dir():
            return found
    return None


def _read_record(name: str, images: Listing, masks: Listing, issues: Issues) -> Record | None:
    """Return an image with a box for each person in its mask; None if a file is missing or cannot be read."""
    image_id = Path(name).stem
    path, mask = images.find(name), masks.find(f"{image_id}_mask.png")
    for found in (path, mask):
        if isinstance(found, Problem):
            issues.add(image_id, found)
    if isinstance(path, Problem) or isinstance(mask, Problem):
        return None
    try:
        record = Record(image_id, path, image_size(path))
        people = read_classes(mask)  # uint8 [h, w]
    except InvalidFileError as error:
        issues.add(image_id, error.problem)
        return None
    if people.shape != record.size:
        height, width = record.size
        what = f"expected a mask of {width} x {height} pixels as its image, got {people.shape[1]} x {people.shape[0]}"
        issues.add(image_id, Problem(str(mask), what, "make both the same size"))
        return record
    for person in np.unique(people[people > 0]):
        rows, columns = np.nonzero(people == person)
        # + 1: the right and lower border of a box lie behind its last pixel
        box = (float(columns.min()), float(rows.min()), float(columns.max()) + 1, float(rows.max()) + 1)
        record.add(box, 0, area=float(rows.size))
    return record
