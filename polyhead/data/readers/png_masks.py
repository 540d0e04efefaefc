"""A folder of pictures and one of masks with the same names: grey or palette pictures of numbers, or RGB colours."""

from bisect import bisect_left
from pathlib import Path, PurePosixPath

from polyhead.data.io.files import Listing, read_text
from polyhead.data.io.images import is_picture
from polyhead.data.readers.in_memory import Faults, Scene
from polyhead.data.readers.mask_files import (
    BACKGROUND,
    Code,
    Masked,
    is_background,
    packed,
    pair,
    unpacked,
    with_background,
)
from polyhead.errors import FileFault, PolyheadError, Problem
from polyhead.paths import find
from polyhead.types import IGNORED

SHEET = "classes.txt"
SPLITS = ("train", "val", "valid", "validation", "test")
Colours = dict[str, list[int]]


class PngMasks(Masked):
    """Pictures and masks whose paths below their folders are the same but for the ending (and ``_mask`` before it).

    Where neither ``classes`` nor ``colours`` is given, ``classes.txt`` in ``root`` tells: a line for each class, its
    name alone, or its name and three numbers, ``road 128 64 128``.

    Args:
        root: the folder of the data set.
        images: the folder of the pictures, relative to ``root``.
        masks: the folder of the masks, relative to ``root``.
        classes: names of the numbers 1, 2, ... in the masks; 0 is the background, and 255 is ignored.
        colours: name and colour ``[red, green, blue]`` of each class, in place of ``classes``; the class
            ``background`` needs none where every pixel is of another class.
        ignored: the number, or the colour, of pixels that are ignored.
        on_bad: ``"stop"`` or ``"skip"``, see :class:`polyhead.data.readers.in_memory.Listed`.
        cap: the share of pictures that may be skipped.
    """

    def __init__(
        self,
        root: str | Path,
        images: str = "images",
        masks: str = "masks",
        *,
        classes: list[str] | None = None,
        colours: Colours | None = None,
        ignored: int | list[int] | None = None,
        on_bad: str = "stop",
        cap: float = 0.1,
    ) -> None:
        folder = find(root)
        if classes is not None and colours is not None:
            raise PolyheadError("png_masks: give classes (the masks hold numbers) or colours, not both")
        if classes is None and colours is None:
            classes, colours = read_sheet(folder / SHEET)
        code = _numbers(classes or [], ignored) if colours is None else _colours(colours, ignored)
        faults = Faults()
        scenes = _pairs(_listing(folder, images), _listing(folder, masks), code, faults)
        super().__init__(folder, [*(classes or colours or [])], code, scenes, faults, on_bad, cap)


def mask_folders(root: Path) -> dict[str, dict[str, str]]:
    """The arguments ``images`` and ``masks`` of each split of a folder with ``classes.txt``, by the split's name.

    Raises:
        PolyheadError: when pictures that are no test pictures have no folder of masks.
    """
    if not (root / SHEET).is_file() or not all((root / name).is_dir() for name in ("images", "masks")):
        return {}
    places = {}
    for split in SPLITS:
        place = {"images": f"images/{split}", "masks": f"masks/{split}"}
        if all((root / path).is_dir() for path in place.values()):
            places[split] = place
        elif (root / place["images"]).is_dir() and split != "test":
            raise PolyheadError(f"{root}: {place['images']} has no {place['masks']}; add the masks, or move it away")
    return places or {"train": {"images": "images", "masks": "masks"}}


def read_sheet(path: Path) -> tuple[list[str] | None, Colours | None]:
    """Class names, or their colours, as ``classes.txt`` has them.

    Raises:
        FileFault: when it cannot be read, names no class, or some of its lines have a colour and others none.
    """
    colours: Colours = {}
    names: list[str] = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        words = line.split()
        if not words:
            continue
        coloured = len(words) > 3 and all(word.isdecimal() for word in words[-3:])
        name = " ".join(words[:-3] if coloured else words)
        if name in names:
            raise FileFault(f"{path}: line {number}", f"the class {name!r} is there twice", "delete one of the lines")
        names.append(name)
        if coloured:
            colours[name] = [int(word) for word in words[-3:]]
        if colours and len(colours) < len(names):
            what = "some classes have a colour and others have none"
            raise FileFault(f"{path}: line {number}", what, "write 'name red green blue' in every line, or in none")
    if not names:
        raise FileFault(path, "it names no class", "write one class per line")
    first = [name.split()[0].rstrip(":") for name in names]
    if len(names) > 1 and first in ([*map(str, range(len(names)))], [*map(str, range(1, len(names) + 1))]):
        what = f"its lines are numbered ({names[0]!r}), and their order tells the numbers: 1, 2, ... (0 is background)"
        raise FileFault(path, what, "write the names alone")
    return (None, colours) if colours else (names, None)


