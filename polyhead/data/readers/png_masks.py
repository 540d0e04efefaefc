"""Read a folder of images and a folder of masks with the same file names.

Masks are gray or palette images of class numbers, or RGB images of class colors.
"""

from bisect import bisect_left
from pathlib import Path, PurePosixPath

from polyhead.data.io.files import Listing, read_text
from polyhead.data.io.images import is_image
from polyhead.data.readers.in_memory import Issues, Record
from polyhead.data.readers.mask_files import (
    BACKGROUND,
    MaskEncoding,
    MaskReader,
    is_background,
    pack_color,
    pair_files,
    unpack_color,
    with_background,
)
from polyhead.errors import InvalidFileError, PolyheadError, Problem
from polyhead.paths import find
from polyhead.types import IGNORED

CLASS_FILE = "classes.txt"
SPLITS = ("train", "val", "valid", "validation", "test")
Colors = dict[str, list[int]]


class PngMasks(MaskReader):
    """Images and masks whose paths differ only in their folder and suffix; a mask name may also end in ``_mask``.

    If neither ``classes`` nor ``colors`` is given, ``classes.txt`` in ``root`` is read. It has one line per class: its
    name, or its name and three numbers, such as ``road 128 64 128``.

    Args:
        root: the folder of the data set.
        images: the folder of the images, relative to ``root``.
        masks: the folder of the masks, relative to ``root``.
        classes: names of the numbers 1, 2, ... in the masks; 0 is the background, and 255 is ignored.
        colors: name and color ``[red, green, blue]`` of each class, instead of ``classes``; the class ``background``
            needs no color if every pixel belongs to another class.
        ignored: the number or the color of pixels that are ignored.
        on_bad: ``"stop"`` or ``"skip"``, see :class:`polyhead.data.readers.in_memory.InMemoryReader`.
        cap: the largest fraction of images that may be skipped.

    Raises:
        PolyheadError: if a folder does not exist, or the classes are invalid.
    """

    def __init__(
        self,
        root: str | Path,
        images: str = "images",
        masks: str = "masks",
        *,
        classes: list[str] | None = None,
        colors: Colors | None = None,
        ignored: int | list[int] | None = None,
        on_bad: str = "stop",
        cap: float = 0.1,
    ) -> None:
        folder = find(root)
        if classes is not None and colors is not None:
            raise PolyheadError("png_masks: give classes (if the masks hold numbers) or colors, not both")
        if classes is None and colors is None:
            classes, colors = read_class_file(folder / CLASS_FILE)
        encoding = _number_encoding(classes or [], ignored) if colors is None else _color_encoding(colors, ignored)
        issues = Issues()
        records = _pair_folders(_listing(folder, images), _listing(folder, masks), encoding, issues)
        super().__init__(folder, [*(classes or colors or [])], encoding, records, issues, on_bad, cap)


def mask_folders(root: Path) -> dict[str, dict[str, str]]:
    """Return the arguments ``images`` and ``masks`` of each split of a folder with ``classes.txt``.

    Raises:
        PolyheadError: if the images of a split other than test have no folder of masks.
    """
    if not (root / CLASS_FILE).is_file() or not all((root / name).is_dir() for name in ("images", "masks")):
        return {}
    splits = {}
    for split in SPLITS:
        folders = {"images": f"images/{split}", "masks": f"masks/{split}"}
        if all((root / path).is_dir() for path in folders.values()):
            splits[split] = folders
        elif (root / folders["images"]).is_dir() and split != "test":
            raise PolyheadError(
                f"{root}: {folders['images']} has no masks (expected the folder {folders['masks']}). Add the masks, or "
                "move the images away."
            )
    return splits or {"train": {"images": "images", "masks": "masks"}}


def read_class_file(path: Path) -> tuple[list[str] | None, Colors | None]:
    """Read ``classes.txt``.

    Returns:
        Class names and None, or None and the color of each class.

    Raises:
        InvalidFileError: if the file cannot be read, names no class or one twice, numbers its lines, or has colors in
            some lines only.
    """
    colors: Colors = {}
    names: list[str] = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        where, words = f"{path}: line {number}", line.split()
        if not words:
            continue
        colored = len(words) > 3 and all(word.isdecimal() for word in words[-3:])
        name = " ".join(words[:-3] if colored else words)
        if name in names:
            raise InvalidFileError(where, f"the class {name!r} is listed twice", "delete one of the lines")
        names.append(name)
        if colored:
            colors[name] = [int(word) for word in words[-3:]]
        if colors and len(colors) < len(names):
            what = "some classes have a color and others have none"
            raise InvalidFileError(where, what, "write 'name red green blue' in every line, or names only")
    if not names:
        raise InvalidFileError(path, "the file names no class", "write one class per line")
    first = [name.split()[0].rstrip(":") for name in names]
    if len(names) > 1 and first in ([*map(str, range(len(names)))], [*map(str, range(1, len(names) + 1))]):
        what = (
            f"the lines are numbered ({names[0]!r}), but the order of the lines sets the numbers: 1, 2, ... "
            "(0 is the background)"
        )
        raise InvalidFileError(path, what, "write the names only")
    return (None, colors) if colors else (names, None)


