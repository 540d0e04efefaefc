"""Batch norm that also trains on a single value per channel, such as a 1x1 map of one image."""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def allow_single_values(model: nn.Module) -> None:
    """Make all batch norms of a model use their running statistics where an input has one value per channel.

    One value has no variance, and torch raises an error. This is the case for the coarsest level of one image, so a
    model could otherwise not be trained with batches of one.
    """
    for norm in model.modules():
        if isinstance(norm, _BatchNorm) and "forward" not in vars(norm):  # else it was done before
            norm.forward = partial(_forward, norm, norm.forward)  # type: ignore[method-assign]  # of this layer only


def _forward(norm: nn.Module, forward: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    if not norm.training or inputs.numel() > inputs.shape[1]:
        return forward(inputs)
    norm.training = False
    try:
        return forward(inputs)
    finally:
        norm.training = True