def _numbers(classes: list[str], ignored: int | list[int] | None) -> Code:
    if not (ignored is None or isinstance(ignored, int)):
        raise PolyheadError(f"ignored: the masks hold numbers, so expected one of 0 to 255, got {ignored}")
    names = with_background(classes)
    codes = {number: number for number in range(len(names))}
    if ignored is not None and not 0 <= ignored <= IGNORED:
        raise PolyheadError(f"ignored: expected a number of 0 to 255, got {ignored}")
    if ignored is not None and 0 < ignored < len(names):
        raise PolyheadError(f"ignored: {ignored} is the number of the class {names[ignored]!r}")
    return Code(codes | {IGNORED: IGNORED} | ({} if ignored is None else {ignored: IGNORED}), colours=False)


def _colours(colours: Colours, ignored: int | list[int] | None) -> Code:
    if isinstance(ignored, int):
        raise PolyheadError(f"ignored: the masks hold colours, so expected [red, green, blue], got {ignored}")
    names = with_background([*colours])
    wanted = [(name, colour, 0 if is_background(name) else names.index(name)) for name, colour in colours.items()]
    wanted += [] if ignored is None else [("what is ignored", ignored, IGNORED)]
    codes: dict[int, int] = {}
    for name, colour, label in wanted:
        if len(colour) != 3 or not all(0 <= part <= 255 for part in colour):
            raise PolyheadError(f"colours: {name}: expected [red, green, blue] of 0 to 255, got {colour}")
        if packed(colour) in codes:
            raise PolyheadError(f"colours: {name}: the colour {unpacked(packed(colour))} has another meaning already")
        codes[packed(colour)] = label
    if not colours:
        raise PolyheadError(f"colours: expected the colour of each class but {BACKGROUND}, got none")
    return Code(codes, colours=True)


def _listing(folder: Path, name: str) -> Listing:
    path = folder / name
    if not path.is_dir():
        raise PolyheadError(f"{path}: there is no such folder; correct images= or masks=")
    return Listing(path, folder)


def _pairs(pictures: Listing, masks: Listing, code: Code, faults: Faults) -> list[Scene]:
    files: dict[str, str] = {}
    shown = sorted(name for name in (*pictures.files, *pictures.strays) if is_picture(name))
    known = {_ident(name) for name in shown}
    for name in sorted(name for name in (*masks.files, *masks.strays) if is_picture(name)):
        ident = _ident(name)
        ident = ident if ident in known else ident.removesuffix("_mask")
        if files.setdefault(ident, name) != name:
            what = f"{files[ident]} is a mask of the same picture"
            faults.add(ident, Problem(str(masks.folder / name), what, "delete one of the two"))
    names = sorted(files)
    scenes: dict[str, Scene | None] = {}
    for name in shown:
        ident = _ident(name)
        if ident in scenes:
            what = "another picture has the same mask"
            faults.add(ident, Problem(str(pictures.folder / name), what, "rename one of the two, and give it a mask"))
        elif ident not in files:
            what = f"there is no mask of this name in {masks.folder}"
            near = _near(ident, names)
            remedy = (
                f"{files[near]} is near: rename it like the picture" if near else "add the mask, or remove the picture"
            )
            faults.add(ident, Problem(str(pictures.folder / name), what, remedy))
            scenes[ident] = None
        else:
            scenes[ident] = pair(ident, pictures.find(name), masks.find(files[ident]), code, faults)
    for ident, name in files.items():
        if ident not in scenes:
            what = f"there is no picture of this name in {pictures.folder}"
            faults.add(ident, Problem(str(masks.folder / name), what, "add the picture, or delete the mask"))
    return [scene for scene in scenes.values() if scene]


def _near(ident: str, names: list[str]) -> str | None:
    """The first of the names, which are sorted, that goes on after ``ident``: ``a_gt`` for ``a``."""
    for mark in "-._":
        place = bisect_left(names, f"{ident}{mark}")
        if names[place : place + 1] and names[place].startswith(f"{ident}{mark}"):
            return names[place]
    return None


def _ident(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))
