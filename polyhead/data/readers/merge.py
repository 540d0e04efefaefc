"""Several data sets as one: the classes of all, and in each picture a note of which of them were looked for."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torchvision import tv_tensors as tv

from polyhead.contracts.reader import Reader
from polyhead.errors import PolyheadError, suggest
from polyhead.types import IGNORED, Annotation, Sample


class Merge(Reader):
    """Pictures and classes of several readers, for one head.

    A class that two readers share by name is one class. Pictures get the id ``part/id``. In a picture of one part, the
    classes that only other parts have were not looked for (``annotated`` is False): objects of them may well be in it,
    so they give no negative loss there, and detections of them are not scored.

    Masks are merged where all parts have the same classes: in a mask, what was not looked for would be background.

    Args:
        parts: ``{name: reader}``; the classes come in the order of the parts.
        classes: ``{name in a part: name here}``, for classes that are the same under two names.
        partial: False says that every class was looked for in every picture, which teaches the network that unlabelled
            objects are background; it is there to be compared with. Detections are scored alike in both cases.
    """

    def __init__(
        self, parts: dict[str, Reader], classes: dict[str, str] | None = None, *, partial: bool = True
    ) -> None:
        if not parts:
            raise PolyheadError("merge: parts is empty; give {NAME: reader, ...}")
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
        self.masked = all(reader.masked for reader in parts.values())
        self.digest = "".join(reader.digest for reader in parts.values())
        for part, reader in parts.items():
            if reader.masked and not (self.masked and set(own[part]) == set(self.names)):
                raise PolyheadError(
                    f"merge: part {part!r} has masks of the classes {', '.join(own[part])}, and another part has not; "
                    "a class that was not looked for would be background there: give each part a task of its own"
                )
        self._columns = {part: torch.tensor([self.names.index(name) for name in names]) for part, names in own.items()}
        self._places = [(part, index) for part, reader in parts.items() for index in range(len(reader))]
        self.problems = [problem for reader in parts.values() for problem in reader.problems]
        self.skipped = [problem for reader in parts.values() for problem in reader.skipped]
        self.left_out = sum(reader.left_out for reader in parts.values())
        self.on_bad = "skip" if all(reader.on_bad == "skip" for reader in parts.values()) else "stop"
        self.cap = min(reader.cap for reader in parts.values())
        self.licence = "; ".join(dict.fromkeys(reader.licence for reader in parts.values() if reader.licence))

    def __len__(self) -> int:
        return len(self._places)

    def annotation(self, index: int) -> Annotation:
        """The truth of one picture, in the merged classes; its value is left out, since values of parts differ."""
        part, inner = self._places[index]
        truth = self.parts[part].annotation(inner)
        return truth._replace(
            id=f"{part}/{truth.id}",
            labels=self._columns[part][truth.labels],
            annotated=self._annotated(part, truth.annotated),
            value=None,
        )

    def mask(self, index: int) -> tv.Mask | None:
        """The mask of one picture, in the merged classes; None where the parts are not of masks."""
        part, inner = self._places[index]
        own = self.parts[part].mask(inner) if self.masked else None
        return self._renumbered(part, own)

    def __getitem__(self, index: int) -> Sample:
        """The picture as its part gives it, with merged classes."""
        part, inner = self._places[index]
        seen = self.parts[part][inner]
        return seen._replace(
            id=f"{part}/{seen.id}",
            labels=self._columns[part][seen.labels],
            annotated=self._annotated(part, seen.annotated, training=True),
            mask=self._renumbered(part, seen.mask) if self.masked else None,
            value=None,
        )

    def _renumbered(self, part: str, own: tv.Mask | None) -> tv.Mask | None:
        if own is None:
            return None
        numbers = torch.full((256,), IGNORED, dtype=torch.uint8)
        numbers[: len(self._columns[part])] = self._columns[part].to(torch.uint8)
        return tv.Mask(numbers[own.as_subclass(Tensor).long()])

    def _annotated(self, part: str, own: Tensor, *, training: bool = False) -> Tensor:
        """Which merged classes were looked for in a picture of a part."""
        if training and not self.partial:
            return torch.ones(len(self.names), dtype=torch.bool)
        result = torch.zeros(len(self.names), dtype=torch.bool)
        result[self._columns[part]] = own
        return result


def by_part(ids: Mapping[str, Mapping[str, list[str]]]) -> dict[str, list[str]]:
    """Splits of the parts, ``{part: {split: ids}}``, as splits of the merge."""
    splits: dict[str, list[str]] = {}
    for part, own in ids.items():
        for split, members in own.items():
            splits.setdefault(split, []).extend(f"{part}/{ident}" for ident in members)
    return splits
