"""Replay of stored training samples of earlier tasks."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor

from polyhead.contracts.task import Task
from polyhead.engine.continual.base import Keep
from polyhead.engine.continual.exemplars import Budget, Held, bytes_of, remembered
from polyhead.errors import SettingError
from polyhead.nets.model import Model
from polyhead.rng import key
from polyhead.types import Batch, Pyramid


class Replay(Keep):
    """A few training pictures of each older task come again in every step, in the same pass as the new ones.

    Which ones is a function of the run's seed; classes have about equal parts (:func:`polyhead.engine.continual.exemplars.balanced`).

    Args:
        budget: pictures of each older task that are kept: a share of its training set (a float up to 1.0, all of it),
            or a number of them (an int); or as many as fit in the bytes of a text such as ``16MiB`` (KiB, MiB, GiB):
            those of the files of pictures and masks as they are stored, and of the decoded pixels where a picture has
            no file.
        batch: of them in each step, for each task.
        weight: of their losses.
        labels: learn from their labels; without, they are only shown (to :class:`Distill`).
    """

    def __init__(self, budget: Budget = 0.1, batch: int = 4, weight: float = 1.0, *, labels: bool = True) -> None:
        least = bytes_of(budget) if isinstance(budget, str) else budget
        if not 0 < least < math.inf or (least > 1 and least != int(least)) or batch < 1 or not 0 <= weight < math.inf:
            raise SettingError(
                "Replay: expected a budget above 0 (a share up to 1.0, a whole number of pictures, or bytes), a batch "
                f"of 1 or more and a weight of 0 or more, got budget={budget}, batch={batch}, weight={weight:g}"
            )
        self.budget, self.batch, self.weight, self.labels = budget, batch, weight, labels
        self.tasks: list[str] = []
        self.held: dict[str, Held] = {}

    def start(self, model: Model, tasks: Mapping[str, Task]) -> None:
        """Remember which tasks are older."""
        self.tasks = list(tasks)

    def streams(
        self, tasks: Mapping[str, Task], steps: int, position: Callable[[], int], stage: int, seed: int
    ) -> dict[str, Iterable[Batch]]:
        """The kept pictures of each older task, as its own transforms show them, each by itself."""
        streams: dict[str, Iterable[Batch]] = {}
        for name, task in tasks.items():
            self.held[name] = held = remembered(
                task.truths("train"), task.kinds("train"), self.budget, key(seed, "replay", name)
            )
            streams[name] = task.only(held.places, self.batch).train(steps, position, stage, 0)
        return streams

    def memory(self) -> dict[str, Held]:
        """The kept pictures of each older task."""
        return self.held

    @property
    def silent(self) -> bool:
        """Without labels, or without weight."""
        return not (self.labels and self.weight)

    def losses(
        self,
        model: Model,
        batches: Mapping[str, Batch],
        features: Mapping[str, Pyramid],
        raws: Mapping[str, Any],
        step: int,
    ) -> dict[str, Tensor]:
        """Losses of the older heads on their own pictures."""
        if not self.labels:
            return {}
        return {
            f"replay/{task}/{part}": self.weight * value
            for task in self.tasks
            for part, value in model.head(task).losses(raws[task], batches[task]).items()
        }
