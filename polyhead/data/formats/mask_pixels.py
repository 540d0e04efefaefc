"""Look at the pixels of a few masks: their numbers or colors, and whether images can be masks at all."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from polyhead.data.io.images import image_mode, read_classes, read_colors
from polyhead.data.readers.mask_files import COLOR_MODES, NUMBER_MODES, pack_colors, unpack_color
from polyhead.errors import InvalidFileError, few

SAMPLE = 20
"""How many masks are looked at."""
FLAT = 0.85
"""Fraction of the pixels of a mask that equal the next pixel; photos have less."""


class Pixels(NamedTuple):
    """The values in a sample of masks.

    Attributes:
        colors: whether they are colors as one number (:func:`polyhead.data.readers.mask_files.pack_color`).
        shares: the fraction of the pixels of each value, by value.
        in_all: the values that are in every mask.
        masks: number of masks in the sample.
    """

    colors: bool
    shares: dict[int, float]
    in_all: frozenset[int]
    masks: int

    def describe(self) -> str:
        """Return the values with their shares, such as ``0 (61 %), 1 (39 %)``."""
        entries = [
            f"{unpack_color(value) if self.colors else value} ({max(share, 0.001):.1%})".replace("%)", " %)")
            for value, share in self.shares.items()
        ]
        return few(entries, 12)


def read_pixels(paths: Sequence[Path], *, colors: bool = False) -> Pixels | None:
    """Return the values in a sample of masks; None if none of them can be read.

    Args:
        paths: the masks.
        colors: read colors where masks have numbers, too.
    """
    sample = spread(paths, SAMPLE)
    modes = {path: mode for path in sample if (mode := _mode(path)) in COLOR_MODES}
    colors = colors or any(mode not in NUMBER_MODES for mode in modes.values())
    counts: Counter[int] = Counter()
    in_all: frozenset[int] | None = None
    masks = 0
    for path in modes:
        try:
            values = pack_colors(read_colors(path)) if colors else read_classes(path)  # [h, w]
        except InvalidFileError:
            continue
        found = dict(zip(*(each.tolist() for each in np.unique(values, return_counts=True)), strict=True))
        counts.update(found)
        in_all = frozenset(found) if in_all is None else in_all & frozenset(found)
        masks += 1
    total = counts.total()
    shares = {value: counts[value] / total for value in sorted(counts)}
    return Pixels(colors, shares, in_all or frozenset(), masks) if masks else None


def are_flat(paths: Sequence[Path]) -> bool:
    """Return whether most of a few images have large areas of one color, as masks do and photos do not."""
    found = []
    for path in spread(paths, 5):
        try:
            pixels = pack_colors(read_colors(path))  # [h, w]
        except InvalidFileError:
            continue
        found.append(bool(pixels.shape[1] > 1 and (pixels[:, 1:] == pixels[:, :-1]).mean() >= FLAT))
    return sum(found) * 2 > len(found)


def spread(paths: Sequence[Path], count: int) -> list[Path]:
    """Return at most ``count`` of the paths, at equal distances."""
    return [paths[index * len(paths) // count] for index in range(count)] if len(paths) > count else list(paths)


def _mode(path: Path) -> str:
    try:
        return image_mode(path)
    except InvalidFileError:
        return ""
