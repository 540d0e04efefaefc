"""Find a learning rate: train a few steps with a rate that grows, and watch the loss."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from lightning.pytorch import Callback, LightningModule, Trainer

from polyhead.contracts.task import Task
from polyhead.engine.learner import Learner, NotFiniteError
from polyhead.engine.optim import base_lr
from polyhead.engine.stage import Stage
from polyhead.engine.train_stage import fit_stage
from polyhead.nets.model import Model
from polyhead.run import Run

LOWEST, HIGHEST = 1e-6, 10.0
"""Learning rates of the first and of the last step."""
SMOOTHING = 0.9
"""Decay of the moving average of the losses."""
DIVERGED = 4.0
"""The search ends where the smoothed loss is this many times its minimum."""
FIRST = 5
"""Steps at the start whose smoothed losses are averages of too few."""
FALL = 0.05
"""Fraction of the loss by which it must fall for a suggestion."""


class LrSearch(NamedTuple):
    """The result of a search.

    Attributes:
        lrs: learning rate of each step, ascending.
        losses: training loss of each step.
        smoothed: moving average of the losses, corrected for its start.
        lowest: learning rate at which the smoothed loss is lowest.
        suggested: a tenth of it, at which the loss still falls clearly; None if the loss does not fall.
    """

    lrs: list[float]
    losses: list[float]
    smoothed: list[float]
    lowest: float
    suggested: float | None


def find_lr(
    model: Model, tasks: Mapping[str, Task], stage: Stage, *, seed: int, precision: str, steps: int = 100
) -> LrSearch:
    """Train ``steps`` steps, each with a larger learning rate (Smith 2017, "Cyclical Learning Rates", section 3.3).

    Args:
        model: the model, with its heads built; it is not usable afterwards.
        tasks: the data.
        stage: the first stage of a recipe; its optimizer, frozen parts, tasks, sizes and weights are used.
        seed: seed of the run, whose first batches are used.
        precision: one of Lightning's names.
        steps: number of steps, unless the loss diverges before.

    Returns:
        The losses, and the learning rate that they suggest.
    """
    long = replace(stage, epochs=steps, schedule="constant", ema=None, patience=None, accumulate=1)
    trained = {name: task for name, task in tasks.items() if stage.tasks is None or name in stage.tasks}
    learner = Learner(model, trained, long, 0, seed)
    base = base_lr(model, stage)
    learner.factor = lambda step: lr_at(step, steps) / base
    watch = _Watch(steps)
    with TemporaryDirectory() as folder, suppress(NotFiniteError):  # far above a usable rate
        fit_stage(learner, Run(Path(folder)), precision, [watch], validate=False)
    return search_of([lr_at(step, steps) for step in range(len(watch.losses))], watch.losses)


def lr_at(step: int, steps: int) -> float:
    """Return the learning rate of a step: between :data:`LOWEST` and :data:`HIGHEST`, equidistant in its logarithm."""
    return LOWEST * math.pow(HIGHEST / LOWEST, step / max(1, steps - 1))


def search_of(lrs: Sequence[float], losses: Sequence[float]) -> LrSearch:
    """Return the result for the losses of some learning rates.

    Examples:
        >>> lrs = [10 ** (power / 10) for power in range(-60, 0)]
        >>> found = search_of(lrs, [1 + abs(power + 10) / 50 for power in range(-60, 0)])  # lowest near 0.1
        >>> 0.005 < found.suggested < 0.05
        True
    """
    smoothed = _smooth(losses)
    lowest = min(range(len(smoothed)), key=smoothed.__getitem__)
    falls = lowest > FIRST and smoothed[lowest] < (1 - FALL) * smoothed[FIRST]
    return LrSearch([*lrs], [*losses], smoothed, lrs[lowest], lrs[lowest] / 10 if falls else None)


def _smooth(losses: Sequence[float]) -> list[float]:
    """Return the moving average of losses, corrected for its start at 0 (Kingma & Ba 2015, section 3)."""
    smoothed, average = [], 0.0
    for count, loss in enumerate(losses, 1):
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        smoothed.append(average / (1 - SMOOTHING**count))
    return smoothed


class _Watch(Callback):
    """A callback that collects the losses and ends the training after some steps, or where the loss diverges.

    Args:
        steps: number of steps.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.losses: list[float] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Store the loss of a step."""
        self.losses.append(float(outputs["loss"]))
        smoothed = _smooth(self.losses)
        if len(smoothed) > FIRST and smoothed[-1] > DIVERGED * min(smoothed[FIRST:]):
            trainer.should_stop = True
        if len(self.losses) >= self.steps:
            trainer.should_stop = True
