"""What the checks look at: the splits of one task or folder."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from polyhead.contracts.kind import Kind, Targets
from polyhead.contracts.modality import Facts, Modality
from polyhead.contracts.reader import Reader


@runtime_checkable
class DataSet(Protocol):
    """The data of a task, split and valid.

    Attributes:
        name: name of the task; of a folder without a task ``TASK``, which stands for it in messages.
        kind: the kind of its targets.
        modality: the modality of its inputs.
        license: the license of the data, or an empty string.
        readers: the reader of each split, train first.
        facts: what the modality observed of each input in a file, by the file.
    """

    @property
    def name(self) -> str: ...  # noqa: D102  # described above
    @property
    def kind(self) -> Kind: ...  # noqa: D102  # as above
    @property
    def modality(self) -> Modality: ...  # noqa: D102  # as above
    @property
    def license(self) -> str: ...  # noqa: D102  # as above
    @property
    def readers(self) -> Mapping[str, Reader]: ...  # noqa: D102  # as above
    @property
    def facts(self) -> Mapping[str, Facts]: ...  # noqa: D102  # as above

    def targets(self, split: str) -> Targets:
        """Return the targets of a split."""


def places(reader: Reader) -> list[str]:
    """Return where each sample is, for messages: its file, or its id where it has none."""
    entries = map(reader.entry, range(len(reader)))
    return [entry.path or entry.id for entry in entries]
