"""Inputs of a network: a tensor, or named tensors, whose first axis is the batch."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from polyhead.types import Inputs


def shapes(inputs: Inputs) -> tuple[tuple[object, ...], ...]:
    """Return the name and the shape of each tensor without the batch axis; inputs with equal ones can be joined."""
    return tuple((name, *value.shape[1:]) for name, value in sorted(_named(inputs).items()))


def count(inputs: Inputs) -> int:
    """Return the number of samples."""
    return next(iter(_named(inputs).values())).shape[0]


def join(parts: Sequence[Inputs]) -> Inputs:
    """Concatenate inputs with equal :func:`shapes` along the batch axis."""
    if isinstance(parts[0], Tensor):
        return torch.cat([cast(Tensor, each) for each in parts])
    return {name: torch.cat([_named(each)[name] for each in parts]) for name in parts[0]}


def batches(inputs: Inputs, most: int) -> list[Inputs]:
    """Split inputs into batches of at most ``most`` samples."""
    if isinstance(inputs, Tensor):
        return list(torch.split(inputs, most))
    columns = {name: torch.split(value, most) for name, value in inputs.items()}
    return [dict(zip(columns, parts, strict=True)) for parts in zip(*columns.values(), strict=True)]


def device_of(inputs: Inputs) -> torch.device:
    """Return the device of the tensors."""
    return next(iter(_named(inputs).values())).device


def to_device(inputs: Inputs, device: torch.device | str) -> Inputs:
    """Move inputs to a device; images ``[b, c, h, w]`` become channels-last, like the layers that read them."""
    if isinstance(inputs, Tensor):
        return _moved(inputs, device)
    return {name: _moved(value, device) for name, value in inputs.items()}


def _moved(tensor: Tensor, device: torch.device | str) -> Tensor:
    moved = tensor.to(device)
    return moved.contiguous(memory_format=torch.channels_last) if moved.ndim == 4 else moved


def _named(inputs: Inputs) -> dict[str, Tensor]:
    return {"": inputs} if isinstance(inputs, Tensor) else inputs
