"""Read the segmentation masks of PASCAL VOC: one palette PNG per image, whose numbers are classes; 255 is void."""

from pathlib import Path, PurePosixPath

from polyhead.data.io.files import Listing
from polyhead.data.readers.in_memory import Issues, Record
from polyhead.data.readers.mask_files import (
    Colors,
    MaskReader,
    color_encoding,
    number_encoding,
    pair_files,
    with_background,
    with_void,
)
from polyhead.data.readers.voc import CLASSES, duplicate_id, read_ids, select_years
from polyhead.errors import PolyheadError, Problem, suggest
from polyhead.paths import find

MASKS, LISTS = "SegmentationClass", "ImageSets/Segmentation"


class VocMasks(MaskReader):
    """A data set in the layout ``VOC2012/{JPEGImages,SegmentationClass,ImageSets/Segmentation}``.

    The pixel values of the files are read, not the colors of their palette, unless ``colors`` are given.

    Args:
        root: the folder with this layout, the folder of the year folders, or a folder with a ``VOCdevkit``.
        split: the name of a list in ``ImageSets/Segmentation``, or a file with one id per line, relative to ``root``;
            None for every mask.
        year: the year folder (``"VOC2012"``), or several whose lists are joined; not needed if there is only one.
        labels: the names of the numbers 1, 2, ... in the files; PASCAL's 20 if None.
        colors: name and color ``[red, green, blue]`` of each class, instead of ``labels``.
        classes: the names of the classes to read, in this order; pixels of other classes are background. All if None.
        on_bad: ``"stop"`` or ``"skip"``, see :class:`polyhead.data.readers.in_memory.InMemoryReader`.
        cap: the largest fraction of images that may be skipped.

    Raises:
        PolyheadError: if the layout, a year, a list or a class is not found.
    """

    def __init__(
        self,
        root: str | Path,
        split: str | None = "trainval",
        year: str | list[str] | None = None,
        *,
        labels: list[str] | None = None,
        colors: Colors | None = None,
        classes: list[str] | None = None,
        on_bad: str = "stop",
        cap: float = 0.1,
    ) -> None:
        folder = find(root)
        if labels is not None and colors is not None:
            raise PolyheadError("voc_masks: give labels (if the masks hold numbers) or colors, not both")
        known = with_background(labels or CLASSES) if colors is None else with_void([*colors])
        names = known[1:] if classes is None else [name for name in with_background(classes)[1:] if name != known[0]]
        for name in names:
            if name not in known:
                raise PolyheadError(f"classes: the masks have no class {name!r}{suggest(name, known)}")
        encoding = number_encoding(known[1:]) if colors is None else color_encoding(colors)
        encoding = encoding.select([names.index(name) + 1 if name in names else 0 for name in known[1:]])
        issues = Issues()
        records: dict[str, Record | None] = {}
        years: dict[str, Path] = {}  # of each id
        for base in select_years(folder, year, MASKS):
            masks, images = Listing(base / MASKS), Listing(base / "JPEGImages")
            files = {PurePosixPath(file).stem: file for file in images.files}
            for image_id, where in read_ids(folder, base, split, issues, LISTS, f"{MASKS}/*.png"):
                if image_id in years:
                    issues.add(image_id, duplicate_id(image_id, where, base, years[image_id]))
                    continue
                years[image_id] = base
                image = images.find(files.get(image_id, f"{image_id}.jpg"))
                mask = masks.find(f"{image_id}.png")
                if isinstance(image, Problem):
                    image = image._replace(where=f"{where}, {image.where}")
                if isinstance(mask, Problem):
                    mask = mask._replace(where=f"{where}, mask: {mask.where}")
                records[image_id] = pair_files(image_id, image, mask, encoding, issues)
        super().__init__(
            folder, [known[0], *names], encoding, list(filter(None, records.values())), issues, on_bad, cap
        )
