"""Penn-Fudan pedestrians: a mask per picture, 0 for background and 1..n for the people in it.

Wang, Shi, Song, Shen, "Object Detection Combining Recognition and Segmentation", ACCV 2007.
"""

from pathlib import Path

import numpy as np

from polyhead.data.io.files import Listing
from polyhead.data.io.images import is_picture, picture_size, read_classes
from polyhead.data.readers.in_memory import Faults, Listed, Scene
from polyhead.errors import FileFault, PolyheadError, Problem
from polyhead.paths import find

PICTURES, MASKS = "PNGImages", "PedMasks"


class PennFudan(Listed):
    """The folder ``PennFudanPed`` (or the one above it), one class; boxes and areas are those of the masks.

    Args:
        root: the folder.
        on_bad: ``"stop"`` or ``"skip"``, see :class:`polyhead.data.readers.in_memory.Listed`.
        cap: the share of pictures that may be skipped.
    """

    def __init__(self, root: str | Path, *, on_bad: str = "stop", cap: float = 0.1) -> None:
        folder = pedestrian_folder(find(root))
        if folder is None:
            raise PolyheadError(f"{find(root)}: no Penn-Fudan layout; looked for {PICTURES} and {MASKS}")
        faults = Faults()
        masks = Listing(folder / MASKS, folder)
        pictures = Listing(folder / PICTURES, folder)
        scenes = []
        for name in sorted({*pictures.files, *pictures.strays}):
            if is_picture(name):
                scene = _scene(name, pictures, masks, faults)
                scenes += [scene] if scene else []
        stems = {Path(name).stem for name in (*pictures.files, *pictures.strays)}
        for name, path in masks.files.items():
            if is_picture(name) and Path(name).stem.removesuffix("_mask") not in stems:
                what = f"there is no picture of this mask in {PICTURES}"
                faults.add(name, Problem(str(path), what, "add it, or delete the mask"))
        super().__init__(folder, ["person"], ["person"], scenes, faults, on_bad, cap)


def pedestrian_folder(folder: Path) -> Path | None:
    """The folder of Penn-Fudan's layout: this one, its ``PennFudanPed``, or None."""
    for found in (folder, folder / "PennFudanPed"):
        if (found / PICTURES).is_dir() and (found / MASKS).is_dir():
            return found
    return None


def _scene(name: str, pictures: Listing, masks: Listing, faults: Faults) -> Scene | None:
    ident = Path(name).stem
    path, mask = pictures.find(name), masks.find(f"{ident}_mask.png")
    for found in (path, mask):
        if isinstance(found, Problem):
            faults.add(ident, found)
    if isinstance(path, Problem) or isinstance(mask, Problem):
        return None
    try:
        scene = Scene(ident, path, picture_size(path))
        people = read_classes(mask)
    except FileFault as fault:
        faults.add(ident, fault.problem)
        return None
    if people.shape != scene.size:
        height, width = scene.size
        what = f"the mask has {people.shape[1]} x {people.shape[0]} pixels, its picture {width} x {height}"
        faults.add(ident, Problem(str(mask), what, "make both of one size"))
        return scene
    for person in np.unique(people[people > 0]):
        rows, columns = np.nonzero(people == person)
        box = (float(columns.min()), float(rows.min()), float(columns.max()) + 1, float(rows.max()) + 1)
        scene.add(box, 0, area=float(rows.size))
    return scene
