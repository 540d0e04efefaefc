"""The contract of continual losses: what protects earlier tasks while new ones are learned."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from torch import Tensor

from polyhead.contracts.task import Task
from polyhead.engine.continual.exemplars import Held
from polyhead.nets.model import Model
from polyhead.types import Batch, Pyramid


class Keep(ABC):
    """One way to keep older tasks. It adds losses to the step and reuses the student's forward pass."""

    @abstractmethod
    def start(self, model: Model, tasks: Mapping[str, Task]) -> None:
        """Called before the stage's first step, and after a resume before :meth:`load_state_dict`.

        Args:
            model: as the stage begins.
            tasks: the older ones: learnt in earlier stages, and not in this one.
        """

    def streams(
        self, tasks: Mapping[str, Task], steps: int, position: Callable[[], int], stage: int, seed: int
    ) -> dict[str, Iterable[Batch]]:
        """Batches of older tasks that are to go through the trunk in each step, together with those of the new ones.

        Args:
            tasks: the older ones.
            steps: steps an epoch.
            position: the step to begin with (:meth:`polyhead.contracts.task.Task.train`).
            stage: number of the stage.
            seed: of the run.
        """
        del tasks, steps, position, stage, seed
        return {}

    def memory(self) -> dict[str, Held]:
        """What is held of each older task's pictures, once :meth:`streams` was called."""
        return {}

    def named(self) -> Collection[str]:
        """The tasks that its settings name."""
        return ()

    @property
    def silent(self) -> bool:
        """Whether its settings leave it without a loss, so that it is of use only beside another."""
        return False

    @abstractmethod
    def losses(
        self,
        model: Model,
        batches: Mapping[str, Batch],
        features: Mapping[str, Pyramid],
        raws: Mapping[str, Any],
        step: int,
    ) -> dict[str, Tensor]:
        """Named scalars, already weighted, to add to the step's loss. Chance is a function of ``step``.

        Args:
            model: the student.
            batches: of the new tasks, and of the older ones that have a stream.
            features: of each batch.
            raws: of each batch, from the head of its own task.
            step: counted from the beginning of the stage.
        """

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain types that go into the resume state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027  # nothing to take back is the default
        """Take back what :meth:`state_dict` gave."""
