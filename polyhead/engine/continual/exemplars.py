"""Selection of exemplars: which training images of an earlier task are replayed, and how many."""

import re
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import torch

from polyhead.errors import SettingError
from polyhead.types import ShownClass

NONE: ShownClass = ("", 0)
"""Stands for the class of an image that shows no class."""
Budget = int | float | str  # 1 is one image, 1.0 is all of them
"""A number of images, a fraction of them, or a size in bytes as text."""
UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
ShownClasses = Sequence[Collection[ShownClass]]
"""The classes that each image shows."""


class Exemplars(NamedTuple):
    """The exemplars of a task.

    Attributes:
        indices: their indices in the training set, in the order of selection.
        bytes: the size of these images and their masks (:meth:`polyhead.contracts.task.Task.stored_bytes`).
    """

    indices: list[int]
    bytes: int


def select_exemplars(size: Callable[[int], int], shown: ShownClasses, budget: Budget, seed: int) -> Exemplars:
    """Select class-balanced exemplars (:func:`balanced_indices`) within the budget, and at least one.

    Args:
        size: returns the bytes of a training sample, by index.
        shown: the classes that each training sample shows.
        budget: a fraction of the set (a float up to 1.0), a number of images, or bytes, such as ``16MiB``.
        seed: seed of the selection.
    """
    if isinstance(budget, str):
        return _select_within(size, balanced_indices(shown, len(shown), seed), parse_bytes(budget))
    is_fraction = isinstance(budget, float) and budget <= 1
    count = max(1, round(budget * len(shown)) if is_fraction else int(budget))
    indices = balanced_indices(shown, count, seed)
    return Exemplars(indices, sum(map(size, indices)))


def parse_bytes(budget: str) -> int:
    """Parse a size such as ``16MiB`` into bytes.

    Raises:
        SettingError: when it is not a number of KiB, MiB or GiB.
    """
    match = re.fullmatch(rf"(\d+(?:\.\d+)?) ?({'|'.join(UNITS)})", budget)
    if not match:
        raise SettingError(
            f"budget: expected a fraction (0.1), a number of images (200) or bytes (16MiB, in {', '.join(UNITS)}), "
            f"got {budget!r}"
        )
    return int(float(match[1]) * UNITS[match[2]])


def _select_within(size: Callable[[int], int], order: Sequence[int], limit: int) -> Exemplars:
    """Select as many images as fit in ``limit`` bytes, in this order.

    An image that does not fit is skipped, and smaller ones may follow. The first image is always selected.
    """
    indices: list[int] = []
    used = 0
    for index in order:
        count = size(index)
        if not indices or used + count <= limit:
            indices.append(index)
            used += count
    return Exemplars(indices, used)


def shuffled_indices(count: int, seed: int) -> list[int]:
    """Return the indices ``0..count-1`` in random order."""
    indices: list[int] = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).tolist()
    return indices


def balanced_indices(shown: ShownClasses, count: int, seed: int) -> list[int]:
    """Select up to ``count`` images such that all classes are shown about equally often.

    Each next image is one of the class that has been selected the fewest times so far. Images that show no class form
    a class of their own. Ties are broken at random, by ``seed`` alone.

    Args:
        shown: the classes that each image shows.
        count: number of images to select.
        seed: seed of the selection.

    Returns:
        Indices of the images, in the order of selection.
    """
    order = shuffled_indices(len(shown), seed)
    waiting: dict[ShownClass, list[int]] = {}  # class -> images not yet tried, the next one last
    classes = [sorted(each) or [NONE] for each in shown]  # sorted: the order of a set differs between processes
    for index in reversed(order):
        for name in classes[index]:
            waiting.setdefault(name, []).append(index)
    selected_counts = dict.fromkeys(sorted(waiting), 0)  # class -> selected images that show it
    selected: dict[int, None] = {}  # an ordered set
    while waiting and len(selected) < count:
        rarest = min(waiting, key=lambda name: selected_counts[name])
        index = waiting[rarest].pop()
        if not waiting[rarest]:
            del waiting[rarest]
        if index not in selected:
            selected[index] = None
            for name in classes[index]:
                selected_counts[name] += 1
    return list(selected)
