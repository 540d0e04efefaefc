"""Read weights files of timm networks."""

import json
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from polyhead.checkpoint import compare
from polyhead.errors import PolyheadError, few
from polyhead.nets.backbones.yolov4 import load_darknet
from polyhead.nets.darknet_files import is_darknet

_UNREADABLE = (SafetensorError, OSError, RuntimeError, EOFError, ValueError, TypeError, LookupError, UnpicklingError)
"""What the libraries raise for damaged files."""

COUNTER = ".num_batches_tracked"
"""Ends the names of counters that batch norm does not need; files of other programs leave them out."""


def load(net: Any, path: Path) -> dict[str, list[float]]:
    """Load a weights file into a timm network.

    The classifier may differ or be absent, and counters of batch norm may be absent; every other tensor must be present
    with the right shape. Files of Darknet are read by their order (:mod:`polyhead.nets.backbones.yolov4`).

    Returns:
        ``mean`` and ``std`` where the file has them.

    Raises:
        PolyheadError: if the file cannot be read or a tensor is missing, unexpected or of another shape.
    """
    if is_darknet(path):
        return load_darknet(net, path)
    state, normalization = read(path)
    expected = net.state_dict()
    heads = classifier_prefixes(net)
    state = {key: value for key, value in state.items() if not key.startswith(heads)}
    expected = {key: value for key, value in expected.items() if not key.startswith(heads)}
    name = net.pretrained_cfg.get("architecture", type(net).__name__)
    check_fits(state, expected, path, f"timm's {name!r}", "timm's key names")
    net.load_state_dict(state, strict=False)
    return normalization


def check_fits(
    state: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path, network: str, names: str
) -> None:
    """Check that a weights file has the tensors of a network; counters of batch norm may be absent.

    Args:
        state: the tensors of the file.
        expected: those of the network.
        path: the file, for the error message.
        network: name of the network, likewise.
        names: whose names of tensors are expected, likewise.

    Raises:
        PolyheadError: if a tensor is missing, unexpected or of another shape.
    """
    missing, unexpected, reshaped = compare(state, expected)
    faults = [f"{key} is missing" for key in missing if not key.endswith(COUNTER)]
    faults += [f"{key} is not part of the network" for key in unexpected]
    faults += [f"{key} has shape {list(state[key].shape)} instead of {list(expected[key].shape)}" for key in reshaped]
    if faults:
        raise PolyheadError(
            f"{path} does not contain weights of {network}: {few(faults, 3, '; ')}. "
            f"Use a file of this network with {names}."
        )


def classifier_prefixes(net: Any) -> tuple[str, ...]:
    """Return how the names of the tensors of a timm network's classifier begin."""
    heads = net.pretrained_cfg.get("classifier") or ()
    return tuple(f"{head}." for head in ([heads] if isinstance(heads, str) else heads))


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, list[float]]]:
    """Read the tensors of a safetensors or pth file, and ``mean`` and ``std`` where its metadata has them.

    Raises:
        PolyheadError: if the file cannot be read or is not a state dict.
    """
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                normalization = {key: json.loads(metadata[key]) for key in ("mean", "std") if key in metadata}
                return {key: file.get_tensor(key) for key in file.keys()}, normalization  # noqa: SIM118  # not a mapping
        return _state_dict(path, "cpu"), {}
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Read the shape of each tensor of a safetensors or pth file; of safetensors, only the header is read.

    Raises:
        PolyheadError: if the file cannot be read or is not a state dict.
    """
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
        return {key: tuple(value.shape) for key, value in _state_dict(path, "meta").items()}
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error


def _state_dict(path: Path, device: str) -> dict[str, Tensor]:
    """Read the state dict of a pth file; it may be the entry ``state_dict`` or ``model`` of a larger one."""
    state = torch.load(path, map_location=device, weights_only=True)
    for entry in ("state_dict", "model"):
        state = state.get(entry, state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise PolyheadError(f"{path} is not a dictionary of tensors. Use the state dict of a network.")
    return state


def _unreadable(path: Path, error: Exception) -> PolyheadError:
    reason = type(error).__name__  # torch's message recommends to let the file run code
    return PolyheadError(f"{path} cannot be read as weights ({reason}). Use a safetensors or pth file.")
