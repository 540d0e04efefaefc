"""Split the images of a reader into train, val and test, stratified by class or by file name.

The stratified split assigns the images of the rarest class first. Each image goes to the split that lacks its classes
most. This follows Sechidis, Tsoumakas, Vlahavas, "On the Stratification of Multi-Label Data", ECML PKDD 2011,
algorithm 1. There only the rarest class decides; here all classes of the image do, each relative to its count and the
split's fraction. Groups of images that must stay together are assigned in the same way, each as one image that shows
its classes several times.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches
from functools import partial
from itertools import accumulate
from math import floor, isclose
from pathlib import Path, PurePath

from polyhead.contracts.kind import Kind, Targets
from polyhead.contracts.reader import Reader, Subset
from polyhead.data.io.files import read_text
from polyhead.errors import PolyheadError, counted
from polyhead.paths import find
from polyhead.rng import derive_seed
from polyhead.types import ShownClass

ANY: ShownClass = ("", 0)
"""A class that every image has; it balances images without a class, and the sizes of the splits, like any class."""


def split(
    reader: Reader, kind: Kind, fractions: dict[str, float], seed: int, groups: Mapping[str, str] | None = None
) -> dict[str, list[str]]:
    """Split a reader's images into disjoint, stratified splits that together contain all of them.

    Args:
        reader: the data set.
        kind: the kind of its targets.
        fractions: the fraction of each split, above 0; they sum to 1. Sizes are exact to one image, or as near as
            groups allow.
        seed: the split is a function of the seed and does not depend on the order of the reader.
        groups: the group of each image, by id; images of one group are in the same split. None: each is on its own.

    Returns:
        The ids of each split, in the reader's order.

    Raises:
        PolyheadError: if the fractions are not valid, or a split would be empty.
    """
    check_fractions(fractions)
    targets = Targets.of(kind, reader)
    capacity = _sizes(len(targets), fractions)
    _check_not_empty(capacity, fractions)
    group_of = {sample_id: sample_id if groups is None else groups[sample_id] for sample_id in targets.ids}
    classes: dict[str, Counter[ShownClass]] = {group: Counter() for group in group_of.values()}
    for sample_id, shown in zip(targets.ids, shown_classes(reader, targets), strict=True):
        classes[group_of[sample_id]].update({ANY} | shown)
    if len(classes) < len(fractions):
        raise PolyheadError(
            f"split: the last {counted(len(classes), 'group')} cannot fill {' and '.join(fractions)}, because a group "
            "is never divided. Give a rule that makes more groups, or change the fractions."
        )
    assigned = _assign(classes, fractions, capacity, seed)
    return {name: [each for each in targets.ids if assigned[group_of[each]] == name] for name in fractions}


def _assign(
    classes: Mapping[str, Counter[ShownClass]], fractions: Mapping[str, float], capacity: dict[str, int], seed: int
) -> dict[str, str]:
    """Return the split of each group.

    Args:
        classes: how many images of each group show each class; all of them show :data:`ANY`.
        fractions: the fraction of each split.
        capacity: how many images each split should have; changed in place.
        seed: decides between groups of one size.
    """
    order = sorted(classes, key=lambda group: (-classes[group][ANY], derive_seed(seed, "split", group)))
    members: dict[ShownClass, list[str]] = {}
    for group in order:
        for label in classes[group]:
            members.setdefault(label, []).append(group)
    total: Counter[ShownClass] = Counter()
    for counts in classes.values():
        total.update(counts)
    # How many images of each class a split still lacks, and how many are not assigned yet.
    missing = {
        name: {label: fraction * count for label, count in total.items()} for name, fraction in fractions.items()
    }
    remaining = Counter(total)
    assigned: dict[str, str] = {}
    empty = set(fractions)

    def gain(group: str, name: str) -> float:
        """Return by how much a group in a split reduces the sum of squared deviations from the fractions."""
        counts = sorted(classes[group].items())
        deficit = sum(count * (missing[name][label] - count / 2) / total[label] for label, count in counts)
        return deficit / fractions[name]

    def assign(group: str) -> None:
        """Assign a group to the split where it gains most."""
        # The last groups are for the splits that have none yet.
        needed = len(order) - len(assigned) <= len(empty)
        free = [name for name in fractions if (name in empty if needed else capacity[name] > 0)]
        best = max(free, key=partial(gain, group))
        assigned[group] = best
        empty.discard(best)
        capacity[best] -= classes[group][ANY]
        for label, count in classes[group].items():
            missing[best][label] -= count
            remaining[label] -= count

    while remaining := +remaining:  # the plus drops classes without remaining images
        rarest = min(remaining, key=lambda label: (remaining[label], label))
        for group in members[rarest]:
            if group not in assigned:
                assign(group)
    return assigned


def split_by_image(reader: Reader, kind: Kind, fractions: dict[str, float], seed: int) -> dict[str, list[str]]:
    """Split a reader's images by the names of their files only, so that data sets that share images agree.

    The split of an image is a function of the seed, the names of the splits and the name of the file (the id if there
    is no file), whatever else is in the data set. In return, classes are not stratified, and sizes are random.

    Args, returns and errors are those of :func:`split`.
    """
    check_fractions(fractions)
    names, bounds = [*fractions], [*accumulate(fractions.values())][:-1]
    members: dict[str, list[str]] = {name: [] for name in fractions}
    del kind
    for entry in map(reader.entry, range(len(reader))):
        file_name = PurePath(entry.path).name or entry.id
        # Uniform in 0..1. Another word in the key would change all existing splits.
        position = derive_seed(seed, "picture", *names, file_name) / 2**63  # "picture" is part of the random key
        members[names[bisect_right(bounds, position)]].append(entry.id)
    _check_not_empty({name: len(ids) for name, ids in members.items()}, fractions)
    return members


def read_list(path: str | Path) -> list[str]:
    """Read the ids of a text file, one per line; empty lines do not count.

    Raises:
        PolyheadError: if the file is not found (:func:`polyhead.paths.find`) or cannot be read, contains an id twice
            (with the line), or contains none.
    """
    seen: dict[str, int] = {}
    for number, line in enumerate(read_text(find(path)).splitlines(), 1):
        image_id = line.strip()
        if image_id and seen.setdefault(image_id, number) != number:
            raise PolyheadError(
                f"{path}: line {number}: the id {image_id!r} is already in line {seen[image_id]}. Delete one of them."
            )
    if not seen:
        raise PolyheadError(f"{path}: the list is empty. Write one id per line.")
    return list(seen)


def subset(reader: Reader, ids: list[str]) -> Subset:
    """Return the images with these ids, in this order.

    Raises:
        PolyheadError: if the reader has no image with an id; the message names the nearest id.
    """
    indices = {reader.entry(index).id: index for index in range(len(reader))}
    for image_id in ids:
        if image_id not in indices:
            near = get_close_matches(image_id, indices, n=1) or list(indices)[:1]
            hint = f" (the nearest is {near[0]!r})" if near else ""
            raise PolyheadError(f"the data set has no image with the id {image_id!r}{hint}. Correct the list of ids.")
    return Subset(reader, [indices[image_id] for image_id in ids])


def check_fractions(fractions: dict[str, float]) -> None:
    """Check that fractions are above 0 and sum to 1.

    Raises:
        PolyheadError: if they do not.
    """
    if any(value <= 0 for value in fractions.values()) or not isclose(sum(fractions.values()), 1, abs_tol=1e-6):
        raise PolyheadError(f"split: the fractions must be above 0 and sum to 1, got {fractions}")


def _check_not_empty(sizes: dict[str, int], fractions: dict[str, float]) -> None:
    for name, size in sizes.items():
        if size == 0:
            count = sum(sizes.values())
            raise PolyheadError(
                f"split: a fraction of {fractions[name]:.2g} of {count} images leaves {name!r} empty. Increase it."
            )


def shown_classes(reader: Reader, targets: Targets) -> list[set[ShownClass]]:
    """Return the classes that each sample of a reader shows: those of its target, and what else the reader knows."""
    return [shown | reader.also_shows(index) for index, shown in enumerate(targets.kind.shown(targets))]


def _sizes(count: int, fractions: dict[str, float]) -> dict[str, int]:
    """Return integer sizes that sum to ``count``, by the largest remainder method."""
    sizes = {name: floor(fraction * count) for name, fraction in fractions.items()}
    ranked = sorted(fractions, key=lambda name: sizes[name] - fractions[name] * count)
    for name in ranked[: count - sum(sizes.values())]:
        sizes[name] += 1
    return sizes
