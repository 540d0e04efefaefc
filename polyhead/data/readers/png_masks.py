"""Read a folder of images and a folder of masks with the same file names.

Masks are gray or palette images of class numbers, or RGB images of class colors.
"""

from bisect import bisect_left
from pathlib import Path

from polyhead.data.io.files import Listing, read_text
from polyhead.data.io.images import is_image
from polyhead.data.readers.in_memory import Issues, Record
from polyhead.data.readers.mask_files import (
    Colors,
    MaskEncoding,
    MaskReader,
    color_encoding,
    number_encoding,
    pair_files,
    with_background,
    with_void,
)
from polyhead.data.readers.name_pairs import Patterns, check_pattern, core, divide, stem
from polyhead.errors import InvalidFileError, PolyheadError, Problem
from polyhead.paths import find

CLASS_FILE = "classes.txt"


class PngMasks(MaskReader):
    """Images and masks with the same names in two folders, or names that differ in a fixed part.

    If neither ``classes`` nor ``colors`` is given, ``classes.txt`` in ``root`` is read. It has one line per class: its
    name, or its name and three numbers, such as ``road 128 64 128``.

    Args:
        root: the folder of the data set.
        images: the folder of the images, relative to ``root``.
        masks: the folder of the masks, relative to ``root``; may be that of the images, too. If both then have the
            same names, the JPEG files are the images.
        classes: names of the numbers 1, 2, ... in the masks; 0 is the background, too, and 255 is ignored. If the first
            name is ``background``, it is that of 0.
        colors: name and color ``[red, green, blue]`` of each class, instead of ``classes``; the class ``background``
            needs no color if every pixel belongs to another class. Else ``void`` or ``unlabeled`` is in its place.
        ignored: the number or the color of pixels that are ignored.
        first: the number of the first of ``classes``, 0 or 1. If it is 0, the background has no pixels unless it is
            among them. If None, 1, or 0 if the first is ``background``.
        image_names: pattern of the names of images without their ending, such as ``*_leftImg8bit``.
        mask_names: that of the masks, such as ``*_gtFine_labelIds``, where ``*`` is the same text. If None, masks are
            named as their images, with or without ``_mask`` at the end.
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
        first: int | None = None,
        image_names: str = "*",
        mask_names: str | None = None,
        on_bad: str = "stop",
        cap: float = 0.1,
    ) -> None:
        folder = find(root)
        if classes is not None and colors is not None:
            raise PolyheadError("png_masks: give classes (if the masks hold numbers) or colors, not both")
        if classes is None and colors is None:
            classes, colors = read_class_file(folder / CLASS_FILE)
        if colors is not None and first is not None:
            raise PolyheadError("first: expected no setting, because the masks hold colors. Leave it out.")
        encoding = number_encoding(classes or [], ignored, first) if colors is None else color_encoding(colors, ignored)
        issues = Issues()
        files = _PairedFiles(_listing(folder, images), _listing(folder, masks), image_names, mask_names)
        records = _pair_files(files, encoding, issues)
        names = with_background(classes or []) if colors is None else with_void([*colors])
        super().__init__(folder, names, encoding, records, issues, on_bad, cap)
        self.notes = files.notes


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


def _listing(folder: Path, name: str) -> Listing:
    path = folder / name
    if not path.is_dir():
        raise PolyheadError(f"{path}: the folder does not exist. Correct images= or masks=.")
    return Listing(path)


class _PairedFiles:
    """The files of images and masks by the part of their names that both share.

    Attributes:
        images: the image's file name and the part, in order.
        masks: the names of the masks of each part.
        notes: how many files fit neither pattern.
    """

    def __init__(self, images: Listing, masks: Listing, image_names: str, mask_names: str | None) -> None:
        check_pattern("image_names", image_names)
        check_pattern("mask_names", mask_names or "*")
        self.image_folder, self.mask_folder = images, masks
        inside = _inside(masks.folder, images.folder)
        own = [name for name in _image_names(images) if not (inside and name.startswith(inside))]
        others = _image_names(masks)
        if images.folder == masks.folder:
            own, others = divide(own, Patterns(image_names, mask_names or image_names))
        fitting = [(name, core(stem(name), image_names)) for name in own]
        self.images = [(name, part) for name, part in fitting if part is not None]
        self.masks: dict[str, list[str]] = {}
        parts = {part for _, part in self.images}
        unused = 0
        for name in others:
            plain = stem(name)
            part = core(plain, mask_names) if mask_names else plain if plain in parts else plain.removesuffix("_mask")
            if part is None:
                unused += 1
            else:
                self.masks.setdefault(part, []).append(name)
        counts = (("image", len(own) - len(self.images), images, image_names), ("mask", unused, masks, mask_names))
        self.notes = [
            f"{listing.folder}: {count} files are not read: their names do not fit {kind}_names {pattern!r}"
            for kind, count, listing, pattern in counts
            if count
        ]


def _inside(folder: Path, above: Path) -> str:
    """Return the path of a folder relative to one above it, with a slash at its end; empty if it is not below it."""
    return f"{folder.relative_to(above).as_posix()}/" if folder != above and folder.is_relative_to(above) else ""


def _image_names(listing: Listing) -> list[str]:
    return sorted(name for name in (*listing.files, *listing.broken_links) if is_image(name))


def _pair_files(files: _PairedFiles, encoding: MaskEncoding, issues: Issues) -> list[Record]:
    """Return a record for each image that has a mask; report images and masks without each other."""
    images, masks = files.image_folder, files.mask_folder
    ids = {part: stem(name) for name, part in reversed(files.images)}
    for part, names in files.masks.items():
        for name in names[1:]:
            what = f"{names[0]} is a mask of the same image"
            issues.add(ids.get(part, part), Problem(str(masks.folder / name), what, "delete one of the two"))
    parts = sorted(files.masks)
    records: dict[str, Record | None] = {}
    for name, part in files.images:
        if part in records:
            what = "another image has the same mask"
            remedy = "rename one of the two images, and add a mask for it"
            issues.add(stem(name), Problem(str(images.folder / name), what, remedy))
        elif part not in files.masks:
            what = f"has no mask of this name in {masks.folder}"
            similar = _similar(part, parts)
            remedy = "add the mask, or remove the image"
            if similar:
                remedy = f"if {files.masks[similar][0]} is its mask, rename it like the image"
            issues.add(stem(name), Problem(str(images.folder / name), what, remedy))
            records[part] = None
        else:
            mask = masks.find(files.masks[part][0])
            records[part] = pair_files(stem(name), images.find(name), mask, encoding, issues)
    for part, names in files.masks.items():
        if part not in records:
            what = f"has no image of this name in {images.folder}"
            issues.add(part, Problem(str(masks.folder / names[0]), what, "add the image, or delete the mask"))
    return [record for record in records.values() if record]


def _similar(image_id: str, names: list[str]) -> str | None:
    """Return the first of the sorted names that continues ``image_id`` after a mark, such as ``a_gt`` for ``a``."""
    for mark in "-._":
        index = bisect_left(names, f"{image_id}{mark}")
        if names[index : index + 1] and names[index].startswith(f"{image_id}{mark}"):
            return names[index]
    return None
