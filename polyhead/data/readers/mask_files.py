"""Mask files become classes: 0 is the background, 1..C-1 are the others, 255 is ignored; all else is a fault."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torchvision import tv_tensors as tv

from polyhead.data.io.images import picture_mode, picture_size, read_classes, read_colours
from polyhead.data.readers.in_memory import Faults, Listed, Scene
from polyhead.errors import FileFault, PolyheadError, Problem
from polyhead.types import IGNORED, Size

BACKGROUND = "background"
NUMBERS = ("L", "P", "1")
"""Pillow's kinds of pictures whose pixels are numbers; any other kind has colours, or is no mask."""
COLOURS = ("RGB", "RGBA", *NUMBERS)
"""Those whose pixels are colours; of grey ones the colours are black, greys and white."""


class Code:
    """What the pixels of mask files mean.

    Args:
        classes: class of each number, or of each colour as ``256² red + 256 green + blue``.
        colours: whether the keys are colours.
    """

    def __init__(self, classes: Mapping[int, int], *, colours: bool) -> None:
        self.keys = np.array(sorted(classes), dtype=np.int32)
        self.classes = np.array([classes[key] for key in sorted(classes)], dtype=np.uint8)
        self.colours = colours

    def fits(self, mode: str) -> bool:
        """Whether pictures of a kind (Pillow's mode) can be such masks."""
        return mode in (COLOURS if self.colours else NUMBERS)

    def read(self, path: str | Path) -> UInt8[np.ndarray, "h w"]:
        """The class of each pixel of a mask file.

        Raises:
            FileFault: when it cannot be read, or holds what has no meaning; told are the value and how many pixels.
        """
        found = _packed(read_colours(path)) if self.colours else read_classes(path).astype(np.int32)
        places = np.searchsorted(self.keys, found).clip(max=len(self.keys) - 1)
        strange = found[self.keys[places] != found]
        if strange.size:
            lossy = Path(path).suffix.lower() in (".jpg", ".jpeg")
            remedy = "JPEG changes the numbers and colours of masks; save them as PNG, from the originals"
            raise FileFault(path, self._told(strange), remedy if lossy else self._remedy())
        classes: np.ndarray = self.classes[places]
        return classes

    def _told(self, strange: Int[np.ndarray, " n"]) -> str:
        values, counts = np.unique(strange, return_counts=True)
        most = int(counts.argmax())
        value = int(values[most])
        name = f"the colour {unpacked(value)}" if self.colours else f"the number {value}"
        others = f" ({len(values) - 1} more such values in {strange.size - counts[most]} pixels)"
        return f"{counts[most]} pixels have {name}, which is no class{others if len(values) > 1 else ''}"

    def _remedy(self) -> str:
        if self.colours:
            return "add the class, tell which colour is 'ignored', or save the mask without loss (PNG) and smoothing"
        known = ", ".join(map(str, self.keys[:30]))
        return f"known are {known}; add the class, tell which number is 'ignored', or correct the mask"


class Masked(Listed):
    """A reader whose truth is a mask file beside each picture; see :class:`polyhead.data.readers.in_memory.Listed`.

    Args:
        where: the folder, for messages.
        names: class names without the background, which is put first.
        code: what the pixels of the files mean.
        scenes: the pictures; each has its ``mask``.
        faults: what was found so far.
        on_bad: as in ``Listed``.
        cap: as there.
    """

    masked = True

    def __init__(
        self,
        where: Path,
        names: Sequence[str],
        code: Code,
        scenes: list[Scene],
        faults: Faults,
        on_bad: str,
        cap: float,
    ) -> None:
        all_names = with_background(names)
        super().__init__(where, all_names, [*all_names], scenes, faults, on_bad, cap)
        self.code = code
        self.digest = repr((code.keys.tolist(), code.classes.tolist(), code.colours))

    def mask(self, index: int) -> tv.Mask:
        """The class of each pixel."""
        classes = self.code.read(self._masks[index])
        require_size(self._masks[index], (classes.shape[0], classes.shape[1]), self._sizes[index])
        return tv.Mask(torch.from_numpy(classes))


def is_background(name: str) -> bool:
    """Whether a class is what no object covers; labelme calls it ``_background_``."""
    return name.strip("_").lower() == BACKGROUND


def with_background(names: Sequence[str]) -> list[str]:
    """Class names of a mask: the background first, whether it is named or not.

    Raises:
        PolyheadError: when a name is used twice, or there are more names than a mask has numbers.
    """
    found = [BACKGROUND, *(name for name in names if not is_background(name))]
    if len(set(found)) < len(found):
        raise PolyheadError(f"classes: a name is given twice in {', '.join(names)}")
    if len(found) > IGNORED:
        raise PolyheadError(
            f"classes: a mask has room for {IGNORED} classes with the background, got {len(found)}; choose some"
        )
    return found


def pair(ident: str, picture: Path | Problem, mask: Path | Problem, code: Code, faults: Faults) -> Scene | None:
    """A picture and its mask as a scene; None, and a fault, where the headers of the files show that they are not."""
    for found in (picture, mask):
        if isinstance(found, Problem):
            faults.add(ident, found)
    if isinstance(picture, Problem) or isinstance(mask, Problem):
        return None
    try:
        scene = Scene(ident, picture, picture_size(picture))
        mode = picture_mode(mask)
        if not code.fits(mode):
            kind = "RGB, grey or palette colours" if code.colours else "one 8-bit channel of numbers, or a palette"
            raise FileFault(mask, f"expected {kind}, found pixels of the kind {mode}", _other_kind(code))
        require_size(mask, picture_size(mask), scene.size)
    except FileFault as fault:
        faults.add(ident, fault.problem)
        return None
    scene.mask = str(mask)
    return scene


def require_size(mask: str | Path, found: Size, wanted: Size) -> None:
    """Refuse a mask that is not of its upright picture's size."""
    if found != wanted:
        sizes = f"{found[1]} x {found[0]} pixels, its upright picture {wanted[1]} x {wanted[0]}"
        remedy = "make both of one size; if EXIF turns the picture, save it turned"
        raise FileFault(mask, f"the mask has {sizes}", remedy)


def packed(colour: Sequence[int]) -> int:
    """A colour (red, green, blue) as one number."""
    red, green, blue = colour
    return red << 16 | green << 8 | blue


def unpacked(value: int) -> tuple[int, int, int]:
    """Red, green and blue of a colour that is one number."""
    return value >> 16, value >> 8 & 255, value & 255


def _packed(colours: UInt8[np.ndarray, "h w 3"]) -> Int[np.ndarray, "h w"]:
    wide = colours.astype(np.int32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


def _other_kind(code: Code) -> str:
    if code.colours:
        return "save it as RGB PNG, or leave colours out and name the classes of the numbers"
    return "save it as grey or palette PNG, or tell the classes' colours"
