"""Where bfloat16 costs more than it saves."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn


def spare_depthwise(model: nn.Module) -> None:
    """Let slow depthwise convolutions train in float32 under CPU autocast.

    On CPUs the backward pass of a depthwise convolution in bfloat16 is up to fourteen times slower than in float32 when
    its stride is above 1 or its kernel above 3: enough to make EfficientNet train slower in bfloat16 than in float32.
    Where no gradient is wanted nothing changes, as the forward pass is faster in bfloat16.
    """
    for conv in model.modules():
        if isinstance(conv, nn.Conv2d) and 1 < conv.in_channels == conv.groups and _slow(conv):
            conv.forward = partial(_forward, conv, conv.forward)  # type: ignore[method-assign]


def _slow(conv: nn.Conv2d) -> bool:
    return max(conv.stride) > 1 or max(conv.kernel_size) > 3


def _forward(conv: nn.Conv2d, forward: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    learning = torch.is_grad_enabled() and (inputs.requires_grad or conv.weight.requires_grad)
    if learning and inputs.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            return forward(inputs.float())
    return forward(inputs)
