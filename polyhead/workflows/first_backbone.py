"""Choose the backbone of a first recipe: from the weights files that are found, prepared as the images need it."""

from contextlib import suppress
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from polyhead.errors import PolyheadError, few
from polyhead.nets.backbones.agreement import best_preparation
from polyhead.nets.backbones.identify import FoundWeights, find_weights, networks_of
from polyhead.nets.backbones.networks import skeleton
from polyhead.paths import HUB, OFFICIAL, WEIGHTS, find
from polyhead.workflows.settings_text import Setting

BACKBONE = "mobilenetv2_100"
"""The network where no weights file decides: fast on a CPU, and in the hub."""

SIDE = 224
"""Side of the images on which weights are tried."""


class FirstBackbone(NamedTuple):
    """A backbone and how it begins.

    Attributes:
        name: timm's name; None for the detector's own, which its official weights contain.
        weights: file name, ``hub`` or None.
        origin: where the weights come from, in words.
        mean: mean of each color channel; None for timm's.
        std: standard deviation of each color channel; None for timm's.
    """

    name: str | None
    weights: str | None
    origin: str
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    @property
    def settings(self) -> list[Setting]:
        """The settings of the model, with a comment each."""
        lines = [Setting("weights", self.weights, self.origin)]
        if self.name is not None:
            lines.insert(0, Setting("backbone", self.name, "any timm name, with weights for it"))
        if self.mean is not None and self.std is not None:
            why = "normalization of the images; chosen because the statistics in the weights agree with it"
            lines += [Setting("mean", list(self.mean), why), Setting("std", list(self.std), "")]
        return lines

    @property
    def first_blocks(self) -> list[str]:
        """Names of the first parts, up to stride 4, as in ``lr_mult``; empty for networks with other names."""
        parts = dict(skeleton(self.name).net.named_children()) if self.name is not None else {}
        for names in (["conv_stem", "bn1", "blocks.0", "blocks.1"], ["conv1", "bn1", "layer1"]):
            if all(name.partition(".")[0] in parts for name in names):
                return [f"backbone.net.{name}" for name in names]
        return []


def official_detector(weights: str | None) -> FirstBackbone | None:
    """Choose official weights of a detector: those that the user names, else the smallest that are found.

    Args:
        weights: what the user names; None looks for files.

    Returns:
        None if the user names something else, or nothing is found.

    Raises:
        PolyheadError: if the user names official weights and there is no file of them.
    """
    if weights in OFFICIAL:
        find(weights, WEIGHTS)
        name: str | None = weights
    else:
        name = next(filter(_is_found, OFFICIAL), None) if weights is None else None
    return None if name is None else FirstBackbone(None, name, "official, trained on the 80 classes of COCO")


def _is_found(name: str) -> bool:
    """Return whether there is a file of official weights."""
    with suppress(PolyheadError):
        return find(name, WEIGHTS).is_file()
    return False


def first_backbone(weights: str | None, images: list[Tensor]) -> FirstBackbone:
    """Choose a backbone.

    Args:
        weights: a weights file or ``hub``, if the user names one; None looks for files.
        images: a few training images, ``[3, h, w]`` uint8.

    Raises:
        PolyheadError: if the file does not exist or does not fit a known network.
    """
    if weights == HUB:
        return FirstBackbone(BACKBONE, HUB, "timm downloads ImageNet weights")
    found = find_weights() if weights is None else [_named(weights)]
    if not found:
        return FirstBackbone(BACKBONE, None, "random: no weights file of a timm network was found; 'hub' downloads one")
    first, *others = found
    origin = f"pretrained; found in {first.place}" if weights is None else "pretrained"
    if others:
        origin += f", beside {few([each.path.name for each in others], 2)}"
    batch = torch.cat([F.interpolate(image[None].float() / 255, (SIDE, SIDE), mode="bilinear") for image in images])
    chosen = best_preparation(first.path, first.networks, batch)
    name = first.path.name if weights is None else weights
    return FirstBackbone(chosen.name, name, origin, chosen.mean, chosen.std)


def _named(weights: str) -> FoundWeights:
    """Return a weights file that the user names."""
    path = find(weights, WEIGHTS)
    names = networks_of(path)
    if not names:
        raise PolyheadError(
            f"{path}: expected weights of a timm network that Polyhead recognizes (name the file after its network, "
            "such as resnet26.safetensors, with timm's key names)."
        )
    return FoundWeights(path, names, "")
