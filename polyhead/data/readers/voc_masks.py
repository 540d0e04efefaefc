"""PASCAL VOC's segmentation: a palette PNG for each picture, whose numbers are classes; 255 is void."""

from pathlib import Path, PurePosixPath

from polyhead.data.io.files import Listing
from polyhead.data.readers.in_memory import Faults, Scene
from polyhead.data.readers.mask_files import Code, Masked, pair, with_background
from polyhead.data.readers.voc import CLASSES, chosen_years, listed_ids, twice
from polyhead.errors import PolyheadError, Problem, suggest
from polyhead.paths import find
from polyhead.types import IGNORED

MASKS, LISTS = "SegmentationClass", "ImageSets/Segmentation"


class VocMasks(Masked):
    """A data set in the layout ``VOC2012/{JPEGImages,SegmentationClass,ImageSets/Segmentation}``.

    The numbers in the files count, never their colours.

    Args:
        root: that folder, the folder of year folders, or one above it that holds ``VOCdevkit``.
        split: a list of ``ImageSets/Segmentation`` by its name, or a file with one id per line, relative to ``root``;
            None for every mask.
        year: the year folder (``"VOC2012"``), or several whose lists are joined; not needed where there is only one.
        labels: the names of the numbers 1, 2, ... in the files; PASCAL's 20 when None.
        classes: the names to keep, in this order; pixels of other classes are background. All when None.
        on_bad: ``"stop"`` or ``"skip"``, see :class:`polyhead.data.readers.in_memory.Listed`.
        cap: the share of pictures that may be skipped.
    """

    def __init__(
        self,
        root: str | Path,
        split: str | None = "trainval",
        year: str | list[str] | None = None,
        *,
        labels: list[str] | None = None,
        classes: list[str] | None = None,
        on_bad: str = "stop",
        cap: float = 0.1,
    ) -> None:
        folder = find(root)
        known = with_background(CLASSES if labels is None else labels)[1:]
        names = known if classes is None else with_background(classes)[1:]
        for name in names:
            if name not in known:
                raise PolyheadError(f"classes: the masks have no class {name!r}{suggest(name, known)}")
        numbers = {number: names.index(name) + 1 if name in names else 0 for number, name in enumerate(known, 1)}
        code = Code({0: 0, **numbers, IGNORED: IGNORED}, colours=False)
        faults = Faults()
        scenes: dict[str, Scene | None] = {}
        homes: dict[str, Path] = {}
        for base in chosen_years(folder, year, MASKS):
            masks, pictures = Listing(base / MASKS, base), Listing(base / "JPEGImages", base)
            files = {PurePosixPath(file).stem: file for file in pictures.files}
            for name, where in listed_ids(folder, base, split, faults, LISTS, f"{MASKS}/*.png"):
                if name in homes:
                    faults.add(name, twice(name, where, base, homes[name]))
                    continue
                homes[name] = base
                found = [
                    path._replace(where=f"{where}, {kind}{path.where}") if isinstance(path, Problem) else path
                    for kind, path in (
                        ("", pictures.find(files.get(name, f"{name}.jpg"))),
                        ("mask: ", masks.find(f"{name}.png")),
                    )
                ]
                scenes[name] = pair(name, found[0], found[1], code, faults)
        kept = [scene for scene in scenes.values() if scene]
        super().__init__(folder, names, code, kept, faults, on_bad, cap)
