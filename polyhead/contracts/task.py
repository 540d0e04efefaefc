"""What training asks of a task's data; training is handed loaders and never imports the data rooms."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor

from polyhead.types import Annotation, Batch, Kind


@runtime_checkable
class Task(Protocol):
    """A named head's data, as training sees it (:class:`polyhead.data.loading.source.TaskData` is one)."""

    name: str
    names: list[str]
    batch: int

    def __len__(self) -> int:
        """Number of training samples."""

    def train(self, steps: int, position: Callable[[], int], stage: int, quiet: int) -> Iterable[Batch]:
        """An endless stream of batches, ``steps`` of them an epoch, that begins where ``position`` says.

        From step ``quiet`` of the stage on, samples are not mixed with others.
        """

    def only(self, places: Sequence[int], batch: int) -> "Task":
        """The same task with only these training samples, so many a step."""

    def evaluation(self, split: str) -> Iterable[Batch]:
        """Every sample of a split once, in order."""

    def truths(self, split: str) -> Sequence[Annotation]:
        """The truth of every sample of a split, in original pixels."""

    def kinds(self, split: str) -> Sequence[Collection[Kind]]:
        """The classes that each sample of a split shows."""

    def mask(self, split: str, ident: str) -> Tensor:
        """The true mask of one sample of a split, uint8 ``[h, w]`` in original pixels."""
