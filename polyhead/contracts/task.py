"""The contract of a task's data: what training needs of it. Training receives loaders and never imports ``data``."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol, runtime_checkable

from polyhead.contracts.kind import Kind, Targets
from polyhead.contracts.sizes import SideAt
from polyhead.types import Batch, InputSpec, ShownClass, TaskInfo


@runtime_checkable
class Task(Protocol):
    """The data of a named head, as training sees it; :class:`polyhead.data.loading.source.TaskData` implements it.

    Attributes:
        name: name of the task and its head.
        kind: the kind of the targets.
        names: class names, or names of the numbers to predict.
        batch: batch size.
    """

    name: str
    kind: Kind
    names: list[str]
    batch: int

    @property
    def inputs_spec(self) -> InputSpec:
        """What the task's backbone is built from."""

    @property
    def info(self) -> TaskInfo:
        """What the task's head is built from."""

    def __len__(self) -> int:
        """Return the number of training samples."""

    def train(
        self, steps: int, position: Callable[[], int], stage: int, mix_until: int, side: SideAt | None = None
    ) -> Iterable[Batch]:
        """Return an endless stream of training batches.

        Args:
            steps: batches per epoch.
            position: returns the step at which the stream starts.
            stage: index of the stage.
            mix_until: the step of the stage from which samples are no longer mixed with others.
            side: returns the side of the images at a step; None if all steps have the model's size.
        """

    def subset(self, indices: Sequence[int], batch: int) -> "Task":
        """Return the same task with only these training samples and another batch size."""

    def few(self, count: int, *, augmented: bool = True) -> Batch:
        """Return a batch of at most ``count`` training samples, spread over the set, without starting a process.

        Args:
            count: number of samples.
            augmented: whether they are transformed as in training; else as in evaluation.
        """

    def evaluation(self, split: str) -> Iterable[Batch]:
        """Return the batches of a split: every sample once, in order."""

    def targets(self, split: str) -> Targets:
        """Return the targets of a split, in the space of the original samples."""

    def shown_classes(self, split: str) -> Sequence[Collection[ShownClass]]:
        """Return the classes that each sample of a split shows."""

    def stored_bytes(self, index: int) -> int:
        """Return the size of a training sample's files; of its input where it has no file."""
