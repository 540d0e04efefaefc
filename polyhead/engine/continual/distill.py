"""Distillation from the model as it was when the stage began (Li & Hoiem 2016, "Learning without Forgetting")."""

import math
from collections.abc import Collection, Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from polyhead.contracts.task import Task
from polyhead.engine.continual.base import Keep
from polyhead.errors import SettingError
from polyhead.nets.model import Model
from polyhead.types import Batch, Pyramid


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
