"""Merge several data sets into one that has the classes of all and notes which classes each image was annotated for."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torchvision import tv_tensors as tv

from polyhead.contracts.reader import Reader
from polyhead.errors import PolyheadError, suggest
from polyhead.types import IGNORED, Annotation, Sample


class Merge(Reader):
    """Images and classes of several readers, for one head.

    Classes with the same name are one class. Images get the id ``part/id``. The images of a part were not annotated for
    the classes that only other parts have (``annotated`` is False): they may well show such objects. These classes
    therefore give no negative loss in them, and detections of these classes are not scored.

    Masks are merged only if all parts have the same classes: in a mask, objects that were not annotated would be
    background.

    Args:
        parts: ``{name: reader}``; the classes are in the order of the parts.
        classes: ``{name in a part: name here}``, for classes that are the same but have two names.
        partial: if False, training treats every image as annotated for every class, which teaches the network that
            unlabeled objects are background. This exists for comparison. Scoring is the same in both cases.

    Raises:
        PolyheadError: if there are no parts, a class to rename is unknown, or parts with masks have different classes.
    """

    def __init__(
        self, parts: dict[str, Reader], classes: dict[str, str] | None = None, *, partial: bool = True
    ) -> None:
        if not parts:
            raise PolyheadError("merge: parts is empty (expected {NAME: reader, ...}). Add the data sets to merge.")
        self.parts = parts
        self.partial = partial
        renamed = classes or {}
        known = {name for part in parts.values() for name in part.names}
        for name in renamed:
            if name not in known:
                raise PolyheadError(f"merge: classes: no part has a class {name!r}{suggest(name, known)}")
        own = {part: [renamed.get(name, name) for name in reader.names] for part, reader in parts.items()}
        self.names = list(dict.fromkeys(name for names in own.values() for name in names))
        self.categories = [*self.names]
        self.has_masks = all(reader.has_masks for reader in parts.values())
        self.digest = "".join(reader.digest for reader in parts.values())
        for part, reader in parts.items():
            if reader.has_masks and not (self.has_masks and set(own[part]) == set(self.names)):
                raise PolyheadError(
                    f"merge: part {part!r} has masks of the classes {', '.join(own[part])}, and another part has other "
                    "classes or no masks. Classes that were not annotated would be background: give each part a task "
                    "of its own."
                )
        # the merged label of each label of a part
        self._labels = {part: torch.tensor([self.names.index(name) for name in names]) for part, names in own.items()}
        self._indices = [(part, index) for part, reader in parts.items() for index in range(len(reader))]
        self.problems = [problem for reader in parts.values() for problem in reader.problems]
        self.skipped = [problem for reader in parts.values() for problem in reader.skipped]
        self.left_out = sum(reader.left_out for reader in parts.values())
        self.on_bad = "skip" if all(reader.on_bad == "skip" for reader in parts.values()) else "stop"
        self.cap = min(reader.cap for reader in parts.values())
        self.license = "; ".join(dict.fromkeys(reader.license for reader in parts.values() if reader.license))

    def __len__(self) -> int:
        return len(self._indices)

    def annotation(self, index: int) -> Annotation:
        """Return the annotation of one image with merged labels, without ``value``: values of parts may differ."""
        part, inner = self._indices[index]
        target = self.parts[part].annotation(inner)
        return target._replace(
            id=f"{part}/{target.id}",
            labels=self._labels[part][target.labels],
            annotated=self._annotated(part, target.annotated),
            value=None,
        )

    def mask(self, index: int) -> tv.Mask | None:
        """Return the mask of one image with merged labels, uint8 ``[h, w]``; None if the parts have no masks."""
        part, inner = self._indices[index]
        own = self.parts[part].mask(inner) if self.has_masks else None
        return self._relabel(part, own)

    def __getitem__(self, index: int) -> Sample:
        """Return the sample of a part with merged labels."""
        part, inner = self._indices[index]
        sample = self.parts[part][inner]
        return sample._replace(
            id=f"{part}/{sample.id}",
            labels=self._labels[part][sample.labels],
            annotated=self._annotated(part, sample.annotated, training=True),
            mask=self._relabel(part, sample.mask) if self.has_masks else None,
            value=None,
        )

    def _relabel(self, part: str, own: tv.Mask | None) -> tv.Mask | None:
        """Return a mask of a part with merged labels; 255 stays 255."""
        if own is None:
            return None
        table = torch.full((256,), IGNORED, dtype=torch.uint8)  # merged label of each pixel value
        table[: len(self._labels[part])] = self._labels[part].to(torch.uint8)
        return tv.Mask(table[own.as_subclass(Tensor).long()])  # [h, w]

    def _annotated(self, part: str, own: Tensor, *, training: bool = False) -> Tensor:
        """Return for which merged classes an image of a part was annotated, bool ``[classes]``."""
        if training and not self.partial:
            return torch.ones(len(self.names), dtype=torch.bool)
        result = torch.zeros(len(self.names), dtype=torch.bool)
        result[self._labels[part]] = own
        return result


def merge_splits(ids: Mapping[str, Mapping[str, list[str]]]) -> dict[str, list[str]]:
    """Turn the splits of the parts, ``{part: {split: ids}}``, into splits of the merged data set."""
    splits: dict[str, list[str]] = {}
    for part, own in ids.items():
        for split, members in own.items():
            splits.setdefault(split, []).extend(f"{part}/{image_id}" for image_id in members)
    return splits
