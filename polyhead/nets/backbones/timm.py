"""A backbone for any timm network that has levels of several strides."""

import logging
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import timm
from torch import Tensor, nn

from polyhead.errors import PolyheadError
from polyhead.nets.backbones import yolov4
from polyhead.nets.backbones.networks import create, skeleton
from polyhead.nets.backbones.normalized import Normalized, pad_to_multiple
from polyhead.nets.backbones.weights import load
from polyhead.nets.darknet_files import is_darknet
from polyhead.nets.precision import depthwise_in_float32
from polyhead.paths import HUB, WEIGHTS, find
from polyhead.types import Pyramid


class Timm(Normalized):
    """A timm network whose levels are selected by stride; nothing is downloaded unless ``weights="hub"``.

    Networks without such levels, such as plain vision transformers, are for :class:`~polyhead.nets.backbones.vit.Vit`.

    Images are normalized with the mean and standard deviation of the weights. Both are buffers, so the weights files of
    a run contain them. They come from the arguments, else from the weights file (safetensors metadata ``mean`` and
    ``std``, JSON lists), else from timm's settings of the network.

    Args:
        name: timm's name of the network.
        weights: None for random weights, ``"hub"`` to download timm's, or a safetensors or pth file with timm's key
            names, looked up in the current folder, ``$POLYHEAD_WEIGHTS`` and the user's cache folder; for
            ``cspdarknet53``, also YOLOv4's Darknet file (:mod:`polyhead.nets.backbones.yolov4`).
        strides: strides of the levels to use; if several levels have the same stride, the deepest is used.
        last_conv: whether the last level goes through the convolution before the classifier (EfficientNet-B0: 1280
            channels); None uses it if the network has one.
        mean: mean of each color channel, for images in 0..1.
        std: standard deviation of each color channel, for images in 0..1.

    Raises:
        PolyheadError: if the network, a stride or ``last_conv`` does not exist, or the weights cannot be loaded.
        SettingError: if mean or std are not three numbers.
    """

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
        full = create(name, hub=weights == HUB)
        file = None if weights is None or weights == HUB else find(weights, WEIGHTS)
        from_file = {} if file is None else load(full, file)
        indices = level_indices(full, strides, name)
        source = {"state_dict": full.state_dict()}
        settings: dict[str, Any] = {"features_only": True, "out_indices": indices, **skeleton(name).settings}
        with timm_warnings_silenced():
            self.net = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=source, **settings)
        self.net.default_cfg = self.net.pretrained_cfg = {}  # else timm keeps a second reference to all tensors here
        self.channels = list(self.net.feature_info.channels())
        self.strides = list(self.net.feature_info.reduction())
        self.last = None if last_conv is False else last_convolution(full, self.channels[-1])
        if last_conv and self.last is None:
            raise PolyheadError(f"{name!r} has no convolution before its classifier. Set model.last_conv=false.")
        if self.last is not None:
            self.channels[-1] = full.conv_head.out_channels
        self.multiple = max(full.patch_embed.patch_size) if skeleton(name).settings else 1
        self.last_axis = str(getattr(self.net, "output_fmt", "NCHW")).endswith("NHWC")
        self.set_normalization(name, mean, std, from_file)
        if file is not None and is_darknet(file):
            yolov4.check_not_normalized(self)
        if name == yolov4.NETWORK:
            yolov4.follow_normalization(self)
        depthwise_in_float32(self)

    def forward(self, inputs: Tensor) -> Pyramid:
        """Compute the levels of images ``[b, 3, h, w]``, uint8 or float in 0..255."""
        images = self.normalize(inputs)
        if self.multiple > 1:  # Swin transformers refuse images that are not a whole number of patches
            images = pad_to_multiple(images, self.multiple)
        levels = self.net(images)
        if self.last_axis:
            levels = [level.permute(0, 3, 1, 2) for level in levels]  # [b, h, w, c] -> [b, c, h, w]
        if self.last is not None:
            levels[-1] = self.last(levels[-1])
        return Pyramid(levels, (inputs.shape[-2], inputs.shape[-1]))


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
