"""Merge several data sets into one that has the classes of all and notes which classes each image was annotated for."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from polyhead.contracts.reader import Reader
from polyhead.errors import PolyheadError, Problem, suggest
from polyhead.types import Entry, Meta, Sample


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
        kinds = {reader.kind for reader in parts.values()}
        self.kind, self.modality = next(iter(parts.values())).kind, next(iter(parts.values())).modality
        self.background = all(reader.background for reader in parts.values())
        self.digest = "".join(reader.digest for reader in parts.values())
        self.stored = all(reader.stored for reader in parts.values())
        for part, reader in parts.items():
            if reader.background and not (len(kinds) == 1 and set(own[part]) == set(self.names)):
                raise PolyheadError(
                    f"merge: part {part!r} has masks of the classes {', '.join(own[part])}, and another part has other "
                    "classes or no masks. Classes that were not annotated would be background: give each part a task "
                    "of its own."
                )
        if len(kinds) > 1:
            raise PolyheadError(
                f"merge: expected parts of one kind, got {', '.join(sorted(kinds))}. Give each part a task of its own."
            )
        # the merged label of each label of a part
        self._labels = {part: torch.tensor([self.names.index(name) for name in names]) for part, names in own.items()}
        self._indices = [(part, index) for part, reader in parts.items() for index in range(len(reader))]
        self.problems = [problem for reader in parts.values() for problem in reader.problems]
        self.skipped = [problem for reader in parts.values() for problem in reader.skipped]
        self.findings = [finding for reader in parts.values() for finding in reader.findings]
        self.left_out = sum(reader.left_out for reader in parts.values())
        self.on_bad = "skip" if all(reader.on_bad == "skip" for reader in parts.values()) else "stop"
        self.cap = min(reader.cap for reader in parts.values())
        self.license = "; ".join(dict.fromkeys(reader.license for reader in parts.values() if reader.license))

    def __len__(self) -> int:
        return len(self._indices)

    def entry(self, index: int) -> Entry:
        """Return the id and the files of one image; the id begins with the name of its part."""
        part, inner = self._indices[index]
        entry = self.parts[part].entry(inner)
        return entry._replace(id=f"{part}/{entry.id}")

    def raw(self, index: int) -> Any:
        """Return the raw input of one image."""
        part, inner = self._indices[index]
        return self.parts[part].raw(inner)

    def target(self, index: int) -> Any:
        """Return the target of one image with merged labels."""
        part, inner = self._indices[index]
        return self._relabel(part, self.parts[part].target(inner))

    def content(self, index: int) -> str:
        """Return a text that changes when the target of one image changes."""
        part, inner = self._indices[index]
        return repr((self._labels[part].tolist(), self.parts[part].content(inner)))

    def bind(self, kind: Any, modality: Any) -> None:
        """Pass the kind and the modality on."""
        for reader in self.parts.values():
            reader.bind(kind, modality)

    def verify(self, index: int, inspect: Callable[[Any], object] | None = None) -> Problem | None:
        """Return why one image cannot be read."""
        part, inner = self._indices[index]
        return self.parts[part].verify(inner, inspect)

    def __getitem__(self, index: int) -> Sample:
        """Return the sample of a part with merged labels."""
        part, inner = self._indices[index]
        sample = self.parts[part][inner]
        target = self._relabel(part, sample.target, training=True)
        return Sample(sample.input, target, Meta(f"{part}/{sample.meta.id}"))

    def _relabel(self, part: str, target: Any, *, training: bool = False) -> Any:
        """Return a target of a part with merged labels."""
        return target.relabel(self._labels[part], len(self.names), partial=self.partial or not training)


def merge_splits(ids: Mapping[str, Mapping[str, list[str]]]) -> dict[str, list[str]]:
    """Turn the splits of the parts, ``{part: {split: ids}}``, into splits of the merged data set."""
    splits: dict[str, list[str]] = {}
    for part, own in ids.items():
        for split, members in own.items():
            splits.setdefault(split, []).extend(f"{part}/{image_id}" for image_id in members)
    return splits
