"""Read a data set with the classes of a model: classes are matched by name."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from polyhead.contracts.reader import Reader, Wrapped
from polyhead.errors import PolyheadError, few
from polyhead.types import IGNORED, Entry

UNKNOWN = -1
"""The label of a class that the model does not have."""


class Matched(Wrapped):
    """A data set whose labels are those of a model, for measuring it.

    Letter case, spaces, hyphens and underscores of class names do not matter. What shows a class that the model does
    not have is left out: boxes are removed, images of a class are removed, pixels of masks are ignored.

    Args:
        reader: the data set.
        names: the model's class names.

    Attributes:
        notes: which classes could not be matched, and what was left out.

    Raises:
        PolyheadError: if no class has the same name, or nothing is left.
    """

    stored = True  # dummy baselines are computed from these images: the training data may be elsewhere

    def __init__(self, reader: Reader, names: Sequence[str]) -> None:
        super().__init__(reader)
        self.stored = True
        known = {_plain(name): label for label, name in reversed([*enumerate(names)])}
        self.labels = torch.tensor([known.get(_plain(name), UNKNOWN) for name in reader.names])  # [folder's classes]
        if not (self.labels != UNKNOWN).any():
            raise PolyheadError(
                f"no class has the same name in the data ({few(reader.names)}) and in the model ({few(names)}). Rename "
                "the classes of the data."
            )
        self.names, self.categories = list(names), list(names)
        self._relabel = RELABEL[reader.kind]
        shown = [SHOWN[reader.kind](reader.target(index)) for index in range(len(reader))]
        # A sample with one class, which the model does not have, has no target.
        self.indices = [index for index, each in enumerate(shown) if reader.kind not in SINGLE or self._has(each)]
        if not self.indices:
            raise PolyheadError("no image shows a class of the model. Rename the classes of the data.")
        counts = Counter(label for each in shown for label in each)
        missing = [
            f"{reader.names[label]} ({counts[label]})"
            for label in range(len(reader.names))
            if self.labels[label] == UNKNOWN
        ]
        lacking = [name for label, name in enumerate(names) if label not in self.labels.tolist()]
        notes = list(reader.notes)
        if missing:
            notes.append(f"classes that the model does not have, with the {LEFT_OUT[reader.kind]}: {few(missing, 20)}")
        if lacking:
            notes.append(f"classes of the model that the data does not have: {few(lacking, 20)}")
        self.notes = notes

    def _has(self, labels: Sequence[int]) -> bool:
        return any(self.labels[label] != UNKNOWN for label in labels)

    def __len__(self) -> int:
        return len(self.indices)

    def entry(self, index: int) -> Entry:
        """Return the id and the files of a sample."""
        return self.reader.entry(self.indices[index])

    def raw(self, index: int) -> Any:
        """Return the raw input of a sample."""
        return self.reader.raw(self.indices[index])

    def target(self, index: int) -> Any:
        """Return the target of a sample, with the labels of the model."""
        return self._relabel(self.reader.target(self.indices[index]), self.labels, len(self.names))


def _plain(name: str) -> str:
    """Return a name without what does not matter."""
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def _boxes(target: Any, labels: Tensor, classes: int) -> Any:
    """Return boxes with new labels, without those of unknown classes; classes of the model alone are not annotated."""
    known = labels[target.labels] != UNKNOWN
    annotated = torch.zeros(classes, dtype=torch.bool)
    annotated[labels[labels != UNKNOWN]] = target.annotated[labels != UNKNOWN]
    return target._replace(
        boxes=target.boxes[known],
        labels=labels[target.labels[known]],
        ignore=target.ignore[known],
        areas=target.areas[known],
        annotated=annotated,
    )


def _class(target: Any, labels: Tensor, classes: int) -> Any:
    return target.relabel(labels, classes)


def _mask(target: Any, labels: Tensor, classes: int) -> Any:
    """Return a mask with new labels; pixels of unknown classes are ignored."""
    return target.relabel(labels.where(labels != UNKNOWN, torch.tensor(IGNORED)), classes)


RELABEL: dict[str, Callable[[Any, Tensor, int], Any]] = {
    "detection": _boxes,
    "classification": _class,
    "segmentation": _mask,
}
"""For each kind: returns a target with new labels, given the new label of each class and the number of new classes."""

SHOWN: dict[str, Callable[[Any], list[int]]] = {
    "detection": lambda target: target.labels.tolist(),
    "classification": lambda target: [int(target.label)],
    "segmentation": lambda target: [label for label in target.classes.unique().tolist() if label != IGNORED],
}
"""For each kind: returns the labels that a target shows, once for each object or image."""

LEFT_OUT = {
    "detection": "objects left out",
    "classification": "images left out",
    "segmentation": "images in which they are ignored",
}
"""For each kind: what is counted where a class is unknown."""

SINGLE = ("classification",)
"""Kinds whose samples have one class each."""
