"""The abstract class of continual losses, which protect earlier tasks while new ones are trained."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from torch import Tensor

from polyhead.contracts.sizes import SideAt
from polyhead.contracts.task import Task
from polyhead.engine.continual.exemplars import Exemplars
from polyhead.nets.model import Model
from polyhead.types import Batch, Pyramid


class ContinualLoss(ABC):
    """A loss that protects earlier tasks. It is added to the step's loss and reuses the student's forward pass.

    Attributes:
        needs_fixed_statistics: whether it can do harm unless the batch norm statistics below the earlier heads are
            fixed (:attr:`polyhead.engine.stage.Stage.freeze_bn_stats`).
        distills: whether it compares the raw predictions of earlier heads
            (:meth:`polyhead.contracts.network.Head.distill`).
    """

    needs_fixed_statistics: bool = False
    distills: bool = False

    @abstractmethod
    def start(self, model: Model, tasks: Mapping[str, Task]) -> None:
        """Prepare for a stage; called before its first step, and after a resume before :meth:`load_state_dict`.

        Args:
            model: the model at the start of the stage.
            tasks: the earlier tasks: trained in earlier stages, and not in this one.
        """

    def replay_loaders(
        self,
        tasks: Mapping[str, Task],
        steps: int,
        position: Callable[[], int],
        stage: int,
        seed: int,
        side: SideAt | None = None,
    ) -> dict[str, Iterable[Batch]]:
        """Return loaders of earlier tasks, whose batches go through the trunk together with those of the new tasks.

        Args:
            tasks: the earlier tasks.
            steps: steps per epoch.
            position: returns the step to start from (:meth:`polyhead.contracts.task.Task.train`).
            stage: index of the stage.
            seed: seed of the run.
            side: returns the side of the images at a step, which is the same for all tasks; None for the model's size.
        """
        del tasks, steps, position, stage, seed, side
        return {}

    def replay_summary(self) -> dict[str, Exemplars]:
        """Return the exemplars of each earlier task; complete after :meth:`replay_loaders` has been called."""
        return {}

    def task_names(self) -> Collection[str]:
        """Return the tasks that the settings of this loss name."""
        return ()

    @property
    def is_noop(self) -> bool:
        """Whether it adds no loss with its settings, so that it is only useful together with another one."""
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
        """Compute named scalar losses, already weighted, to add to the step's loss.

        Random choices must be a function of ``step``.

        Args:
            model: the student.
            batches: batches of the new tasks, and of the earlier tasks that have a replay loader.
            features: the pyramid of each batch.
            raws: the output of each task's own head on its batch.
            step: index of the step within the stage.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return the tensors and plain types to save in the resume state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027  # by default there is nothing to restore
        """Restore what :meth:`state_dict` returned."""
