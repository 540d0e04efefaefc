"""Batch norms folded into the convolutions before them, so that inference computes the same with fewer layers.

In evaluation, batch norm multiplies and shifts each channel by constants, which the convolution before it can do.
Which batch norms follow a convolution is seen while the model runs, so any network is folded, whatever its names.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.overrides import TorchFunctionMode

from polyhead.nets.model import Model

CONVOLUTIONS = (nn.Conv2d, Conv2dSame)
"""Convolutions that use their weight as it is; subclasses may change it first."""
NORMS = (nn.BatchNorm2d, BatchNormAct2d)
"""Batch norms; timm's has an activation."""


class Pair(NamedTuple):
    """A convolution and the batch norm that takes its output."""

    conv: nn.Conv2d
    norm: nn.BatchNorm2d


def folded_copy(model: Model, run: Callable[[Model], Any]) -> Model:
    """Return a copy of a model, in evaluation mode, without the batch norms that follow a convolution.

    Parameters that folding does not change are shared with the model.

    Args:
        model: the model.
        run: runs a model on an example, with all parts that will be used.
    """
    tensors = [*model.parameters(), *model.buffers()]
    copy = deepcopy(model, {id(tensor): tensor for tensor in tensors}).eval()
    fold(copy, lambda: run(copy))
    return copy


@torch.no_grad()
def fold(model: nn.Module, run: Callable[[], Any]) -> int:
    """Fold the batch norms that follow a convolution into it.

    A convolution that is used several times, or whose output is used elsewhere too, stays as it is. Tensors that change
    are replaced, not written into.

    Args:
        model: the model, in evaluation mode.
        run: runs it on an example, with all parts that will be used.

    Returns:
        How many batch norms were folded.
    """
    pairs = _pairs(model, run)
    for conv, norm in pairs:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        conv.weight, conv.bias = fuse_conv_bn_weights(
            conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
    _replace(model, {norm: _rest(norm) for _, norm in pairs})
    return len(pairs)


def _pairs(model: nn.Module, run: Callable[[], Any]) -> list[Pair]:
    """Return the convolutions and batch norms that are used once, one directly after the other."""
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []  # in the order of computation: module, input, output
    uses = _Uses()

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        calls.append((module, inputs[0], output))
        if type(module) in CONVOLUTIONS:
            uses.counts.pop(id(output), None)  # uses of an earlier tensor with the id of this new one

    watched = [each for each in model.modules() if type(each) in (*CONVOLUTIONS, *NORMS)]
    with _hooks(watched, note), torch.inference_mode(), uses:
        run()
    used = Counter(module for module, *_ in calls)
    pairs = []
    for (conv, _, output), (norm, given, _) in pairwise(calls):
        once = used[conv] == used[norm] == uses.counts[id(output)] == 1
        if once and given is output and type(conv) in CONVOLUTIONS and _has_statistics(norm):
            assert isinstance(conv, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            pairs.append(Pair(conv, norm))
    return pairs


class _Uses(TorchFunctionMode):
    """Counts in how many computations each tensor is used, by its id."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[int] = Counter()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function, and count its tensors if it returns any; one that asks for a shape computes nothing."""
        result = func(*args, **(kwargs or {}))
        if any(True for _ in _tensors(result)):
            self.counts.update(id(each) for each in _tensors([*args, *(kwargs or {}).values()]))
        return result


def _tensors(value: Any) -> Iterator[Tensor]:
    """Yield a tensor, or those of a list or tuple."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _tensors(each)


@contextmanager
def _hooks(modules: list[nn.Module], note: Callable[[nn.Module, tuple[Any, ...], Any], None]) -> Iterator[None]:
    """Call a function after each of these modules."""
    hooks = [module.register_forward_hook(note) for module in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _has_statistics(module: nn.Module) -> bool:
    return type(module) in NORMS and getattr(module, "running_mean", None) is not None


def _rest(norm: nn.BatchNorm2d) -> nn.Module:
    """Return what is left of a batch norm: its activation, if it has one."""
    return norm.act if isinstance(norm, BatchNormAct2d) else nn.Identity()


def _replace(model: nn.Module, replaced: dict[nn.BatchNorm2d, nn.Module]) -> None:
    """Put other modules in the place of some."""
    for module in [*model.modules()]:
        for name, child in [*module.named_children()]:
            if isinstance(child, nn.BatchNorm2d) and child in replaced:
                setattr(module, name, replaced[child])
