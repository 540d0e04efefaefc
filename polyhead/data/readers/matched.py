"""Read a data set with the classes of a model: classes are matched by name."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch

from polyhead.contracts.class_names import same_classes
from polyhead.contracts.kind import Kind
from polyhead.contracts.reader import Reader, Subset
from polyhead.errors import PolyheadError, few


class Matched(Subset):
    """A data set whose labels are those of a model, for measuring it.

    Class names are compared as in :func:`polyhead.contracts.class_names.same_classes`. What shows a class that the
    model does not have is left out (:meth:`polyhead.contracts.kind.Kind.match`), and samples of which nothing is left.

    Args:
        reader: the data set.
        names: the model's class names.
        kind: the kind of both.

    Attributes:
        notes: which classes could not be matched, and what was left out.

    Raises:
        PolyheadError: if no class has the same name, or nothing is left.
    """

    def __init__(self, reader: Reader, names: Sequence[str], kind: Kind) -> None:
        self.labels = torch.tensor(same_classes(reader.names, names))  # [folder's classes]
        if not (self.labels >= 0).any():
            raise PolyheadError(
                f"no class has the same name in the data ({few(reader.names)}) and in the model ({few(names)}). Rename "
                "the classes of the data."
            )
        counts: Counter[int] = Counter()  # of what is left out, by the folder's classes
        indices = []
        for index in range(len(reader)):
            target, unknown = kind.match(reader.target(index), self.labels, len(names))
            counts.update(unknown)
            if target is not None:
                indices.append(index)
        if not indices:
            raise PolyheadError("no image shows a class of the model. Rename the classes of the data.")
        super().__init__(reader, indices)
        self.stored = True  # dummy baselines are computed from these images: the training data may be elsewhere
        self._kind = kind
        missing = [f"{name} ({counts[label]})" for label, name in enumerate(reader.names) if self.labels[label] < 0]
        lacking = [name for label, name in enumerate(names) if label not in self.labels.tolist()]
        self.names, self.categories = list(names), list(names)
        self.notes = list(reader.notes)
        if missing:
            self.notes.append(f"classes that the model does not have, with the {kind.unmatched}: {few(missing, 20)}")
        if lacking:
            self.notes.append(f"classes of the model that the data does not have: {few(lacking, 20)}")

    def target(self, index: int) -> Any:
        """Return the target of a sample, with the labels of the model."""
        return self._kind.match(super().target(index), self.labels, len(self.names))[0]
