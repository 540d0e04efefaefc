"""Pair the names of images with those of their masks by patterns such as ``*`` and ``*_mask``.

The ``*`` of both patterns stands for the same text. Names are relative paths without the ending; a pattern describes
their last part.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import takewhile
from pathlib import PurePosixPath
from typing import NamedTuple

from polyhead.errors import PolyheadError

SAMPLE, NEIGHBORS, MOST = 8, 8, 30
"""How many images, masks with a similar name on either side of theirs, and patterns are tried."""
PHOTOS = (".jpg", ".jpeg", ".jpe", ".jfif")
MARKS = "_-. "
"""Characters between the parts of a name, which belong to the ends of a pattern: ``*_mask``."""


class Patterns(NamedTuple):
    """The patterns of the names of images and masks."""

    images: str = "*"
    masks: str = "*"


def core(name: str, pattern: str) -> str | None:
    """Return a name with what the ``*`` stands for in place of its last part; None if it does not fit.

    >>> core("aachen/a_1_mask", "*_mask"), core("a_1", "*_mask"), core("mask_1", "mask_*")
    ('aachen/a_1', None, '1')
    """
    folder, slash, stem = name.rpartition("/")
    start, _, end = pattern.partition("*")
    if len(stem) <= len(start) + len(end) or not (stem.startswith(start) and stem.endswith(end)):
        return None
    return folder + slash + stem[len(start) : len(stem) - len(end)]


def stem(name: str) -> str:
    """Return a relative path without its ending."""
    return str(PurePosixPath(name).with_suffix(""))


def divide(names: Sequence[str], patterns: Patterns) -> tuple[list[str], list[str]]:
    """Return the images and the masks among the files of one folder; of the same names, JPEG files are the images."""
    if patterns.images == patterns.masks:
        masks = [name for name in names if PurePosixPath(name).suffix.lower() not in PHOTOS]
    else:
        masks = [name for name in names if core(stem(name), patterns.masks) is not None]
    return sorted({*names} - {*masks}), masks


def check_pattern(name: str, pattern: str) -> None:
    """Check the value of a setting.

    Raises:
        PolyheadError: if it does not contain ``*`` once, or contains a folder.
    """
    if pattern.count("*") != 1 or "/" in pattern:
        raise PolyheadError(
            f"{name}: expected a file name with one * and without ending, such as *_mask, got {pattern!r}"
        )


def find_patterns(images: Sequence[str], masks: Sequence[str], *, one_folder: bool = False) -> Patterns | None:
    """Return the patterns by which most images have a mask; None if there are none.

    Args:
        images: names of the images.
        masks: names of the masks.
        one_folder: whether both are the same names, so that a mask must not also count as an image.
    """
    if not images or not masks:
        return None
    if not one_folder and _share(images, masks, Patterns()) >= 0.5:
        return Patterns()
    known = set(masks)
    shares = {
        each: _share(images, masks, each, one_folder)
        for each in _candidates(images, masks)
        if _fits_some(images, known, each)
    }
    best = max(shares.values(), default=0.0)
    if best < 0.5:
        return None
    return min((each for each, share in shares.items() if share == best), key=_order)


def _candidates(images: Sequence[str], masks: Sequence[str]) -> list[Patterns]:
    """Return the most frequent patterns that fit one of a few images and a mask with a similar beginning or end."""
    forward, backward = sorted(set(masks)), sorted(name[::-1] for name in set(masks))
    found: Counter[Patterns] = Counter()
    for image in images[:: max(1, len(images) // SAMPLE)]:
        similar = {*_near(forward, image), *(name[::-1] for name in _near(backward, image[::-1]))} - {image}
        found.update({patterns for mask in similar for patterns in _common(image, mask)})
    return [patterns for patterns, _ in sorted(found.most_common(MOST))]


def _fits_some(images: Sequence[str], masks: set[str], patterns: Patterns) -> bool:
    """Return whether some of a few images have a mask: a quick check, because there may be millions of names."""
    sample = images[:: max(1, len(images) // 50)]
    start, _, end = patterns.masks.partition("*")
    parts = [part for name in sample if (part := core(name, patterns.images))]
    names = [f"{folder}{slash}{start}{rest}{end}" for folder, slash, rest in (part.rpartition("/") for part in parts)]
    return sum(name in masks for name in names) * 5 >= len(sample)


def _near(names: list[str], name: str) -> list[str]:
    """Return the sorted names around the place of a name."""
    index = bisect_left(names, name)
    return names[max(0, index - NEIGHBORS) : index + NEIGHBORS]


def _common(image: str, mask: str) -> set[Patterns]:
    """Return the patterns whose ``*`` is the common beginning, the common end, or the longest common text."""
    (folder, _, one), (other_folder, _, other) = image.rpartition("/"), mask.rpartition("/")
    if folder != other_folder:
        return set()
    start, end = _alike(one, other), _alike(one[::-1], other[::-1])
    longest = SequenceMatcher(None, one, other, autojunk=False).find_longest_match()
    spans = [(0, 0, start), (len(one) - end, len(other) - end, end), tuple(longest)]
    return {_patterns(one, other, *span) for span in spans if span[2]}


def _alike(one: str, other: str) -> int:
    """Return the number of characters at the beginning that are the same."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _patterns(one: str, other: str, a: int, b: int, size: int) -> Patterns:
    """Return the patterns in which the text at ``one[a:]`` and ``other[b:]`` is the ``*``, without marks such as _."""
    while size > 1 and one[a + size - 1] in MARKS:
        size -= 1
    while size > 1 and one[a] in MARKS:
        a, b, size = a + 1, b + 1, size - 1
    return Patterns(f"{one[:a]}*{one[a + size :]}", f"{other[:b]}*{other[b + size :]}")


def _share(images: Sequence[str], masks: Sequence[str], patterns: Patterns, one_folder: bool = False) -> float:
    """Return the fraction of images that have a mask; in one folder, also of masks, whichever is smaller."""
    cores = {found for name in masks if (found := core(name, patterns.masks))}
    own = [name for name in images if not (one_folder and core(name, patterns.masks))]
    wanted = {found for name in own if (found := core(name, patterns.images))}
    both = len(cores & wanted)
    return min(both / max(1, len(own)), both / max(1, len(cores)) if one_folder else 1.0)


def _order(patterns: Patterns) -> tuple[bool, bool, int, Patterns]:
    """Return the order of equally good patterns: Cityscapes has masks for training, of all its numbers, and others."""
    end = patterns.masks.lower()
    return not end.endswith("labeltrainids"), not end.endswith("labelids"), len("".join(patterns)), patterns
