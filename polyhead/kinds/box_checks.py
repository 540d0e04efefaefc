"""Check boxes for what a detector cannot learn from: tiny, whole-image and duplicate ones."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from polyhead.boxes.overlap import pairwise_iou
from polyhead.contracts.kind import Targets
from polyhead.errors import Finding, Problem

SIDE = 640
"""Pixels of the longer side of an image as networks usually read it."""
TINY = 2.0
"""A box with a shorter side than this many pixels, in an image of :data:`SIDE`, is too small to be found."""
WHOLE = 0.99
"""Fraction of the image from which a box says no more than that the class is somewhere in it."""
DUPLICATE = 0.95
"""IoU above which two boxes are the same object."""


class BoxChecks:
    """The checks of boxes."""

    def check(self, targets: Targets, places: Sequence[str]) -> list[Finding]:
        """Return tiny, whole-image and duplicate boxes."""
        return check_boxes(targets, places)


class _All(NamedTuple):
    """The boxes of all images that are not ignored: ``[n, 4]``, ``[n]`` labels and images, ``[n, 2]`` width, height."""

    boxes: Tensor
    labels: Tensor
    images: Tensor
    sizes: Tensor


def check_boxes(targets: Targets, places: Sequence[str]) -> list[Finding]:
    """Return warnings of odd boxes.

    Args:
        targets: the boxes of a split.
        places: the file or id of each image.
    """
    every = _gather(targets)
    if every.labels.numel() == 0:
        return []
    sides = every.boxes[:, 2:] - every.boxes[:, :2]  # [n, 2]
    scale = SIDE / every.sizes.amax(1)  # [n]
    resized = sides.amin(1) * scale
    covered = sides.prod(1) / every.sizes.prod(1)
    tiny, huge = (resized < TINY).nonzero().flatten().tolist(), (covered >= WHOLE).nonzero().flatten().tolist()
    names, findings = targets.names, []
    for index in tiny:
        what = f"{_name(every, index, names)} has a side of {float(resized[index]):.1f} pixels in an image of {SIDE}"
        problem = Problem(places[int(every.images[index])], what, "remove it, or cut the image into tiles")
        findings.append(Finding("tiny-boxes", problem))
    for index in huge:
        what = f"{_name(every, index, names)} is the whole image"
        problem = Problem(places[int(every.images[index])], what, "draw it around the object, if that is smaller")
        findings.append(Finding("huge-boxes", problem))
    for first, second in _duplicates(every):
        labels = {int(every.labels[first]), int(every.labels[second])}
        what = f"{_name(every, second, names)} is the same as another one" + (
            f", of {names[int(every.labels[first])]!r}" if len(labels) > 1 else ""
        )
        problem = Problem(places[int(every.images[first])], what, "remove one of the two")
        findings.append(Finding("duplicate-boxes", problem))
    return findings


def _gather(targets: Targets) -> _All:
    found = list(targets.gathered.values())
    used = [~target.ignore for target in found]
    counts = torch.tensor([int(each.sum()) for each in used], dtype=torch.int64)
    sizes = torch.tensor([[target.size[1], target.size[0]] for target in found], dtype=torch.float32).reshape(-1, 2)
    return _All(
        torch.cat([torch.zeros(0, 4), *(target.boxes[each] for target, each in zip(found, used, strict=True))]),
        torch.cat([counts.new_zeros(0), *(target.labels[each] for target, each in zip(found, used, strict=True))]),
        torch.arange(len(found)).repeat_interleave(counts),
        sizes.repeat_interleave(counts, 0),
    )


def _duplicates(every: _All) -> list[tuple[int, int]]:
    """Return the pairs of boxes of an image that are the same: identical, or of one class with almost the same box."""
    pairs: list[tuple[int, int]] = []
    first = torch.arange(len(every.labels))
    step = 1
    while True:  # each box is compared with the box that many places after it, of the same image
        first = first[first + step < len(every.labels)]
        first = first[every.images[first] == every.images[first + step]]
        if first.numel() == 0:
            return pairs
        overlap = pairwise_iou(every.boxes[first, None], every.boxes[first + step, None])[:, 0, 0]  # [m]
        same = every.labels[first] == every.labels[first + step]
        found = first[(overlap > DUPLICATE) & (same | (overlap > 0.9999))].tolist()  # float32 of identical boxes
        pairs += [(index, index + step) for index in found]
        step += 1


def _name(every: _All, index: int, names: Sequence[str]) -> str:
    x1, y1, x2, y2 = every.boxes[index].tolist()
    return f"the box of {names[int(every.labels[index])]!r} from ({x1:.0f}, {y1:.0f}) to ({x2:.0f}, {y2:.0f})"