def _number_encoding(classes: list[str], ignored: int | list[int] | None) -> MaskEncoding:
    if not (ignored is None or isinstance(ignored, int)):
        raise PolyheadError(f"ignored: expected a number from 0 to 255, because the masks hold numbers, got {ignored}")
    names = with_background(classes)
    labels = {number: number for number in range(len(names))}
    if ignored is not None and not 0 <= ignored <= IGNORED:
        raise PolyheadError(f"ignored: expected a number from 0 to 255, got {ignored}")
    if ignored is not None and 0 < ignored < len(names):
        raise PolyheadError(
            f"ignored: expected a number that is not a class, got {ignored}, the number of the class {names[ignored]!r}"
        )
    labels |= {IGNORED: IGNORED} | ({} if ignored is None else {ignored: IGNORED})
    return MaskEncoding(labels, colors=False)


def _color_encoding(colors: Colors, ignored: int | list[int] | None) -> MaskEncoding:
    if isinstance(ignored, int):
        raise PolyheadError(f"ignored: expected [red, green, blue], because the masks hold colors, got {ignored}")
    names = with_background([*colors])
    entries = [(name, color, 0 if is_background(name) else names.index(name)) for name, color in colors.items()]
    entries += [] if ignored is None else [("ignored", ignored, IGNORED)]
    labels: dict[int, int] = {}
    for name, color, label in entries:
        if len(color) != 3 or not all(0 <= value <= 255 for value in color):
            raise PolyheadError(f"colors: {name}: expected [red, green, blue], each from 0 to 255, got {color}")
        if pack_color(color) in labels:
            raise PolyheadError(f"colors: {name}: the color {unpack_color(pack_color(color))} is used twice")
        labels[pack_color(color)] = label
    if not colors:
        raise PolyheadError(f"colors: expected the color of each class other than {BACKGROUND}, got none")
    return MaskEncoding(labels, colors=True)


def _listing(folder: Path, name: str) -> Listing:
    path = folder / name
    if not path.is_dir():
        raise PolyheadError(f"{path}: the folder does not exist. Correct images= or masks=.")
    return Listing(path, folder)


def _pair_folders(images: Listing, masks: Listing, encoding: MaskEncoding, issues: Issues) -> list[Record]:
    """Return a record for each image that has a mask; report images and masks without each other."""
    image_names = sorted(name for name in (*images.files, *images.outside_links) if is_image(name))
    mask_names = _mask_names(masks, {_stem(name) for name in image_names}, issues)
    ids = sorted(mask_names)
    records: dict[str, Record | None] = {}
    for name in image_names:
        image_id = _stem(name)
        if image_id in records:
            what = "another image has the same mask"
            remedy = "rename one of the two images, and add a mask for it"
            issues.add(image_id, Problem(str(images.folder / name), what, remedy))
        elif image_id not in mask_names:
            what = f"has no mask of this name in {masks.folder}"
            similar = _similar(image_id, ids)
            remedy = "add the mask, or remove the image"
            if similar:
                remedy = f"if {mask_names[similar]} is its mask, rename it like the image"
            issues.add(image_id, Problem(str(images.folder / name), what, remedy))
            records[image_id] = None
        else:
            mask = masks.find(mask_names[image_id])
            records[image_id] = pair_files(image_id, images.find(name), mask, encoding, issues)
    for image_id, name in mask_names.items():
        if image_id not in records:
            what = f"has no image of this name in {images.folder}"
            issues.add(image_id, Problem(str(masks.folder / name), what, "add the image, or delete the mask"))
    return [record for record in records.values() if record]


def _mask_names(masks: Listing, image_ids: set[str], issues: Issues) -> dict[str, str]:
    """Return the mask of each image by the image's id; masks without an image are included."""
    names: dict[str, str] = {}
    for name in sorted(name for name in (*masks.files, *masks.outside_links) if is_image(name)):
        image_id = _stem(name)
        image_id = image_id if image_id in image_ids else image_id.removesuffix("_mask")
        if names.setdefault(image_id, name) != name:
            what = f"{names[image_id]} is a mask of the same image"
            issues.add(image_id, Problem(str(masks.folder / name), what, "delete one of the two"))
    return names


def _similar(image_id: str, names: list[str]) -> str | None:
    """Return the first of the sorted names that continues ``image_id`` after a mark, such as ``a_gt`` for ``a``."""
    for mark in "-._":
        index = bisect_left(names, f"{image_id}{mark}")
        if names[index : index + 1] and names[index].startswith(f"{image_id}{mark}"):
            return names[index]
    return None


def _stem(name: str) -> str:
    """Return a relative path without its suffix; it is the id of an image."""
    return str(PurePosixPath(name).with_suffix(""))
