"""Any timm network as a backbone."""

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
from polyhead.nets.precision import spare_depthwise
from polyhead.paths import WEIGHTS, find
from polyhead.types import Pyramid

HUB = "hub"
RGB = "RGB"


class Timm(Backbone):
    """A timm network, its levels picked by stride; nothing is downloaded unless ``weights="hub"``.

    Pictures are normalised with the weights' own mean and standard deviation. Both are buffers, so they travel with the
    weights that a training leaves behind. They come from the arguments, else from the weights file (safetensors
    metadata ``mean`` and ``std``, JSON lists), else from timm's settings of the network.

    Args:
        name: any name that timm knows.
        weights: None for random ones, ``"hub"`` for those that timm downloads, or a safetensors or pth file with timm's
            key names, looked up in the current folder, ``$POLYHEAD_WEIGHTS`` and the user's cache folder.
        strides: the levels to take; where a network has several of one stride, the deepest.
        last_conv: let the last level go through the convolution before the classifier (EfficientNet-B0: 1280 channels);
            None does so where there is one.
        mean: of each colour, for pictures in 0..1.
        std: of each colour, for pictures in 0..1.
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
        whole = create(name, hub=weights == HUB)
        told = load(whole, find(weights, WEIGHTS)) if weights not in {None, HUB} else {}
        picked = pick(whole, strides, name)
        source = {"state_dict": whole.state_dict()}
        with quiet():
            self.net = timm.create_model(
                name, pretrained=True, pretrained_cfg_overlay=source, features_only=True, out_indices=picked
            )
        self.net.default_cfg = self.net.pretrained_cfg = {}  # timm keeps the tensors that it was given here
        self.channels = list(self.net.feature_info.channels())
        self.strides = list(self.net.feature_info.reduction())
        self.last = None if last_conv is False else last_convolution(whole, self.channels[-1])
        if last_conv and self.last is None:
            raise PolyheadError(f"{name!r} has no convolution before its classifier; set model.last_conv=false")
        if self.last is not None:
            self.channels[-1] = whole.conv_head.out_channels
        self.last_axis = str(getattr(self.net, "output_fmt", "NCHW")).endswith("NHWC")
        settings = timm.get_pretrained_cfg(name)
        for key, given in (("mean", mean), ("std", std)):
            value = given or told.get(key) or getattr(settings, key)
            if len(value) != len(RGB):
                raise SettingError(f"{key}: expected three numbers of 0..1, one for each of {RGB}, got {list(value)}")
            self.register_buffer(key, 255 * torch.tensor(list(value), dtype=torch.float32).view(1, 3, 1, 1))
        spare_depthwise(self)

    def forward(self, inputs: Tensor) -> Pyramid:
        """Pictures ``[b, 3, h, w]``, uint8 or float in 0..255."""
        pictures = inputs.to(self.mean.dtype, memory_format=torch.channels_last)
        levels = self.net((pictures - self.mean) / self.std)
        if self.last_axis:
            levels = [level.permute(0, 3, 1, 2) for level in levels]
        if self.last is not None:
            levels[-1] = self.last(levels[-1])
        return Pyramid(levels, (inputs.shape[-2], inputs.shape[-1]))


def create(name: str, *, hub: bool) -> Any:
    """A network of timm with its classifier; with random weights, or those that timm downloads."""
    try:
        return timm.create_model(name, pretrained=hub)
    except OSError as error:
        why = str(error).strip().splitlines()[0]
        raise PolyheadError(
            f"weights=hub: those of {name!r} could not be downloaded ({why}); give a file, or null for random ones"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Without timm's warning that the levels leave out the layers behind them: they are meant to."""
    logger = logging.getLogger("timm.models._builder")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def pick(whole: Any, strides: Sequence[int], name: str) -> list[int]:
    """Which of timm's levels have these strides."""
    deepest = {level["reduction"]: index for index, level in enumerate(whole.feature_info)}
    missing = [stride for stride in strides if stride not in deepest]
    if missing:
        raise PolyheadError(f"{name!r} has levels of strides {list(deepest)}, not {missing}; choose strides among them")
    return [deepest[stride] for stride in sorted(strides)]


def last_convolution(whole: Any, channels: int) -> nn.Sequential | None:
    """The layers between the last level and the classifier of EfficientNet-like networks, where there are any."""
    if not hasattr(whole, "conv_head") or whole.conv_head.in_channels != channels:  # GhostNet's stands elsewhere
        return None
    parts = [part for part in ("conv_head", "norm_head", "bn2", "act2") if hasattr(whole, part)]
    return nn.Sequential(OrderedDict((part, getattr(whole, part)) for part in parts))


def load(net: Any, path: Path) -> dict[str, list[float]]:
    """Fill a whole timm network from a file, and give back what the file tells of its mean and std.

    The classifier may differ or be absent; every other tensor must be there with the right shape.
    """
    state, told = read(path)
    expected = net.state_dict()
    heads = net.pretrained_cfg.get("classifier") or ()
    heads = tuple(f"{head}." for head in ([heads] if isinstance(heads, str) else heads))
    state = {key: value for key, value in state.items() if not key.startswith(heads)}
    wanted = {key: value for key, value in expected.items() if not key.startswith(heads)}
    faults = [f"{key} is missing" for key in wanted if key not in state]
    faults += [f"{key} is not part of the network" for key in state if key not in wanted]
    faults += [
        f"{key} has shape {list(state[key].shape)} instead of {list(value.shape)}"
        for key, value in wanted.items()
        if key in state and state[key].shape != value.shape
    ]
    if faults:
        name = net.pretrained_cfg.get("architecture", type(net).__name__)
        raise PolyheadError(
            f"{path} does not hold weights of timm's {name!r}: {few(faults, 3, '; ')}; "
            "give the network's own file, with timm's key names"
        )
    net.load_state_dict(state, strict=False)
    return told


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, list[float]]]:
    """Tensors of a safetensors or pth file, and its ``mean`` and ``std`` where its metadata has them."""
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                notes = file.metadata() or {}
                told = {key: json.loads(notes[key]) for key in ("mean", "std") if key in notes}
                return {key: file.get_tensor(key) for key in file.keys()}, told  # noqa: SIM118  # not a mapping
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError, UnpicklingError) as error:
        reason = type(error).__name__  # torch's own words advise to let the file run code
        raise PolyheadError(f"{path} cannot be read as weights ({reason}); give a safetensors or pth file") from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise PolyheadError(f"{path} holds no tensors by name; give the state dict of a network")
    return state, {}
