"""The contract of a task's data: what training needs of it. Training receives loaders and never imports ``data``."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor

from polyhead.types import Annotation, Batch, ShownClass


@runtime_checkable
class Task(Protocol):
    """The data of a named head, as training sees it; :class:`polyhead.data.loading.source.TaskData` implements it.

    Attributes:
        name: name of the task and its head.
        names: class names.
        batch: batch size.
    """

    name: str
    names: list[str]
    batch: int

    def __len__(self) -> int:
        """Return the number of training samples."""

    def train(self, steps: int, position: Callable[[], int], stage: int, mix_until: int) -> Iterable[Batch]:
        """Return an endless stream of training batches.

        Args:
            steps: batches per epoch.
            position: returns the step at which the stream starts.
            stage: index of the stage.
            mix_until: the step of the stage from which samples are no longer mixed with others.
        """

    def subset(self, indices: Sequence[int], batch: int) -> "Task":
        """Return the same task with only these training samples and another batch size."""

    def evaluation(self, split: str) -> Iterable[Batch]:
        """Return the batches of a split: every sample once, in order."""

    def targets(self, split: str) -> Sequence[Annotation]:
        """Return the annotation of every sample of a split, in pixels of the original images."""

    def shown_classes(self, split: str) -> Sequence[Collection[ShownClass]]:
        """Return the classes that each sample of a split shows."""

    def mask(self, split: str, image_id: str) -> Tensor:
        """Return the target mask of one sample of a split, uint8 ``[h, w]`` in pixels of the original image."""
