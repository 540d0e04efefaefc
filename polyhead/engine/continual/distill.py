"""Distillation from the model at the start of the stage (Li & Hoiem 2016, "Learning without Forgetting")."""

import math
from collections.abc import Collection, Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from polyhead.contracts.task import Task
from polyhead.engine.continual.base import ContinualLoss
from polyhead.errors import SettingError
from polyhead.nets.model import Model
from polyhead.nets.pyramids import real_cells
from polyhead.types import Batch, Pyramid


class Distill(ContinualLoss):
    """Knowledge distillation for the heads of earlier tasks on every image of the step (Li & Hoiem 2016, "LwF").

    The teacher is a copy of the model at the start of the stage. The batch norm statistics below the earlier heads
    should be fixed (:attr:`polyhead.engine.stage.Stage.freeze_bn_stats`). Otherwise the student in train mode is
    normalized by its batch and the teacher by its running statistics. With small batches, or images of another domain,
    the two can never match, and distillation does more harm than good.

    Args:
        weight: weight of the losses of the earlier heads; the losses of each head are averaged over all images of the
            step.
        temperature: divides the logits (Hinton, Vinyals & Dean 2015).
        weights: additional factors for single heads; 1 where not given.
        features: weight of the squared distance between the trunk's feature maps, relative to the teacher's mean
            square.
    """

    needs_fixed_statistics = True
    distills = True

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

    def task_names(self) -> Collection[str]:
        """Return the tasks that have a factor in ``weights``."""
        return self.weights

    @property
    def is_noop(self) -> bool:
        """Whether all weights are 0."""
        return not (self.weight or self.features)

    def start(self, model: Model, tasks: Mapping[str, Task]) -> None:
        """Copy the model as the teacher."""
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
        """Compute the distillation losses of the earlier heads, and of the feature maps if they have a weight."""
        assert self.teacher is not None, "call start() first"
        if not self.heads:
            return {}
        with torch.no_grad():
            teacher_features = self.teacher.features({task: batch.inputs for task, batch in batches.items()})
        total = sum(len(batch.ids) for batch in batches.values())
        losses: dict[str, Tensor] = {}
        for name, batch in batches.items():
            fraction = len(batch.ids) / total  # of the step's images: the sum over batches is a mean over images
            heads = [task for task in self.heads if model.input_key(task) == model.input_key(name)]  # that can read it
            for task in heads:
                student = raws[name] if name == task else model.head(task)(features[name])
                with torch.no_grad():
                    teacher = self.teacher.head(task)(teacher_features[name])
                weight = fraction * self.weight * self.weights.get(task, 1.0)
                for part, value in model.head(task).distill(student, teacher, self.temperature).items():
                    losses[f"{task}/{part}"] = losses.get(f"{task}/{part}", 0.0) + weight * value
            if self.features and heads:
                distance = _relative_distance(features[name], teacher_features[name])
                losses["features"] = losses.get("features", 0.0) + fraction * self.features * distance
        return {f"distill/{name}": value for name, value in losses.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return the teacher's weights, which cannot be copied from the model again after a resume."""
        assert self.teacher is not None, "call start() first"
        return {"teacher": self.teacher.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the teacher's weights."""
        assert self.teacher is not None, "call start() first"
        self.teacher.load_state_dict(state["teacher"])


def _relative_distance(student: Pyramid, teacher: Pyramid) -> Tensor:
    """Return the mean squared distance of each level's features over the teacher's mean square.

    Padding of sequences does not count. The result is the mean over the levels, a float32 scalar.
    """
    mask = teacher.mask
    levels_of_both = zip(student.levels, teacher.levels, strict=True)
    pairs = [(real_cells(mine, mask), real_cells(theirs, mask)) for mine, theirs in levels_of_both]
    levels = [F.mse_loss(mine, theirs) / theirs.square().mean() for mine, theirs in pairs]
    return torch.stack(levels).mean().float()
