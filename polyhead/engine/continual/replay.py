"""Replay of stored training samples of earlier tasks."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor

from polyhead.contracts.sizes import SideAt
from polyhead.contracts.task import Task
from polyhead.engine.continual.base import ContinualLoss
from polyhead.engine.continual.exemplars import Budget, Exemplars, parse_bytes, select_exemplars
from polyhead.engine.reduce import loss_values
from polyhead.errors import SettingError
from polyhead.nets.model import Model
from polyhead.rng import derive_seed
from polyhead.types import Batch, Pyramid


class Replay(ContinualLoss):
    """Replay of a few training images (exemplars) of each earlier task in every step.

    They go through the trunk in the same pass as the new images. The selection is a function of the run's seed and
    balances the classes (:func:`polyhead.engine.continual.exemplars.balanced_indices`).

    Args:
        budget: size of the exemplar set of each earlier task: a fraction of its training set (a float up to 1.0), a
            number of images (an int), or a size in bytes as text, such as ``16MiB`` (KiB, MiB, GiB). Bytes are those
            of the stored image and mask files, or of the decoded pixels where an image has no file.
        batch: exemplars per step and task.
        weight: weight of their losses.
        labels: whether to train on their labels; without, the images are only there for :class:`Distill`.
    """

    def __init__(self, budget: Budget = 0.1, batch: int = 4, weight: float = 1.0, *, labels: bool = True) -> None:
        size = parse_bytes(budget) if isinstance(budget, str) else budget
        if not 0 < size < math.inf or (size > 1 and size != int(size)) or batch < 1 or not 0 <= weight < math.inf:
            raise SettingError(
                "Replay: expected a budget above 0 (a fraction up to 1.0, a whole number of images, or bytes), a batch "
                f"of 1 or more and a weight of 0 or more, got budget={budget}, batch={batch}, weight={weight:g}"
            )
        self.budget, self.batch, self.weight, self.labels = budget, batch, weight, labels
        self.tasks: list[str] = []
        self.exemplars: dict[str, Exemplars] = {}

    def start(self, model: Model, tasks: Mapping[str, Task]) -> None:
        """Store the names of the earlier tasks."""
        self.tasks = list(tasks)

    def replay_loaders(
        self,
        tasks: Mapping[str, Task],
        steps: int,
        position: Callable[[], int],
        stage: int,
        seed: int,
        side: SideAt | None = None,
    ) -> dict[str, Iterable[Batch]]:
        """Select the exemplars of each earlier task, and return their loaders; images are not mixed with others."""
        loaders: dict[str, Iterable[Batch]] = {}
        for name, task in tasks.items():
            exemplars = select_exemplars(
                task.stored_bytes, task.shown_classes("train"), self.budget, derive_seed(seed, "replay", name)
            )
            self.exemplars[name] = exemplars
            loaders[name] = task.subset(exemplars.indices, self.batch).train(steps, position, stage, 0, side)
        return loaders

    def replay_summary(self) -> dict[str, Exemplars]:
        """Return the exemplars of each earlier task."""
        return self.exemplars

    @property
    def is_noop(self) -> bool:
        """Whether it has no labels or no weight."""
        return not (self.labels and self.weight)

    def losses(
        self,
        model: Model,
        batches: Mapping[str, Batch],
        features: Mapping[str, Pyramid],
        raws: Mapping[str, Any],
        step: int,
    ) -> dict[str, Tensor]:
        """Compute the losses of the earlier heads on their exemplars, as they are at the end of a training."""
        if not self.labels:
            return {}
        values = loss_values({task: model.head(task).losses(raws[task], batches[task], 1.0) for task in self.tasks})
        return {
            f"replay/{task}/{part}": self.weight * value
            for task, named in values.items()
            for part, value in named.items()
        }
