"""The contract of a reader: it turns a data format on disk into samples.

A reader checks all annotations when it is built and collects every fault in ``problems``.
:func:`polyhead.data.doctor.check` adds the faults that are only found by opening the files. Readers never modify the
user's data.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from torch import Tensor

from polyhead.errors import Finding, InvalidFileError, Problem
from polyhead.types import Entry, Meta, Sample, ShownClass, TaskInfo


class Reader(ABC):
    """A sequence of annotated samples.

    Attributes:
        kind: short name or class path of the kind of its targets (:class:`polyhead.contracts.kind.Kind`).
        modality: short name or class path of the modality of its inputs
            (:class:`polyhead.contracts.modality.Modality`).
        names: class names, where the index of a name is the label; or names of the numbers to predict.
        categories: the data's own id of each class (COCO's category ids, names of folders), for writing results back.
        problems: all faults found in the annotations. A reader with problems must not be used for training.
        skipped: problems whose samples ``on_bad="skip"`` left out; they are counted and listed in the run.
        notes: what the reader assumed or left out, one sentence each, which users should know.
        findings: what its format makes suspicious, as warnings.
        left_out: number of samples (and of annotations without a sample) that ``skipped`` refers to.
        on_bad: ``"stop"`` at a fault, or ``"skip"`` the sample.
        cap: maximum fraction of the samples that may be skipped.
        license: the license as stated by the data, or an empty string.
        stored: whether the samples are exemplars that a run has stored, a few of those that it was trained on.
        stored_info: of exemplars, what the head was built from in the earlier training.
        stored_state: of exemplars, the state of the modality in the earlier training.
        background: whether the first class is the background of masks, where all classes must be annotated.
        digest: a digest of everything that affects the targets and is visible neither in them nor in files.
        parts: the readers that this one merges, by name. The sample ``ID`` of a part has the id ``PART/ID`` here.
    """

    kind: str = "detection"
    modality: str = "image"
    names: list[str]
    categories: list[int | str]
    problems: list[Problem]
    skipped: list[Problem]
    notes: Sequence[str] = ()
    findings: Sequence[Finding] = ()
    left_out: int = 0
    on_bad: str = "stop"
    cap: float = 0.1
    license: str = ""
    stored_info: TaskInfo | None = None
    stored_state: Mapping[str, Any] | None = None
    background: bool = False
    digest: str = ""
    stored: bool = False
    parts: Mapping[str, "Reader"] = MappingProxyType({})

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of samples."""

    @abstractmethod
    def entry(self, index: int) -> Entry:
        """Return the id and the files of a sample, without reading them."""

    @abstractmethod
    def raw(self, index: int) -> Any:
        """Return the raw input of a sample, which its modality decodes."""

    @abstractmethod
    def target(self, index: int) -> Any:
        """Return the target of a sample, in the space of the original input.

        Raises:
            InvalidFileError: if the target is in a file that cannot be read or does not fit the input.
        """

    def content(self, index: int) -> str:
        """Return a text that changes when a target changes that is not in files of its own (:attr:`Entry.files`).

        By default it has every number of the target; readers of files return an empty text.
        """
        columns = self.target(index)._asdict().values()
        return repr([column.tolist() if isinstance(column, Tensor) else column for column in columns])

    # pylint: disable-next=unused-argument  # generated data uses it
    def also_shows(self, index: int) -> set[ShownClass]:
        """Return what a sample shows besides its target, by which splits and exemplars are balanced too."""
        return set()

    def verify(self, index: int, inspect: Callable[[Any], object] | None = None) -> Problem | None:
        """Return why a sample cannot be read, which only opening its files shows; None if it can.

        Args:
            index: the sample.
            inspect: reads the raw input whole and raises InvalidFileError; it replaces the reader's own way to do so.
        """
        try:
            sample = self[index]  # reading is the check
            if inspect is not None:
                inspect(sample.input)
        except InvalidFileError as error:
            return error.problem
        return None

    def bind(self, kind: Any, modality: Any) -> None:  # noqa: B027  # most readers need neither
        """Receive the kind and the modality of the task, for readers of stored samples."""

    def __getitem__(self, index: int) -> Sample:
        """Return the raw input with its target."""
        return Sample(self.raw(index), self.target(index), Meta(self.entry(index).id))


class Wrapped(Reader, ABC):
    """A base class for readers that wrap another reader and take over its attributes.

    Its ``parts`` are not taken over: they may contain samples that the wrapping reader leaves out.
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.kind, self.modality = reader.kind, reader.modality
        self.names, self.categories, self.license = reader.names, reader.categories, reader.license
        self.problems, self.skipped, self.left_out = reader.problems, reader.skipped, reader.left_out
        self.on_bad, self.cap, self.digest = reader.on_bad, reader.cap, reader.digest
        self.background, self.stored = reader.background, reader.stored
        self.notes, self.findings = reader.notes, reader.findings

    def bind(self, kind: Any, modality: Any) -> None:
        """Pass the kind and the modality on."""
        self.reader.bind(kind, modality)


class Subset(Wrapped):
    """A reader for some samples of another reader, in the order of ``indices``."""

    def __init__(self, reader: Reader, indices: Sequence[int]) -> None:
        super().__init__(reader)
        self.indices = list(indices)

    def __len__(self) -> int:
        return len(self.indices)

    def entry(self, index: int) -> Entry:
        """Return the id and the files of a sample of the subset."""
        return self.reader.entry(self.indices[index])

    def raw(self, index: int) -> Any:
        """Return the raw input of a sample of the subset."""
        return self.reader.raw(self.indices[index])

    def target(self, index: int) -> Any:
        """Return the target of a sample of the subset."""
        return self.reader.target(self.indices[index])

    def content(self, index: int) -> str:
        """Return a text that changes when a target of the subset changes."""
        return self.reader.content(self.indices[index])

    def also_shows(self, index: int) -> set[ShownClass]:
        """Return what a sample of the subset shows besides its target."""
        return self.reader.also_shows(self.indices[index])

    def verify(self, index: int, inspect: Callable[[Any], object] | None = None) -> Problem | None:
        """Return why a sample of the subset cannot be read."""
        return self.reader.verify(self.indices[index], inspect)
