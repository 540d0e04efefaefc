"""Optimizer parameter groups, freezing and base learning rates."""

from collections.abc import Iterable, Mapping

from torch import nn, optim
from torch.nn.modules.batchnorm import _BatchNorm

from polyhead.engine.stage import Stage
from polyhead.errors import PolyheadError, suggest
from polyhead.nets.model import Model

LR = 1e-3
"""Base learning rate where none is set."""
PRETRAINED_LR = 1e-4
"""The same for heads that know their classes already: with five times as much, they forget them in eight steps."""


def lr_mult_of(name: str, lr_mult: Mapping[str, float]) -> float:
    """Return the learning rate factor of a parameter or module, by its path.

    That is the factor of the longest part name that contains it, or 1 where no part does.
    """
    matching = [part for part in lr_mult if name == part or name.startswith(part + ".")]
    return lr_mult[max(matching, key=len)] if matching else 1.0


def part_names(model: nn.Module) -> list[str]:
    """Return every name that ``lr_mult`` and ``init`` may use: the paths of all modules."""
    return [name for name, _ in model.named_modules() if name]


def check_parts(model: nn.Module, parts: Iterable[str], setting: str) -> None:
    """Check that every part exists in the model, so that a typo cannot train a part that should be frozen.

    Raises:
        PolyheadError: for the first unknown part, with the nearest known name.
    """
    known = set(part_names(model))
    for part in parts:
        if part not in known:
            near = suggest(part, [name for name in known if name.count(".") <= max(1, part.count("."))])
            raise PolyheadError(f"{setting}: the model has no part {part!r}{near}")


def stage_lr_mult(model: Model, stage: Stage, tasks: Iterable[str]) -> dict[str, float]:
    """Return the stage's ``lr_mult``, with 0 for the heads of tasks that it does not train and does not name."""
    check_parts(model, stage.lr_mult, "lr_mult")
    trained = set(tasks)
    return {**{f"heads.{task}": 0.0 for task in model.heads if task not in trained}, **stage.lr_mult}


def freeze(model: nn.Module, lr_mult: Mapping[str, float], trained: Iterable[str] | None = None) -> None:
    """Freeze every part with ``lr_mult`` 0 (no gradient, eval mode) and unfreeze every other part.

    Args:
        model: the model to change.
        lr_mult: learning rate factor per part.
        trained: None, or the tasks in training: batch norm statistics are then fixed everywhere except in their heads,
            whatever the ``lr_mult``. Dropout is off in the other heads, because it would keep them from ever matching
            a distillation teacher.
    """
    free = None if trained is None else tuple(f"heads.{task}." for task in trained)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(lr_mult_of(name, lr_mult) > 0)
    for name, module in model.named_modules():
        factor = lr_mult_of(name, lr_mult) if name else 1.0  # the model itself, named "", is in training
        module.training = factor > 0
        if free is None or name.startswith(free):
            continue
        if isinstance(module, _BatchNorm) or (isinstance(module, nn.Dropout) and name.startswith("heads.")):
            module.training = False


def optimizer_of(model: Model, stage: Stage, lr_mult: Mapping[str, float], *, fused: bool) -> optim.Optimizer:
    """Build the optimizer, with one parameter group per ``lr_mult`` and weight decay.

    ``group["base"]`` stores the group's learning rate before the schedule's factor.

    Args:
        model: the model to train.
        stage: the settings.
        lr_mult: learning rate factor per part; parts with factor 0 are in no group.
        fused: whether to use the fused implementation. Lightning refuses to clip gradients with it under mixed
            precision.

    Raises:
        PolyheadError: when every part is frozen.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        factor = lr_mult_of(name, lr_mult)
        if factor > 0:
            decays = parameter.ndim > 1  # biases and the parameters of normalization layers are vectors
            groups.setdefault((factor, decays), []).append(parameter)
    if not groups:
        raise PolyheadError("lr_mult: every part of the model is frozen. Give at least one part a factor above 0.")
    lr = base_lr(model, stage)
    settings = [
        {
            "params": parameters,
            "lr": lr * factor,
            "base": lr * factor,
            "weight_decay": stage.weight_decay if decays else 0.0,
        }
        for (factor, decays), parameters in groups.items()
    ]
    if stage.optimizer == "sgd":
        return optim.SGD(settings, momentum=stage.momentum, nesterov=stage.momentum > 0, fused=fused)
    return optim.AdamW(settings, fused=fused)


def base_lr(model: Model, stage: Stage) -> float:
    """Return the base learning rate of a stage; see :attr:`polyhead.engine.stage.Stage.lr`."""
    if stage.lr is not None:
        return stage.lr
    heads = {task: head for task, head in model.heads.items() if stage.tasks is None or task in stage.tasks}
    return PRETRAINED_LR if any(head.known for head in heads.values()) else LR


def accumulation_factor(batch_idx: int, steps: int, accumulate: int) -> float:
    """Return the factor of a batch's loss for which the gradient of its optimizer step is a mean over its batches.

    Lightning divides every loss by ``accumulate``, but the last optimizer step of an epoch may have fewer batches. All
    batches of a task have the same number of samples.

    Args:
        batch_idx: index of the batch within the epoch.
        steps: batches per epoch.
        accumulate: batches per optimizer step.

    Returns:
        Exactly 1 where the optimizer step has ``accumulate`` batches, else a larger number.
    """
    first = batch_idx - batch_idx % accumulate  # of the batches of this optimizer step
    return accumulate / min(accumulate, steps - first)
