"""What a data card says of boxes: how many, how large, and where they are."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import torch

from polyhead.contracts.card import CardFacts, InCard
from polyhead.errors import counted
from polyhead.types import Boxes

SMALL, LARGE = 32**2, 96**2
"""COCO's limits of the area of medium objects, in pixels."""


class BoxCard(InCard):
    """The contribution of boxes to a data card."""

    croissant_columns: ClassVar[Mapping[str, Sequence[str]]] = MappingProxyType(
        {"label": ("sc:Text", "cr:Label"), "box": ("cr:BoundingBox",), "ignored": ("sc:Boolean",)}
    )

    def croissant_rows(self, target: Boxes, names: Sequence[str]) -> list[list[Any]]:
        """Return class, box (xyxy in pixels, separated by spaces) and whether it is ignored, of each object."""
        rows = zip(target.labels.tolist(), target.boxes.tolist(), target.ignore.tolist(), strict=True)
        return [[names[label], " ".join(f"{side:.2f}" for side in box), ignored] for label, box, ignored in rows]

    def card_facts(self, targets: Mapping[str, Any]) -> CardFacts:
        """Return objects per image, and sizes and places of boxes; ignored objects are only counted."""
        every: list[Boxes] = [target for each in targets.values() for target in each.gathered.values()]
        used = [~target.ignore for target in every]
        per_image = np.array([int(mask.sum()) for mask in used])
        ignored = sum(int(target.ignore.sum()) for target in every)
        partly = sum(not bool(target.annotated.all()) for target in every)
        limits = [f"{counted(ignored, 'object')} are ignored (crowds or difficult ones)"] if ignored else []
        if partly:
            limits.append(f"in {counted(partly, 'image')} of {len(every)} not every class is annotated")
        if not per_image.sum():
            return CardFacts(limitations=limits)
        areas = torch.cat([target.areas[mask] for target, mask in zip(every, used, strict=True)]).numpy()  # [n]
        centers = torch.cat(
            [_centers(target)[mask] for target, mask in zip(every, used, strict=True)]
        ).numpy()  # [n, 2]
        small, large = float((areas < SMALL).mean()), float((areas >= LARGE).mean())
        middle = float((np.abs(centers - 0.5) < 1 / 6).all(axis=1).mean())
        rows = [
            ("objects in an image", f"median {np.median(per_image):g}, at most {per_image.max()}"),
            ("area of an object", f"median {np.median(areas):,.0f} pixels, {areas.min():,.0f} to {areas.max():,.0f}"),
            ("small, medium, large objects", f"{small:.0%}, {1 - small - large:.0%}, {large:.0%} (COCO's limits)"),
        ]
        sizes = f"{small:.0%} of the objects are small (fewer than 32² pixels), {large:.0%} large (96² or more)"
        places = (
            f"{middle:.0%} of the objects have their center in the middle ninth of the image (11% if evenly spread)"
        )
        return CardFacts(rows, [sizes, places], limits)


def _centers(target: Boxes) -> torch.Tensor:
    """Return the centers of boxes as fractions of width and height, ``[n, 2]``."""
    height, width = target.size
    return (target.boxes[:, :2] + target.boxes[:, 2:]) / 2 / torch.tensor([width, height])
