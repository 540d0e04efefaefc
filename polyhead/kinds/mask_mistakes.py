"""The mistakes of a segmentation model in one image, in words: its largest regions of a wrong class."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from polyhead.contracts.explained import Mistake
from polyhead.metrics.masks import count_pixels
from polyhead.types import Mask

LEAST = 0.01
"""Fraction of the annotated pixels from which a wrong region counts; borders are hardly ever exact."""


def mask_mistakes(target: Mask, predicted: Mask, names: Sequence[str]) -> list[Mistake]:
    """Return the most frequent confusion of pixels of each type, with the fraction of wrong pixels as its severity.

    The types are ``wrong region`` (another class), ``missed region`` (background, where a class is annotated) and
    ``false region`` (a class, where background is annotated). Pixels where nothing is predicted do not count.
    """
    counts = count_pixels(predicted, target.classes, len(names)).counts  # [c, c + 1]
    total = int(counts.sum())
    wrong = counts[:, :-1].clone().fill_diagonal_(0)  # [c, c]
    of_type = {kind: torch.zeros_like(wrong) for kind in ("wrong region", "missed region", "false region")}
    of_type["wrong region"][1:, 1:] = wrong[1:, 1:]
    of_type["missed region"][1:, 0] = wrong[1:, 0]
    of_type["false region"][0, 1:] = wrong[0, 1:]
    found = []
    for kind, pixels in of_type.items():
        label, other = divmod(int(pixels.argmax()), len(names))
        if (fraction := int(pixels[label, other]) / max(1, total)) >= LEAST:
            found.append(_mistake(kind, fraction, (label, other), target, predicted, names))
    return found


def _mistake(
    kind: str, fraction: float, pair: tuple[int, int], target: Mask, predicted: Mask, names: Sequence[str]
) -> Mistake:
    """Return one confusion of a pair of classes.

    What is explained is the region of the predicted class; where that is the background, that of the annotated class,
    if any is predicted.
    """
    label, other = pair
    text = {
        "wrong region": f"{names[label]} taken for {names[other]}",
        "missed region": f"missed {names[label]}",
        "false region": f"{names[other]} where {names[label]} is annotated",
    }[kind]
    annotated, classes = (each.classes.as_subclass(Tensor) for each in (target, predicted))  # [h, w] each
    explained = other or label
    number = explained if bool((classes == explained).any()) else None
    box = bounding_box((annotated == label) & (classes == other))
    return Mistake(kind, f"{text}, {100 * fraction:.0f} % of the pixels", fraction, number, box)


def bounding_box(inside: Bool[Tensor, "h w"]) -> Float[Tensor, "4"]:
    """Return the xyxy box of the pixels that are True; there is at least one."""
    rows, columns = inside.any(dim=1).nonzero()[:, 0], inside.any(dim=0).nonzero()[:, 0]
    return torch.stack([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]).float()
