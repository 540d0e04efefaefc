"""A backbone for plain vision transformers: a simple feature pyramid is built from their last map."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from timm.layers.norm import LayerNorm2d
from torch import Tensor, nn
from torch.nn import functional as F

from polyhead.errors import PolyheadError, SettingError
from polyhead.nets.backbones.networks import create, skeleton, strides_of
from polyhead.nets.backbones.normalized import Normalized, pad_to_multiple
from polyhead.nets.backbones.weights import load
from polyhead.nets.precision import depthwise_in_float32
from polyhead.paths import HUB, WEIGHTS, find
from polyhead.types import Pyramid, Size


def map_channels(name: str) -> int:
    """Return the channels of the last map of a plain network; it is tried on an image of unusual size.

    Raises:
        PolyheadError: if the network has levels of its own, or only takes images of its own size.
    """
    net, strides = skeleton(name).net, strides_of(name)
    if len(strides) > 1:
        raise PolyheadError(f"{name!r} has levels of strides {strides}. Use the class Timm for it.")
    try:
        return int(last_map(net, torch.zeros(1, 3, 3 * strides[0], 2 * strides[0], device="meta")).shape[1])
    except (AssertionError, RuntimeError, ValueError) as error:
        own = net.pretrained_cfg.get("input_size", ())[1:]
        raise PolyheadError(
            f"backbone: {name!r} does not take images of any size (expected {' x '.join(map(str, own))} pixels). Use "
            "a network that does, such as 'vit_small_patch16_224' or 'vit_small_patch14_dinov2'."
        ) from error


def last_map(net: Any, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c h2 w2"]:
    """Compute the patch tokens after the last block and the final norm, without class and register tokens."""
    result: Tensor = net.forward_intermediates(images, indices=1, norm=True, intermediates_only=True)[0]
    return result


def remove_classifier(net: Any) -> None:
    """Remove the classifier and its pooling from a plain network.

    Networks that average the patch tokens have their final norm after the average. It is applied to each token instead.
    """
    after_pooling = getattr(net, "fc_norm", None)
    net.prune_intermediate_layers(1, prune_norm=False, prune_head=True)
    if after_pooling is not None and isinstance(net.norm, nn.Identity):
        net.norm = after_pooling


def base_stride(patch: int, strides: Sequence[int]) -> int:
    """Return the stride of the map that the levels are built from.

    That is the power of two nearest to the patch size; the patch size itself where nothing else is asked for.

    Raises:
        SettingError: if the strides are not powers of two.
    """
    if list(strides) == [patch]:
        return patch
    if any(stride < 1 or stride.bit_count() != 1 for stride in strides):
        raise SettingError(f"strides: expected powers of two, or only the patch size {patch}, got {list(strides)}")
    return 1 << round(math.log2(patch))


def level_layers(channels: int, base: int, stride: int) -> tuple[nn.Module, int]:
    """Build the layers that compute a level of the simple feature pyramid, and return them with its channels.

    Args:
        channels: channels of the map that the pyramid is built from.
        base: stride of that map.
        stride: stride of the level; ``base`` times or divided by a power of two.
    """
    if stride >= base:
        return (nn.MaxPool2d(stride // base, ceil_mode=True) if stride > base else nn.Identity()), channels
    layers: list[nn.Module] = []
    for _ in range(int(math.log2(base // stride))):
        if layers:
            layers += [LayerNorm2d(channels), nn.GELU()]
        layers.append(nn.ConvTranspose2d(channels, channels // 2, 2, stride=2))  # doubles height and width
        channels //= 2
    return nn.Sequential(*layers), channels


def cells(size: Size, stride: int) -> Size:
    """Return height and width of a level, rounded up, as those of convolutional networks with padding."""
    return -(-size[0] // stride), -(-size[1] // stride)


def crop(level: Float[Tensor, "b c h w"], shape: Size) -> Float[Tensor, "b c h2 w2"]:
    """Remove the cells on the right and at the bottom that lie in the padding."""
    return level[..., : shape[0], : shape[1]]


class Vit(Normalized):
    """A plain vision transformer of timm with a simple feature pyramid; nothing is downloaded unless ``weights="hub"``.

    A plain transformer has maps of one stride only, its patch size. The levels are built from the last one: a finer
    level with deconvolutions, that of the same stride is the map itself, a coarser level with max pooling (Li et al.
    2022, "Exploring Plain Vision Transformer Backbones for Object Detection", section 3 and figure 2). The necks of our
    models take the place of the paper's convolutions after these layers. With patches of 14 or 16 pixels and ``c``
    channels, the levels of 8, 16 and 32 pixels have ``c/2``, ``c`` and ``c`` channels.

    Images may have any size. Position embeddings are interpolated (timm's ``dynamic_img_size``). Images are padded with
    the mean color on the right and at the bottom to whole patches, and the levels are cropped to
    ``ceil(side / stride)`` cells. If the patch size is not a power of two, the last map is resized bilinearly to the
    stride of the nearest one, with its cells where anchors expect them: from 14 to 16 pixels. ``strides=(14,)`` gives
    the map itself.

    The deconvolutions have no pretrained weights. To freeze the transformer only, freeze the part ``backbone.net``.

    Args:
        name: timm's name of the network.
        weights: None for random weights, ``"hub"`` to download timm's, or a safetensors or pth file with timm's key
            names, looked up in the current folder, ``$POLYHEAD_WEIGHTS`` and the user's cache folder.
        strides: strides of the levels: powers of two, or only the patch size.
        last_conv: whether there is a convolution before the classifier; a transformer has none, so True is refused.
        mean: mean of each color channel, for images in 0..1; None reads it from the weights file or timm.
        std: standard deviation of each color channel, likewise.

    Raises:
        PolyheadError: if the network does not exist, has levels of its own or a fixed image size, or the weights cannot
            be loaded.
        SettingError: if a stride is not possible, or mean or std are not three numbers.
    """

    net: Any  # timm's networks share no class

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
        if last_conv:
            raise PolyheadError(f"{name!r} has no convolution before its classifier. Set model.last_conv=false.")
        width = map_channels(name)
        self.strides, self.patch = sorted(strides), strides_of(name)[0]
        self.base = base_stride(self.patch, self.strides)
        self.net = create(name, hub=weights == HUB)
        from_file = load(self.net, find(weights, WEIGHTS)) if weights not in {None, HUB} else {}
        remove_classifier(self.net)
        self.levels, self.channels = nn.ModuleList(), []
        for stride in self.strides:
            layers, channels = level_layers(width, self.base, stride)
            self.levels.append(layers)
            self.channels.append(channels)
        self.set_normalization(name, mean, std, from_file)
        depthwise_in_float32(self)

    def forward(self, inputs: Tensor) -> Pyramid:
        """Compute the levels of images ``[b, 3, h, w]``, uint8 or float in 0..255."""
        size = (inputs.shape[-2], inputs.shape[-1])
        images = pad_to_multiple(self.normalize(inputs), self.base)  # enough patches for all cells
        grid = last_map(self.net, pad_to_multiple(images, self.patch))  # [b, c, h / patch, w / patch]
        if self.base != self.patch:
            # The ratio itself is used, not that of the rounded sizes: so the cells are where anchors expect them.
            ratio = self.patch / self.base
            # [b, c, h / patch, w / patch] -> [b, c, h / base, w / base]
            grid = F.interpolate(grid, scale_factor=ratio, mode="bilinear", recompute_scale_factor=False)
        levels = [
            crop(layers(grid), cells(size, stride)) for layers, stride in zip(self.levels, self.strides, strict=True)
        ]
        return Pyramid(levels, size)
