"""Which pictures are for training, for validation, for the test.

The cut is stratified by class presence: rarest class first, each picture goes where its classes are missed most. After
Sechidis, Tsoumakas, Vlahavas, "On the Stratification of Multi-Label Data", ECML PKDD 2011, algorithm 1; there only the
rarest class decides, here all classes of the picture do, each relative to its count and the part's share.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import accumulate
from math import floor, isclose
from pathlib import Path, PurePath

import torch

from polyhead.contracts.reader import Reader, Subset
from polyhead.data.io.files import read_text
from polyhead.errors import PolyheadError
from polyhead.paths import RECIPES
from polyhead.rng import key
from polyhead.types import IGNORED, Annotation, Kind

EVERY: Kind = ("", 0)
"""A class that every picture has; by it pictures of no class, and the sizes, are spread like any other."""


def split(reader: Reader, fractions: dict[str, float], seed: int) -> dict[str, list[str]]:
    """Cut a reader's pictures into disjoint parts that together hold all of them.

    Args:
        reader: the data set.
        fractions: the share of each part, above 0, together 1; part sizes are exact to one picture.
        seed: another seed makes another cut; the same seed the same one, whatever the order of the reader.

    Returns:
        The ids of each part, in the reader's order.

    Raises:
        PolyheadError: when the shares are wrong, or a part would be empty.
    """
    check_shares(fractions)
    classes = dict(_presence(reader, index) for index in range(len(reader)))
    room = _sizes(len(classes), fractions)
    _check_filled(room, fractions)
    members: dict[Kind, list[str]] = {}
    for ident in sorted(classes, key=lambda ident: key(seed, "split", ident)):
        for label in classes[ident]:
            members.setdefault(label, []).append(ident)
    wanted = {part: {label: share * len(ids) for label, ids in members.items()} for part, share in fractions.items()}
    left = Counter({label: len(ids) for label, ids in members.items()})
    chosen: dict[str, str] = {}

    def place(ident: str) -> None:
        """Give a picture to the part that it brings nearest to its shares: by the fall of the sum of squares."""

        def gain(part: str) -> float:
            return sum((wanted[part][label] - 0.5) / len(members[label]) for label in classes[ident]) / fractions[part]

        part = max((part for part in fractions if room[part] > 0), key=gain)
        chosen[ident] = part
        room[part] -= 1
        for label in classes[ident]:
            wanted[part][label] -= 1
            left[label] -= 1

    while left := +left:
        rarest = min(left, key=lambda label: (left[label], label))
        for ident in members[rarest]:
            if ident not in chosen:
                place(ident)
    return {part: [ident for ident in classes if chosen[ident] == part] for part in fractions}


def split_by_picture(reader: Reader, fractions: dict[str, float], seed: int) -> dict[str, list[str]]:
    """Cut a reader's pictures by the names of their files alone, so that data sets that share pictures agree.

    The part of a picture is a function of the seed, the parts' names and the file's name (its id where there is no
    file), whatever else is in the data set. The price: classes are not spread by share, and sizes are left to chance.

    Args, returns and errors are those of :func:`split`.
    """
    check_shares(fractions)
    names, bounds = [*fractions], [*accumulate(fractions.values())][:-1]
    parts: dict[str, list[str]] = {part: [] for part in fractions}
    for truth in (reader.annotation(index) for index in range(len(reader))):
        name = PurePath(truth.path).name or truth.id
        place = bisect_right(bounds, key(seed, "picture", *names, name) / 2**63)
        parts[names[place]].append(truth.id)
    _check_filled({part: len(ids) for part, ids in parts.items()}, fractions)
    return parts


def read_list(path: str | Path) -> list[str]:
    """The ids of a text file, one per line; empty lines do not count.

    A path that leads nowhere from the current folder is looked up beside the recipes that ship.

    Raises:
        PolyheadError: when the file cannot be read, names an id twice (with the line), or names none.
    """
    shipped = RECIPES / path
    seen: dict[str, int] = {}
    for number, line in enumerate(
        read_text(shipped if shipped.is_file() and not Path(path).is_file() else Path(path)).splitlines(), 1
    ):
        ident = line.strip()
        if ident and seen.setdefault(ident, number) != number:
            raise PolyheadError(
                f"{path}: line {number}: the id {ident!r} is also in line {seen[ident]}; delete one of them"
            )
    if not seen:
        raise PolyheadError(f"{path}: the list is empty; write one id per line")
    return list(seen)


def subset(reader: Reader, ids: list[str]) -> Subset:
    """The pictures of these ids, in this order.

    Raises:
        PolyheadError: when the reader has no picture of an id, with the nearest one it has.
    """
    known = {reader.annotation(index).id: index for index in range(len(reader))}
    for ident in ids:
        if ident not in known:
            near = get_close_matches(ident, known, n=1) or list(known)[:1]
            hint = f"; the nearest is {near[0]!r}" if near else ""
            raise PolyheadError(f"the data set has no picture with the id {ident!r}{hint}; correct the list of ids")
    return Subset(reader, [known[ident] for ident in ids])


def check_shares(fractions: dict[str, float]) -> None:
    """Refuse shares that are not above 0, or not together 1."""
    if any(share <= 0 for share in fractions.values()) or not isclose(sum(fractions.values()), 1, abs_tol=1e-6):
        raise PolyheadError(f"split: the shares must be above 0 and together 1, found {fractions}")


def _check_filled(sizes: dict[str, int], fractions: dict[str, float]) -> None:
    for part, size in sizes.items():
        if size == 0:
            count = sum(sizes.values())
            raise PolyheadError(
                f"split: a share of {fractions[part]:.2g} of {count} pictures leaves {part!r} empty; give a larger one"
            )


def kinds(truth: Annotation, pixels: Iterable[int] = ()) -> set[Kind]:
    """The classes of a picture: of its objects to be found, of its mask's ``pixels``, and its own."""
    found = {("object", label) for label in truth.labels[~truth.ignore].tolist()}
    if truth.value is not None and not truth.value.is_floating_point():
        found.add(("value", int(truth.value)))
    return found | {("mask", label) for label in pixels if label != IGNORED}


def _presence(reader: Reader, index: int) -> tuple[str, list[Kind]]:
    """Id and classes of a picture, EVERY among them."""
    truth = reader.annotation(index)
    mask = reader.mask(index) if reader.masked else None
    pixels = [] if mask is None else torch.bincount(mask.flatten()).nonzero().flatten().tolist()
    return truth.id, sorted({EVERY} | kinds(truth, pixels))


def _sizes(count: int, fractions: dict[str, float]) -> dict[str, int]:
    """Whole sizes that add up to ``count``, by largest remainder."""
    sizes = {part: floor(share * count) for part, share in fractions.items()}
    ranked = sorted(fractions, key=lambda part: sizes[part] - fractions[part] * count)
    for part in ranked[: count - sum(sizes.values())]:
        sizes[part] += 1
    return sizes
