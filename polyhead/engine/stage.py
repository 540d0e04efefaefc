"""A stage: one stretch of training over some tasks (settings only, no torch)."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from polyhead.errors import PolyheadError, SettingError, suggest

if TYPE_CHECKING:
    from polyhead.engine.continual import Keep


@dataclass
class Stage:  # pylint: disable=too-many-instance-attributes  # each is a setting
    """Settings of one stretch of training.

    Attributes:
        tasks: the tasks that learn; all of the run's when None. Heads of other tasks are frozen, unless ``rates`` names
            them.
        epochs: passes over the longest training set; shorter ones are passed more often, in a new order each time.
        ratio: length of an epoch in such passes.
        optimizer: ``sgd`` or ``adamw``.
        lr: learning rate at rate 1.
        momentum: of SGD, in Nesterov's form.
        weight_decay: not applied to biases and norms.
        schedule: how the rate goes on: ``constant``, ``cosine`` to zero, ``onecycle`` (Smith & Topin 2018: up for a
            quarter of the steps, down to nearly zero), ``step`` (a tenth after 2/3 and again after 8/9 of the
            steps), ``plateau`` (a tenth after ``plateau_patience`` epochs without a better val score).
        warmup: steps of linear warm-up at the start (not with ``onecycle``, which has its own).
        plateau_patience: see ``schedule``.
        clip: largest norm of the gradient; None does not clip.
        accumulate: batches per optimiser step; fewer in the last step of an epoch that they do not divide.
        rates: factor of the learning rate per part (``backbone``, ``neck.0``, ``heads.food``); the longest matching
            name counts, parts without a name have 1, and 0 freezes: no gradient, batch norm statistics fixed.
        fixed_norms: fix the statistics of batch norm in all parts but the heads that learn, not only where the rate is
            0: a new task's pictures then do not shift what older tasks rely on.
        init: weights to begin with, per part: a run folder or a weights file.
        weights: factor of the loss of each task that learns; 1 where not given.
        balance: ``fixed`` leaves it at these weights; ``uncertainty`` learns a factor ``exp(-s)`` for each task
            instead, and adds ``s`` to the loss so that no task is given up (Kendall, Gal & Cipolla 2018, section 3).
        mixing: share of the stage's steps, from its beginning, in which pictures may be mixed with others (mosaic and
            its kind, where the data's transforms have them); the network ends on pictures as they are.
        ema: decay of the exponential moving average of the weights that is then evaluated and saved; None has none.
        checkpoint: the epoch whose weights the stage keeps, for ``best.pt`` and the next stage: the ``best`` by val
            score, or the ``last``. Where val is a few dozen pictures the best is chance, and often one before the rate
            has come down.
        patience: epochs without a better val score after which the stage ends early; None never.
        val_every: epochs between validations; the last epoch has one in any case.
        keep: what holds older tasks in memory.
    """

    tasks: list[str] | None = None
    epochs: int = 1
    ratio: float = 1.0
    optimizer: Literal["sgd", "adamw"] = "adamw"
    lr: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Literal["constant", "cosine", "onecycle", "step", "plateau"] = "onecycle"
    warmup: int = 0
    plateau_patience: int = 5
    clip: float | None = 10.0
    accumulate: int = 1
    rates: dict[str, float] = field(default_factory=dict)
    fixed_norms: bool = False
    init: dict[str, str] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    balance: Literal["fixed", "uncertainty"] = "fixed"
    mixing: float = 0.9
    ema: float | None = None
    checkpoint: Literal["best", "last"] = "best"
    patience: int | None = None
    val_every: int = 1
    keep: "list[Keep]" = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.tasks is not None and not self.tasks:
            raise SettingError("tasks is empty; name those that learn, or leave it out for all")
        for name in ("epochs", "ratio", "lr", "accumulate", "val_every"):
            if not 0 < getattr(self, name) < math.inf:
                raise SettingError(f"{name} must be positive, got {getattr(self, name):g}")
        for name in ("momentum", "weight_decay", "warmup", "plateau_patience", "patience"):
            if getattr(self, name) is not None and not 0 <= getattr(self, name) < math.inf:
                raise SettingError(f"{name} must be 0 or more, got {getattr(self, name):g}")
        if self.clip is not None and not 0 < self.clip < math.inf:
            raise SettingError(f"clip must be positive, or null for none, got {self.clip:g}")
        factors = {f"rates.{part} must be 0 (frozen)": rate for part, rate in self.rates.items()}
        factors |= {f"weights.{task} must be 0": weight for task, weight in self.weights.items()}
        for words, factor in factors.items():
            if not 0 <= factor < math.inf:
                raise SettingError(f"{words} or more, got {factor:g}")
        kinds = [type(keep).__name__ for keep in self.keep]
        if len(set(kinds)) < len(kinds):  # they would share their streams, and the names of their losses
            raise SettingError(f"keep has more than one of a kind ({', '.join(kinds)}); leave one of each")
        if self.keep and all(keep.silent for keep in self.keep):
            raise SettingError(
                f"keep: {' and '.join(kinds)} as it is set adds no loss, so nothing would be kept; Replay needs labels "
                "or a Distill beside it, and each a weight above 0"
            )
        if not 0 <= self.mixing <= 1:
            raise SettingError(f"mixing must lie between 0 and 1, got {self.mixing:g}")
        if self.ema is not None and not 0 < self.ema < 1:
            raise SettingError(f"ema must lie between 0 and 1, got {self.ema:g}")


def check_tasks(stages: Sequence[Stage], tasks: Collection[str]) -> None:
    """Refuse stages that name tasks which do not exist or do not learn, so that no setting is without effect.

    Raises:
        PolyheadError: for the first such name, with its place; where there is no such task, with the nearest.
    """
    for number, stage in enumerate(stages):
        named: dict[str, Collection[str]] = {"tasks": stage.tasks or (), "weights": stage.weights}
        named |= {f"keep.{place}.weights": keep.named() for place, keep in enumerate(stage.keep)}
        for setting, names in named.items():
            for task in names:
                if task not in tasks:
                    near = suggest(task, tasks)
                    raise PolyheadError(f"stages.{number}.{setting}: there is no task {task!r}{near}")
        if stage.weights and stage.balance == "uncertainty":
            raise PolyheadError(
                f"stages.{number}.weights: balance: uncertainty learns how much each task counts; leave one of them out"
            )
        older = learnt(stages[: number + 1], tasks) - set(stage.tasks or tasks)
        for place, keep in enumerate(stage.keep):
            for task in keep.named():
                if task not in older:
                    raise PolyheadError(
                        f"stages.{number}.keep.{place}.weights: {task!r} is no older task here, so there is nothing of "
                        f"it to keep; older ones: {', '.join(sorted(older)) or 'none'}"
                    )
        for task in stage.weights:
            if task not in (stage.tasks or tasks):
                raise PolyheadError(
                    f"stages.{number}.weights: {task!r} does not learn in this stage, so it has no loss to weigh; what "
                    "holds older tasks has weights of its own under keep"
                )


def learnt(stages: Sequence[Stage], tasks: Collection[str]) -> set[str]:
    """The tasks that these stages teach, or whose heads they begin with."""
    taught = {task for stage in stages for task in (stage.tasks or tasks)}
    begun = {part for stage in stages for part in stage.init}
    return taught | (set(tasks) if "heads" in begun else {part.removeprefix("heads.") for part in begun})


def check_taught(stages: Sequence[Stage], tasks: Collection[str]) -> None:
    """Refuse a task that no stage teaches, and whose head begins with no weights: it would be measured, and kept.

    Raises:
        PolyheadError: for the first such task.
    """
    known = learnt(stages, tasks)
    for task in tasks:
        if task not in known:
            raise PolyheadError(
                f"data.{task}: no stage teaches it; name it in the tasks of a stage, or leave it out (data.{task}=null)"
            )
