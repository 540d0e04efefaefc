"""Find out what the numbers or colors of masks mean: from a file with class names, or from the masks themselves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from polyhead.data.formats.class_files import Settings, read_settings
from polyhead.data.formats.data_folder import DataFolder
from polyhead.data.formats.mask_pixels import Pixels, read_pixels
from polyhead.data.readers.mask_files import BACKGROUND, is_background, pack_color, unpack_color
from polyhead.data.readers.png_masks import CLASS_FILE
from polyhead.errors import PolyheadError
from polyhead.types import IGNORED

FOREGROUND = "foreground"
BLACK, WHITE = [0, 0, 0], [255, 255, 255]
MOST_COLORS = 256
"""Masks with more colors are photos, or were smoothed."""


def mask_settings(
    folder: DataFolder, file: Path | None, masks: Sequence[Path], what: str
) -> tuple[Settings, list[str]]:
    """Return the settings that name the classes of masks, and notes about what was assumed.

    Args:
        folder: the data folder.
        file: the file with the class names, if there is one.
        masks: all masks.
        what: the folders of the images and the masks, for the message.

    Raises:
        PolyheadError: if no file names the classes and there are more than two.
    """
    pixels = read_pixels(masks)
    if file is None:
        return _two_classes(folder, pixels, masks, what)
    settings = read_settings(file)
    name = file.relative_to(folder.path).as_posix()
    notes = [] if name == CLASS_FILE else [f"the class names are those of {name}"]
    names = settings.get("classes", [])
    if pixels is None or pixels.colors or not names:
        return settings, notes
    own = [each for each in names if not is_background(each)]
    if len(own) == 1 and pixels.shares.keys() <= {0, IGNORED} and IGNORED in pixels.shares:
        return {"colors": {BACKGROUND: BLACK, own[0]: WHITE}}, [*notes, f"{own[0]} is the number 255 of the masks"]
    last = len(names)
    counted_from = settings.get("first")
    largest = max({*pixels.shares} - {IGNORED}, default=0)
    if is_background(names[0]) and counted_from is None and largest == last and 0 not in pixels.shares:
        return {**settings, "first": 1}, [*notes, f"the number 1 is the background, the first name in {name}"]
    if len(own) == last > 1 and counted_from is None and last not in pixels.shares and 0 in pixels.in_all:
        notes.append(
            f"the number {last} ({names[-1]}) is in none of the {pixels.masks} masks examined, and 0 is in all; "
            f"if 0 is {names[0]}, the first name in {name}, set first: 0"
        )
    return settings, notes


def _two_classes(
    folder: DataFolder, pixels: Pixels | None, masks: Sequence[Path], what: str
) -> tuple[Settings, list[str]]:
    """Return the settings of black-and-white masks.

    Raises:
        PolyheadError: if the masks are others.
    """
    missing = f"{folder.path}: {what} exist, but classes.txt is missing. Add classes.txt"
    if pixels is None:
        raise PolyheadError(f"{missing} with one class name per line. None of the masks examined can be read.")
    values = set(pixels.shares)
    both = {pack_color(BLACK), pack_color(WHITE)} if pixels.colors else {0, IGNORED}
    note = "the masks have two values, {}, which are read as background and foreground; "
    if values == {0, 1} and not pixels.colors:
        return {"classes": [FOREGROUND]}, [note.format("0 and 1") + "to name the class, write it into classes.txt"]
    if values == both and _are_black_and_white(masks):
        hint = "to name the class, write the lines 'background 0 0 0' and 'NAME 255 255 255' into classes.txt"
        return {"colors": {BACKGROUND: BLACK, FOREGROUND: WHITE}}, [note.format("black and white") + hint]
    raise PolyheadError(f"{missing} {_lines(pixels, masks)}")


def _are_black_and_white(masks: Sequence[Path]) -> bool:
    pixels = read_pixels(masks, colors=True)
    return pixels is not None and set(pixels.shares) == {pack_color(BLACK), pack_color(WHITE)}


def _lines(pixels: Pixels, masks: Sequence[Path]) -> str:
    """Return what to write into classes.txt."""
    numbers = sorted({*pixels.shares} - {IGNORED})
    if not pixels.colors and numbers[-1:] <= [2 * len(numbers) + 1]:
        return (
            f"with one class name per line: line 1 names the number 1. The {pixels.masks} masks examined hold "
            f"{pixels.describe()}; 0 is the background, and 255 is ignored. If 0 is a class, too, begin with its name, "
            "and set first: 0 in a recipe."
        )
    colored: Any = read_pixels(masks, colors=True) or pixels
    if len(colored.shares) > MOST_COLORS:
        return (
            f"with a line 'NAME RED GREEN BLUE' for each class. The {pixels.masks} masks examined hold "
            f"{len(colored.shares)} colors, so they were smoothed or saved as JPEG; save them as PNG instead."
        )
    if not pixels.colors and set(colored.shares) == {pack_color([number] * 3) for number in pixels.shares}:
        return (
            f"with a line 'NAME K K K' for each number K, such as 'background 0 0 0'. The {pixels.masks} masks "
            f"examined hold {pixels.describe()}."
        )
    black = pack_color(BLACK)
    most = black if black in colored.shares else max(colored.shares, key=colored.shares.get)
    example = " ".join(map(str, unpack_color(most)))
    return (
        f"with a line 'NAME RED GREEN BLUE' for each class, such as 'background {example}'. The {pixels.masks} masks "
        f"examined hold {colored.describe()}."
    )
