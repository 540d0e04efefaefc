"""Batch norms whose statistics are missing, because they were folded into the convolutions before them.

Programs that convert networks multiply a convolution by the batch norm after it, and leave a neutral norm: mean 0 and a
variance with which it divides by 1. In evaluation the network is the same. In training, where the norm divides by the
deviation of the batch, everything that the network knows is lost in the first step.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from polyhead.nets.model import Model
from polyhead.types import Inputs

TOLERANCE = 1e-6
"""Less than the smallest eps in use, by which the variance of a new batch norm is too large."""


def folded_norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    """Return the batch norms that subtract nothing and divide by exactly 1; new ones divide by a little more."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    return [norm for norm in norms if _is_folded(norm)]


def _is_folded(norm: nn.BatchNorm2d) -> bool:
    if norm.running_mean is None or norm.running_var is None:
        return False
    return not bool(norm.running_mean.any()) and bool(((norm.running_var + norm.eps - 1).abs() < TOLERANCE).all())


@torch.no_grad()
def recalibrate(model: Model, batches: Iterable[tuple[str, Inputs]]) -> int:
    """Give folded batch norms the statistics of their inputs, without changing what the network computes.

    Args:
        model: the model, in evaluation mode.
        batches: inputs of its tasks, with the task's name.

    Returns:
        How many batch norms were changed.
    """
    norms = folded_norms(model)
    if not norms:
        return 0
    with _moments(norms) as moments:
        for task, inputs in batches:
            model.head(task)(model.trunk(inputs, task))
    for norm in norms:
        if norm in moments:
            count, total, squares = moments[norm]
            mean = total / count  # [c]
            _set_statistics(norm, mean, squares / count - mean.square())
    return len(moments)


@contextmanager
def _moments(norms: Iterable[nn.BatchNorm2d]) -> Iterator[dict[nn.Module, tuple[int, Tensor, Tensor]]]:
    """Collect the number of values, their sum and the sum of their squares of each norm's inputs, in float64."""
    found: dict[nn.Module, tuple[int, Tensor, Tensor]] = {}

    def add(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0].double().transpose(0, 1).flatten(1)  # [b, c, h, w] -> [c, b * h * w]
        count, total, squares = found.get(norm, (0, 0.0, 0.0))
        found[norm] = count + values.shape[1], total + values.sum(1), squares + values.square().sum(1)

    hooks = [norm.register_forward_pre_hook(add) for norm in norms]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _set_statistics(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    """Set mean and variance ``[c]``, and change weight and bias so that the norm computes the same."""
    old_mean, old_variance = _buffers(norm)
    factor = norm.weight / (old_variance + norm.eps).sqrt()  # [c]: output per input, before and after
    shift = norm.bias - factor * old_mean
    old_mean.copy_(mean)
    old_variance.copy_(variance.clamp(min=0))
    norm.weight.copy_(factor * (old_variance + norm.eps).sqrt())
    norm.bias.copy_(shift + factor * old_mean)


def _buffers(norm: Any) -> tuple[Tensor, Tensor]:
    """Return running mean and variance."""
    return norm.running_mean, norm.running_var
