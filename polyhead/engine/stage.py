"""The settings of a training stage (no torch)."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from polyhead.contracts.sizes import LARGEST
from polyhead.errors import PolyheadError, SettingError, suggest

if TYPE_CHECKING:
    from polyhead.engine.continual import ContinualLoss


@dataclass
class Stage:  # pylint: disable=too-many-instance-attributes  # each is a setting
    """Settings of one stage of training.

    Attributes:
        tasks: the tasks to train; None trains all tasks of the run. Heads of other tasks are frozen, unless ``lr_mult``
            names them.
        epochs: number of epochs. An epoch is one pass over the largest training set of the stage; smaller sets are
            repeated within it, reshuffled each time.
        epoch_scale: length of an epoch as a multiple of that pass.
        optimizer: ``sgd`` or ``adamw``.
        lr: base learning rate, which ``lr_mult`` multiplies. None is 0.001, or 0.0001 where a head that the stage
            trains knows its classes already (:attr:`polyhead.contracts.network.Head.known`), which more would undo.
        momentum: momentum of SGD (Nesterov).
        weight_decay: weight decay; not applied to biases and normalization layers.
        schedule: learning rate schedule: ``constant``, ``cosine`` (to zero), ``onecycle`` (Smith & Topin 2018: up for
            the first quarter of the steps, then down to nearly zero), ``step`` (divided by 10 after 2/3 and again after
            8/9 of the steps) or ``plateau`` (divided by 10 after ``plateau_patience`` epochs without a better val
            score).
        warmup: steps of linear warm-up at the start (not with ``onecycle``, which has its own).
        plateau_patience: epochs without a better val score before ``plateau`` lowers the learning rate.
        grad_clip_norm: maximum norm of the gradient; None disables clipping.
        accumulate: batches per optimizer step, whose gradient is their mean; the last step of an epoch may have fewer.
        lr_mult: learning rate factor per part of the model (``backbone``, ``neck.0``, ``heads.food``). The longest
            matching name applies, other parts have factor 1, and 0 freezes a part: no gradient, and fixed batch norm
            statistics.
        freeze_bn_stats: whether to fix the batch norm statistics of all parts except the heads in training, also where
            ``lr_mult`` is above 0: images of a new task then do not shift the statistics that earlier tasks rely on.
        init: weights to start from, per part: a run folder or a weights file.
        weights: loss weight of each task in training; 1 where not given.
        loss_weighting: ``fixed`` uses ``weights`` as they are. ``uncertainty`` learns a factor ``exp(-s)`` per task
            instead and adds ``s`` to the loss, so that no task is given up (Kendall, Gal & Cipolla 2018, section 3).
        mix_fraction: fraction of the stage's steps, from its start, in which images may be mixed with others (mosaic
            and similar, where the transforms of the data have them). The remaining steps use unmixed images.
        sizes: sides of square training images in pixels, such as ``[320, 416, 512]`` (multi-resolution training). Each
            step draws one of them, the same for all tasks; val and test images have the model's size. None trains at
            the model's size.
        ema: decay of the exponential moving average of the weights. The average is what is evaluated and saved; None
            disables it.
        checkpoint: the epoch whose weights the stage selects, for ``best.pt`` and for the next stage: the ``best`` by
            val score, or the ``last``. With only a few dozen val images the best epoch is random, and often comes
            before the learning rate has decayed. Where the stage before it trained the same tasks, ``best`` selects
            only epochs that are better than the weights which that stage selected.
        patience: epochs without a better val score before the stage stops early; None disables early stopping.
        val_every: epochs between validations; the last epoch is always validated.
        save_every: epochs between checkpoints that stay (``weights/epoch012-step3456-lr0.00123-val0.4567.pt``); None
            saves only the best and the last epoch.
        continual: continual losses, which protect earlier tasks.
    """

    tasks: list[str] | None = None
    epochs: int = 1
    epoch_scale: float = 1.0
    optimizer: Literal["sgd", "adamw"] = "adamw"
    lr: float | None = None
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Literal["constant", "cosine", "onecycle", "step", "plateau"] = "onecycle"
    warmup: int = 0
    plateau_patience: int = 5
    grad_clip_norm: float | None = 10.0
    accumulate: int = 1
    lr_mult: dict[str, float] = field(default_factory=dict)
    freeze_bn_stats: bool = False
    init: dict[str, str] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    loss_weighting: Literal["fixed", "uncertainty"] = "fixed"
    mix_fraction: float = 0.9
    sizes: list[int] | None = None
    ema: float | None = None
    checkpoint: Literal["best", "last"] = "best"
    patience: int | None = None
    val_every: int = 1
    save_every: int | None = None
    continual: "list[ContinualLoss]" = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.tasks is not None and not self.tasks:
            raise SettingError("tasks is empty. Name the tasks to train, or leave the key out to train all.")
        for name in ("epochs", "epoch_scale", "lr", "accumulate", "val_every", "save_every"):
            if getattr(self, name) is not None and not 0 < getattr(self, name) < math.inf:
                raise SettingError(f"{name} must be positive, got {getattr(self, name):g}")
        for name in ("momentum", "weight_decay", "warmup", "plateau_patience", "patience"):
            if getattr(self, name) is not None and not 0 <= getattr(self, name) < math.inf:
                raise SettingError(f"{name} must be 0 or more, got {getattr(self, name):g}")
        if self.grad_clip_norm is not None and not 0 < self.grad_clip_norm < math.inf:
            raise SettingError(f"grad_clip_norm must be positive, or null for no clipping, got {self.grad_clip_norm:g}")
        factors = {f"lr_mult.{part} must be 0 (frozen)": lr_mult for part, lr_mult in self.lr_mult.items()}
        factors |= {f"weights.{task} must be 0": weight for task, weight in self.weights.items()}
        for words, factor in factors.items():
            if not 0 <= factor < math.inf:
                raise SettingError(f"{words} or more, got {factor:g}")
        self._check_continual()
        if not 0 <= self.mix_fraction <= 1:
            raise SettingError(f"mix_fraction must be between 0 and 1, got {self.mix_fraction:g}")
        self._check_sizes()
        if self.ema is not None and not 0 < self.ema < 1:
            raise SettingError(f"ema must be between 0 and 1, got {self.ema:g}")

    def _check_sizes(self) -> None:
        """Check that there are sizes to draw from, and that images can have them."""
        if self.sizes is not None and not self.sizes:
            raise SettingError("sizes is empty. List the sides of the images, or leave the key out.")
        for side in self.sizes or ():
            if not 0 < side <= LARGEST:
                raise SettingError(f"sizes: expected sides of 1 to {LARGEST} pixels, got {side}")

    def _check_continual(self) -> None:
        """Check that each class of continual loss is listed once, and that at least one of them adds a loss."""
        classes = [type(loss).__name__ for loss in self.continual]
        if len(set(classes)) < len(classes):  # two of a class would share replay streams and loss names
            raise SettingError(
                f"continual: expected each class at most once, got {', '.join(classes)}. Remove the duplicates."
            )
        if self.continual and all(loss.is_noop for loss in self.continual):
            raise SettingError(
                f"continual: {' and '.join(classes)} with these settings adds no loss, so no task would be protected. "
                "Replay needs labels or a Distill next to it, and each needs a weight above 0."
            )


def check_tasks(stages: Sequence[Stage], tasks: Collection[str]) -> None:
    """Check that every task that a stage names exists and that the setting has an effect on it.

    Raises:
        PolyheadError: for the first wrong name, with the setting; for an unknown task, with the nearest known name.
    """
    for number, stage in enumerate(stages):
        settings: dict[str, Collection[str]] = {"tasks": stage.tasks or (), "weights": stage.weights}
        settings |= {f"continual.{index}.weights": loss.task_names() for index, loss in enumerate(stage.continual)}
        for setting, names in settings.items():
            for task in names:
                if task not in tasks:
                    raise PolyheadError(f"stages.{number}.{setting}: there is no task {task!r}{suggest(task, tasks)}")
        if stage.weights and stage.loss_weighting == "uncertainty":
            raise PolyheadError(
                f"stages.{number}.weights: 'loss_weighting: uncertainty' learns the weight of each task. Remove one of "
                "the two settings."
            )
        earlier = trained_tasks(stages[: number + 1], tasks) - set(stage.tasks or tasks)
        for index, loss in enumerate(stage.continual):
            for task in loss.task_names():
                if task not in earlier:
                    raise PolyheadError(
                        f"stages.{number}.continual.{index}.weights: {task!r} is not an earlier task in this stage, so "
                        f"there is nothing to protect. Earlier tasks: {', '.join(sorted(earlier)) or 'none'}"
                    )
        for task in stage.weights:
            if task not in (stage.tasks or tasks):
                raise PolyheadError(
                    f"stages.{number}.weights: {task!r} is not trained in this stage, so it has no loss to weight. To "
                    "weight the protection of an earlier task, set 'weights' of a continual loss."
                )


def largest_side(stages: Sequence[Stage]) -> int | None:
    """Return the largest side in the sizes of all stages; None if they all train at the model's size."""
    return max((side for stage in stages for side in stage.sizes or ()), default=None)


def trained_tasks(stages: Sequence[Stage], tasks: Collection[str]) -> set[str]:
    """Return the tasks that these stages train, or whose heads they load (``init``)."""
    trained = {task for stage in stages for task in (stage.tasks or tasks)}
    loaded = {part for stage in stages for part in stage.init}
    return trained | (set(tasks) if "heads" in loaded else {part.removeprefix("heads.") for part in loaded})


def check_all_trained(stages: Sequence[Stage], tasks: Collection[str]) -> None:
    """Check that every task is trained in a stage or starts from a loaded head, since every task is evaluated.

    Raises:
        PolyheadError: for the first task that is not.
    """
    trained = trained_tasks(stages, tasks)
    for task in tasks:
        if task not in trained:
            raise PolyheadError(
                f"data.{task}: no stage trains this task. Add it to the tasks of a stage, or remove it "
                f"(data.{task}=null)."
            )
