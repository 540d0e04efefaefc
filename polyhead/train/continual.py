"""What holds older tasks in memory while new ones are learnt: additive losses, not trainers."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from polyhead.chance import key
from polyhead.errors import SettingError
from polyhead.nets.model import Model
from polyhead.train.memory import Budget, Held, bytes_of, remembered
from polyhead.train.task import Task
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
            position: the step to begin with (:meth:`polyhead.train.task.Task.train`).
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


class Distill(Keep):
    """The model as it was when the stage began teaches older heads on every picture (Li & Hoiem 2016, "LwF").

    Batch norm that older heads stand on has to be fixed (:attr:`Stage.fixed_norms`): a student in
    training is normalised by its batch, its teacher by its statistics, and with small batches, or pictures of another
    kind, they can never agree. Distillation then does more harm than good.

    Args:
        weight: of the older heads' losses; those of each head are averaged over all pictures of the step.
        temperature: that logits are divided by (Hinton, Vinyals & Dean 2015).
        weights: factors of single heads; 1 where not given.
        features: weight of the squared distance of the trunk's maps, as a part of the teacher's mean square.
    """

    def __init__(
        self,
        weight: float = 1.0,
        temperature: float = 2.0,
        weights: dict[str, float] | None = None,
        features: float = 0.0,
    ) -> None:
        if not (0 <= weight < math.inf and 0 <= features < math.inf and 0 < temperature < math.inf):
            raise SettingError(
                "Distill: expected weight and features of 0 or more and a temperature above 0, got "
                f"weight={weight:g}, features={features:g}, temperature={temperature:g}"
            )
        for task, factor in (weights or {}).items():
            if not 0 <= factor < math.inf:
                raise SettingError(f"Distill: weights.{task} must be 0 or more, got {factor:g}")
        self.weight, self.temperature, self.weights, self.features = weight, temperature, weights or {}, features
        self.teacher: Model | None = None
        self.heads: list[str] = []

    def named(self) -> Collection[str]:
        """Those that have a factor of their own."""
        return self.weights

    @property
    def silent(self) -> bool:
        """Without any weight."""
        return not (self.weight or self.features)

    def start(self, model: Model, tasks: Mapping[str, Task]) -> None:
        """Make the teacher."""
        self.heads = list(tasks)
        self.teacher = deepcopy(model).eval().requires_grad_(False)

    def losses(
        self,
        model: Model,
        batches: Mapping[str, Batch],
        features: Mapping[str, Pyramid],
        raws: Mapping[str, Any],
        step: int,
    ) -> dict[str, Tensor]:
        """What older heads say now against what they said, and what they are shown against what they were shown."""
        assert self.teacher is not None, "start() comes first"
        if not self.heads:
            return {}
        with torch.no_grad():
            shown = self.teacher.features({task: batch.inputs for task, batch in batches.items()})
        total = sum(len(batch.ids) for batch in batches.values())
        found: dict[str, Tensor] = {}
        for name, batch in batches.items():
            share = len(batch.ids) / total
            for task in self.heads:
                said = raws[name] if name == task else model.head(task)(features[name])
                with torch.no_grad():
                    wanted = self.teacher.head(task)(shown[name])
                weight = share * self.weight * self.weights.get(task, 1.0)
                for part, value in model.head(task).distil(said, wanted, self.temperature).items():
                    found[f"{task}/{part}"] = found.get(f"{task}/{part}", 0.0) + weight * value
            if self.features:
                pairs = zip(features[name].levels, shown[name].levels, strict=True)
                apart = torch.stack([F.mse_loss(have, want) / want.square().mean() for have, want in pairs]).mean()
                found["features"] = found.get("features", 0.0) + share * self.features * apart.float()
        return {f"distill/{name}": value for name, value in found.items()}

    def state_dict(self) -> dict[str, Any]:
        """The teacher's weights: after a resume the model is no longer what it was."""
        assert self.teacher is not None, "start() comes first"
        return {"teacher": self.teacher.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the teacher back."""
        assert self.teacher is not None, "start() comes first"
        self.teacher.load_state_dict(state["teacher"])


class Replay(Keep):
    """A few training pictures of each older task come again in every step, in the same pass as the new ones.

    Which ones is a function of the run's seed; classes have about equal parts (:func:`polyhead.train.memory.balanced`).

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
