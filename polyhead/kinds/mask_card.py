"""What a data card says of masks: how much of them is background, and how many classes an image shows."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import torch

from polyhead.contracts.card import CardFacts, InCard
from polyhead.types import IGNORED, Mask


class MaskCard(InCard):
    """The contribution of masks to a data card."""

    croissant_columns: ClassVar[Mapping[str, Sequence[str]]] = MappingProxyType(
        {"label": ("sc:Text", "cr:Label"), "pixels": ("sc:Integer",)}
    )
    croissant_types: ClassVar[Sequence[str]] = ("sc:ImageObject", "cr:SegmentationMask")

    def croissant_rows(self, target: Mask, names: Sequence[str]) -> list[list[Any]]:
        """Return the number of pixels of each class that a mask shows."""
        counts = torch.bincount(target.classes.flatten(), minlength=256).tolist()
        return [[names[label], count] for label, count in enumerate(counts[:IGNORED]) if count]

    def card_facts(self, targets: Mapping[str, Any]) -> CardFacts:
        """Return the fraction of background, and classes per image."""
        counts = torch.cat([each.gathered for each in targets.values()]).numpy()  # [n, c]
        names = next(iter(targets.values())).names
        total = counts.sum(axis=1)  # [n]
        if not total.sum():
            return CardFacts()
        classes = (counts[:, 1:] > 0).sum(axis=1)  # [n]
        share = counts[:, 0].sum() / total.sum()
        single = counts[:, 0][total > 0] / total[total > 0]
        rows = [
            (f"{names[0]} in an image", f"median {np.median(single):.0%}, {single.min():.0%} to {single.max():.0%}"),
            ("classes in an image", f"median {np.median(classes):g}, at most {classes.max()}"),
        ]
        return CardFacts(rows, [f"{share:.0%} of the pixels that are not ignored are {names[0]}"])
