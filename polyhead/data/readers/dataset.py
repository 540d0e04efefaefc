"""Read any ``torch.utils.data.Dataset`` whose items are pairs of an input and a target."""

from typing import Any

from torch import Tensor

from polyhead.contracts.kind import Kind
from polyhead.contracts.reader import Reader
from polyhead.types import Entry, Meta, Sample


class DatasetReader(Reader):
    """A reader of a map-style data set.

    Args:
        dataset: has ``len()``, and ``dataset[i]`` is an input and its target (:meth:`Kind.as_target`), the same at
            every call: random transforms belong to a modality.
        names: class names, or names of the numbers to predict.
        kind: the kind of the targets.
        modality: short name or class path of the modality of the inputs.
        prefix: beginning of the ids.
    """

    def __init__(self, dataset: Any, names: list[str], kind: Kind, modality: str, prefix: str = "") -> None:
        self.dataset = dataset
        self.names, self.categories = list(names), [*names]
        self.own_kind, self.kind, self.modality, self.prefix = kind, kind.name, modality, prefix
        self.problems, self.skipped = [], []

    def __len__(self) -> int:
        return len(self.dataset)

    def entry(self, index: int) -> Entry:
        """Return the id of one sample, and the size of its input if that is a tensor."""
        raw = self.raw(index)
        return Entry(self._id(index), bytes=int(raw.nbytes) if isinstance(raw, Tensor) else 0)

    def raw(self, index: int) -> Any:
        """Return the input of one sample."""
        return self.dataset[range(len(self))[index]][0]

    def target(self, index: int) -> Any:
        """Return the target of one sample."""
        return self[index].target

    def __getitem__(self, index: int) -> Sample:
        """Return one sample."""
        raw, value = self.dataset[range(len(self))[index]]
        return Sample(raw, self.own_kind.as_target(value, raw, self.names), Meta(self._id(index)))

    def _id(self, index: int) -> str:
        return f"{self.prefix}{range(len(self))[index]:06d}"
