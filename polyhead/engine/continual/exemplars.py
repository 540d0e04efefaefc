"""Which pictures of an older task are remembered, and how many: a share, a number, or as many as fit in some bytes."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from polyhead.errors import SettingError
from polyhead.types import Annotation, Kind

NONE: Kind = ("", 0)
Budget = int | float | str  # 1 is one picture, 1.0 all of them
"""A number of pictures, a share, or bytes as a text."""
UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


class Held(NamedTuple):
    """What is remembered of a task.

    Attributes:
        places: in its training set, the most wanted first.
        bytes: of these pictures and their masks (:func:`size`).
    """

    places: list[int]
    bytes: int


Kinds = Sequence[Collection[Kind]]
"""The classes that each picture shows."""


def remembered(truths: Sequence[Annotation], kinds: Kinds, budget: Budget, seed: int) -> Held:
    """Pictures of about equal parts of the classes (:func:`balanced`), as many as the budget allows, and at least one.

    Args:
        truths: of the training set.
        kinds: of each of its pictures.
        budget: a share of it (a float up to 1.0), a number of pictures, or bytes, such as ``16MiB``.
        seed: of the choice.
    """
    if isinstance(budget, str):
        return _fitting(truths, balanced(kinds, len(truths), seed), bytes_of(budget))
    share = isinstance(budget, float) and budget <= 1
    places = balanced(kinds, max(1, round(budget * len(truths)) if share else int(budget)), seed)
    return Held(places, sum(size(truths[place]) for place in places))


def bytes_of(budget: str) -> int:
    """``16MiB`` in bytes.

    Raises:
        SettingError: when it is no number of KiB, MiB or GiB.
    """
    told = re.fullmatch(rf"(\d+(?:\.\d+)?) ?({'|'.join(UNITS)})", budget)
    if not told:
        raise SettingError(
            f"budget: expected a share (0.1), a number of pictures (200) or bytes (16MiB, in {', '.join(UNITS)}), "
            f"got {budget!r}"
        )
    return int(float(told[1]) * UNITS[told[2]])


def size(truth: Annotation) -> int:
    """Bytes of a picture's file and its mask's, as they are stored; of its decoded pixels where it has no file."""
    if not truth.path:
        return 3 * truth.size[0] * truth.size[1]
    return sum(Path(file).stat().st_size for file in (truth.path, truth.mask) if file)


def _fitting(truths: Sequence[Annotation], order: Sequence[int], limit: int) -> Held:
    """As many as fit, in this order: one that is too large is passed over. The first is held in any case."""
    places: list[int] = []
    used = 0
    for place in order:
        more = size(truths[place])
        if not places or used + more <= limit:
            places.append(place)
            used += more
    return Held(places, used)


def shuffled(pictures: int, seed: int) -> list[int]:
    """The places of so many pictures in an order of chance."""
    places: list[int] = torch.randperm(pictures, generator=torch.Generator().manual_seed(seed)).tolist()
    return places


def balanced(kinds: Kinds, count: int, seed: int) -> list[int]:
    """Which of the pictures to keep, the most wanted first: each next one is of the class that has the fewest so far.

    Pictures that show no class are of one more. Among equals chance decides, by ``seed`` alone.
    """
    order = shuffled(len(kinds), seed)
    waiting: dict[Kind, list[int]] = {}
    shown = [sorted(each) or [NONE] for each in kinds]  # sets of names come in another order in every process
    for place in reversed(order):
        for kind in shown[place]:
            waiting.setdefault(kind, []).append(place)
    have = dict.fromkeys(sorted(waiting), 0)
    chosen: dict[int, None] = {}  # in the order in which they were chosen
    while waiting and len(chosen) < count:
        rarest = min(waiting, key=lambda kind: have[kind])
        place = waiting[rarest].pop()
        if not waiting[rarest]:
            del waiting[rarest]
        if place not in chosen:
            chosen[place] = None
            for kind in shown[place]:
                have[kind] += 1
    return list(chosen)
