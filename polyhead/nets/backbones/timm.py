"""A backbone for any timm network."""

import json
import logging
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import timm
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from polyhead.contracts.network import Backbone
from polyhead.errors import PolyheadError, SettingError, few, suggest
from polyhead.nets.precision import depthwise_in_float32
from polyhead.paths import WEIGHTS, find
from polyhead.types import Pyramid

HUB = "hub"
RGB = "RGB"


class Timm(Backbone):
    """A timm network whose levels are selected by stride; nothing is downloaded unless ``weights="hub"``.

    Images are normalized with the mean and standard deviation of the weights. Both are buffers, so the weights files of
    a run contain them. They come from the arguments, else from the weights file (safetensors metadata ``mean`` and
    ``std``, JSON lists), else from timm's settings of the network.

    Args:
        name: timm's name of the network.
        weights: None for random weights, ``"hub"`` to download timm's, or a safetensors or pth file with timm's key
            names, looked up in the current folder, ``$POLYHEAD_WEIGHTS`` and the user's cache folder.
        strides: strides of the levels to use; if several levels have the same stride, the deepest is used.
        last_conv: whether the last level goes through the convolution before the classifier (EfficientNet-B0: 1280
            channels); None uses it if the network has one.
        mean: mean of each color channel, for images in 0..1.
        std: standard deviation of each color channel, for images in 0..1.

    Raises:
        PolyheadError: if the network, a stride or ``last_conv`` does not exist, or the weights cannot be loaded.
        SettingError: if mean or std are not three numbers.
    """

    mean: Tensor
    std: Tensor
    net: Any  # timm's wrappers share no class
    last: nn.Sequential | None

    def __init__(
        self,
        name: str,
        weights: str | None = None,
        strides: Sequence[int] = (8, 16, 32),
        *,
        last_conv: bool | None = False,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if not timm.is_model(name):
            raise PolyheadError(f"timm has no network {name!r}{suggest(name, timm.list_models())}")
        full = create(name, hub=weights == HUB)
        from_file = load(full, find(weights, WEIGHTS)) if weights not in {None, HUB} else {}
        indices = level_indices(full, strides, name)
        source = {"state_dict": full.state_dict()}
        with timm_warnings_silenced():
            self.net = timm.create_model(
                name, pretrained=True, pretrained_cfg_overlay=source, features_only=True, out_indices=indices
            )
        self.net.default_cfg = self.net.pretrained_cfg = {}  # else timm keeps a second reference to all tensors here
        self.channels = list(self.net.feature_info.channels())
        self.strides = list(self.net.feature_info.reduction())
        self.last = None if last_conv is False else last_convolution(full, self.channels[-1])
        if last_conv and self.last is None:
            raise PolyheadError(f"{name!r} has no convolution before its classifier. Set model.last_conv=false.")
        if self.last is not None:
            self.channels[-1] = full.conv_head.out_channels
        self.last_axis = str(getattr(self.net, "output_fmt", "NCHW")).endswith("NHWC")
        settings = timm.get_pretrained_cfg(name)
        for key, given in (("mean", mean), ("std", std)):
            value = given or from_file.get(key) or getattr(settings, key)
            if len(value) != len(RGB):
                raise SettingError(f"{key}: expected three numbers of 0..1, one for each of {RGB}, got {list(value)}")
            # Scaled to images in 0..255, shape [1, 3, 1, 1].
            self.register_buffer(key, 255 * torch.tensor(list(value), dtype=torch.float32).view(1, 3, 1, 1))
        depthwise_in_float32(self)

    def forward(self, inputs: Tensor) -> Pyramid:
        """Compute the levels of images ``[b, 3, h, w]``, uint8 or float in 0..255."""
        images = inputs.to(self.mean.dtype, memory_format=torch.channels_last)
        levels = self.net((images - self.mean) / self.std)
        if self.last_axis:
            levels = [level.permute(0, 3, 1, 2) for level in levels]  # [b, h, w, c] -> [b, c, h, w]
        if self.last is not None:
            levels[-1] = self.last(levels[-1])
        return Pyramid(levels, (inputs.shape[-2], inputs.shape[-1]))


def create(name: str, *, hub: bool) -> Any:
    """Create a timm network with its classifier, with random weights or, if ``hub``, with downloaded ones.

    Raises:
        PolyheadError: if the download fails.
    """
    try:
        return timm.create_model(name, pretrained=hub)
    except OSError as error:
        why = str(error).strip().splitlines()[0]
        raise PolyheadError(
            f"weights=hub: the weights of {name!r} could not be downloaded ({why}). Use a weights file, or null for "
            "random weights."
        ) from error


@contextmanager
def timm_warnings_silenced() -> Iterator[None]:
    """Silence timm's warning about unused layers: the layers after the last level are left out on purpose."""
    logger = logging.getLogger("timm.models._builder")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def level_indices(net: Any, strides: Sequence[int], name: str) -> list[int]:
    """Return the indices of a timm network's levels that have these strides, finest first.

    Raises:
        PolyheadError: if the network has no level of one of the strides.
    """
    deepest = {level["reduction"]: index for index, level in enumerate(net.feature_info)}
    missing = [stride for stride in strides if stride not in deepest]
    if missing:
        raise PolyheadError(
            f"{name!r} has levels of strides {list(deepest)}, not {missing}. Use some of these strides."
        )
    return [deepest[stride] for stride in sorted(strides)]


def last_convolution(net: Any, channels: int) -> nn.Sequential | None:
    """Return the layers between the last level and the classifier of EfficientNet-like networks; None without them."""
    if not hasattr(net, "conv_head") or net.conv_head.in_channels != channels:  # GhostNet's is at another position
        return None
    names = [name for name in ("conv_head", "norm_head", "bn2", "act2") if hasattr(net, name)]
    return nn.Sequential(OrderedDict((name, getattr(net, name)) for name in names))


def load(net: Any, path: Path) -> dict[str, list[float]]:
    """Load a weights file into a timm network.

    The classifier may differ or be absent; every other tensor must be present with the right shape.

    Returns:
        ``mean`` and ``std`` where the file has them.

    Raises:
        PolyheadError: if the file cannot be read or a tensor is missing, unexpected or of another shape.
    """
    state, normalization = read(path)
    expected = net.state_dict()
    heads = net.pretrained_cfg.get("classifier") or ()
    heads = tuple(f"{head}." for head in ([heads] if isinstance(heads, str) else heads))
    state = {key: value for key, value in state.items() if not key.startswith(heads)}
    expected = {key: value for key, value in expected.items() if not key.startswith(heads)}
    faults = [f"{key} is missing" for key in expected if key not in state]
    faults += [f"{key} is not part of the network" for key in state if key not in expected]
    faults += [
        f"{key} has shape {list(state[key].shape)} instead of {list(value.shape)}"
        for key, value in expected.items()
        if key in state and state[key].shape != value.shape
    ]
    if faults:
        name = net.pretrained_cfg.get("architecture", type(net).__name__)
        raise PolyheadError(
            f"{path} does not contain weights of timm's {name!r}: {few(faults, 3, '; ')}. "
            "Use a file of this network with timm's key names."
        )
    net.load_state_dict(state, strict=False)
    return normalization


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
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError, UnpicklingError) as error:
        reason = type(error).__name__  # torch's message recommends to let the file run code
        raise PolyheadError(f"{path} cannot be read as weights ({reason}). Use a safetensors or pth file.") from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise PolyheadError(f"{path} is not a dictionary of tensors. Use the state dict of a network.")
    return state, {}
