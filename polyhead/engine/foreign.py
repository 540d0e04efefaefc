"""Prepare a model for training whose weights came from elsewhere, and check that it can be trained."""

from collections.abc import Iterator, Mapping
from copy import deepcopy

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from polyhead.contracts.task import Task
from polyhead.nets.calibrate import recalibrate
from polyhead.nets.checked import losses_of
from polyhead.nets.model import Model
from polyhead.rng import fork_rng
from polyhead.types import Batch, Inputs

IMAGES = 96
"""Training samples of each task from which missing statistics are computed."""
BATCH = 16
MOST = 2.0
"""Change of the loss, as a factor, above which batch norms are reported."""


def restore_norms(model: Model, tasks: Mapping[str, Task], seed: int) -> str | None:
    """Give batch norms that were folded the statistics of training samples (:mod:`polyhead.nets.calibrate`).

    Args:
        model: the model; what it computes in evaluation stays the same.
        tasks: the tasks whose samples are used.
        seed: seed of the run.

    Returns:
        A line for the log; None where there was nothing to do.
    """
    was_training = model.training
    model.eval()
    with fork_rng(seed, "statistics"):
        count = recalibrate(model, _inputs(tasks))
    model.train(was_training)
    if not count:
        return None
    return (
        f"{count} batch norms of the weights file had no statistics, because they were folded into the convolutions; "
        f"they were computed from up to {IMAGES} training images"
    )


def _inputs(tasks: Mapping[str, Task]) -> Iterator[tuple[str, Inputs]]:
    """Yield inputs of each task, as in evaluation, of training samples that are spread over the set."""
    for name, task in tasks.items():
        count = min(IMAGES, len(task))
        spread = [index * len(task) // count for index in range(count)]
        for batch in task.subset(spread, BATCH).evaluation("train"):
            yield name, batch.inputs


@torch.no_grad()
def norm_warning(model: Model, tasks: Mapping[str, Task], seed: int) -> str | None:
    """Return a warning if batch norms that are about to be trained change the loss much: their statistics are wrong.

    The loss of one batch is computed with batch norms as in evaluation, and with those in training mode that have
    statistics. New batch norms have none yet, so they are left out. Nothing is changed.

    Args:
        model: the model, with its parts in the modes of the stage.
        tasks: the tasks that the stage trains.
        seed: seed of the run.
    """
    names = [name for name, module in model.named_modules() if module.training and _has_statistics(module)]
    if not names:
        return None
    copied = deepcopy(model).eval()
    with fork_rng(seed, "statistics"):
        batches = {
            name: next(iter(task.subset(range(min(BATCH, len(task))), BATCH).evaluation("train")))
            for name, task in tasks.items()
        }
        before = _loss(copied, batches)
        for name in names:
            copied.get_submodule(name).train()
        after = _loss(copied, batches)
    if max(before, after) <= MOST * min(before, after):
        return None
    return (
        f"Warning: in training mode, the batch norms change the loss of the first batch from {before:.3g} to "
        f"{after:.3g}. Their statistics are not those of these images, so the pretrained weights may be lost at once. "
        "Check how the images are normalized, or set freeze_bn_stats: true."
    )


def _has_statistics(module: nn.Module) -> bool:
    """Return whether a module is a batch norm with other statistics than those of a new one."""
    if not isinstance(module, _BatchNorm) or module.running_mean is None or module.running_var is None:
        return False
    return bool(module.running_mean.any()) or bool((module.running_var != 1).any())


def _loss(model: Model, batches: Mapping[str, Batch]) -> float:
    """Return the sum of all losses of all tasks."""
    features = model.features({task: batch.inputs for task, batch in batches.items()})
    heads = {task: model.head(task) for task in batches}
    terms = [
        term
        for task, head in heads.items()
        for term in losses_of(head, head(features[task]), batches[task], 0.0, ()).values()
    ]
    return float(torch.stack([term.value for term in terms]).sum())
