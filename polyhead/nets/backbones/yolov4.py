"""YOLOv4's backbone, CSPDarknet-53: timm's ``cspdarknet53``, filled from the authors' Darknet files.

Bochkovskiy, Wang & Liao 2020, "YOLOv4: Optimal Speed and Accuracy of Object Detection". timm's network differs from the
authors' in three ways:

- A stage begins with two convolutions 1x1 of the same map in Darknet: first that of the bypass, then that of the
  blocks. timm computes both as one, ``conv_exp``, whose first half of the outputs is the bypass.
- A stage ends with a convolution 1x1 of both, ``conv_transition``. Its inputs are first those of the blocks in Darknet,
  and first those of the bypass in timm.
- timm's activation is a leaky ReLU, the authors' is Mish. Images are in 0..1 and not normalized further.

Both add 1e-5 to the variance in batch norm, as Darknet does on a GPU.
"""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from timm.layers.conv_bn_act import ConvNormAct
from torch import nn

from polyhead.errors import PolyheadError, SettingError
from polyhead.nets.backbones.normalized import Normalized
from polyhead.nets.darknet_files import Layer, fill, read_values, write_values

NETWORK = "cspdarknet53"
"""timm's name of the network."""


def load_darknet(net: Any, path: Path) -> dict[str, list[float]]:
    """Fill timm's network from a Darknet file that begins with it (``yolov4.weights``, ``yolov4.conv.137``).

    Args:
        net: timm's network.
        path: the file.

    Returns:
        ``mean`` and ``std`` of images that are not normalized.

    Raises:
        PolyheadError: if it is another network, or the file does not begin with this one.
    """
    name = net.pretrained_cfg.get("architecture", type(net).__name__)
    if name != NETWORK:
        raise PolyheadError(
            f"{path}: files of Darknet are read for the backbone {NETWORK} (YOLOv4's) and for the model yolov3 without "
            f"a backbone, not for timm's {name!r}. Use a safetensors or pth file."
        )
    fill(list(_layers(net)), read_values(path), "YOLOv4's CSPDarknet-53", begins=True)
    _swap(net)
    return {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]}


def write_darknet(net: nn.Module, path: Path) -> None:
    """Write timm's network as a Darknet file.

    Args:
        net: timm's network, whole or only its levels.
        path: the file.
    """
    copy = deepcopy(net)
    _swap(copy)
    write_values(path, _layers(copy))


def follow_normalization(backbone: Normalized) -> None:
    """Make the activations of a backbone those of its weights, now and whenever weights are loaded into it.

    Where images are not normalized, the weights are the authors', whose activation is Mish; else timm's. Mean and
    standard deviation are tensors of a run's weights files, so a model that is built from such a file is the same.
    """
    _set_activations(backbone)
    hook: Any = backbone.register_load_state_dict_post_hook  # has no types in torch
    hook(_set_activations)


def check_not_normalized(backbone: Normalized) -> None:
    """Check that the images of a backbone with the authors' weights are not normalized.

    Raises:
        SettingError: if they are.
    """
    for key, buffer, value in (("mean", backbone.mean, 0), ("std", backbone.std, 255)):
        if not bool((buffer == value).all()):
            raise SettingError(
                f"{key}: weights of Darknet are for images in 0..1 that are not normalized. Remove the setting."
            )


def _set_activations(backbone: nn.Module, _: Any = None) -> None:
    """Set the activations of a backbone by the normalization of its images."""
    assert isinstance(backbone, Normalized)
    if backbone.mean.is_meta:  # without values
        return
    own = bool((backbone.mean == 0).all() and (backbone.std == 255).all())
    for each in backbone.modules():
        if isinstance(each, ConvNormAct):
            each.bn.act = nn.Mish(inplace=True) if own else nn.LeakyReLU(inplace=True)


def _layers(net: nn.Module) -> Iterator[Layer]:
    """Yield the convolutions in the order of the files, which is that of their computation."""
    for name, each in net.named_modules():
        if isinstance(each, ConvNormAct):
            if name.endswith("conv_exp"):
                half = each.conv.out_channels // 2
                yield Layer(each.conv, each.bn, slice(half))
                yield Layer(each.conv, each.bn, slice(half, None))
            else:
                yield Layer(each.conv, each.bn)


@torch.no_grad()
def _swap(net: nn.Module) -> None:
    """Exchange the two halves of the input channels of all convolutions that end a stage."""
    for name, each in net.named_modules():
        if name.endswith("conv_transition"):
            assert isinstance(each, ConvNormAct)
            weight = each.conv.weight
            weight.copy_(weight.roll(weight.shape[1] // 2, dims=1))
