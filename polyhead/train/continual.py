"""What holds older tasks in memory while new ones are learnt: additive losses, not trainers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from polyhead.nets.model import Model
from polyhead.train.task import Task
from polyhead.types import Batch, Pyramid


class Keep(ABC):
    """One way to keep older tasks. It adds losses to the step and reuses the student's forward pass."""

    @abstractmethod
    def start(self, model: Model, tasks: Mapping[str, Task]) -> None:
        """Called before the stage's first step, and after a resume before :meth:`load_state_dict`."""

    @abstractmethod
    def losses(
        self,
        model: Model,
        batches: Mapping[str, Batch],
        features: Mapping[str, Pyramid],
        raws: Mapping[str, Any],
        step: int,
    ) -> dict[str, Tensor]:
        """Named scalars, already weighted, to add to the step's loss. Chance is a function of ``step``."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain types that go into the resume state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027  # nothing to take back is the default
        """Take back what :meth:`state_dict` gave."""
