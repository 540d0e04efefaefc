"""Find out how the images were prepared that a weights file was trained on.

Weights of the same network exist with different normalizations of the images, and with different padding (timm's names
with ``tf_``). A file rarely says which. But batch norm stores the mean and variance of every channel, and only images
that are prepared in the same way have about the same ones.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import timm
import torch
from torch import Tensor, nn

from polyhead.nets.backbones.weights import load

HALF = (0.5, 0.5, 0.5)
"""The other common normalization besides ImageNet's mean and standard deviation."""


class Preparation(NamedTuple):
    """A network, and the normalization of its images.

    Attributes:
        name: timm's name of the network.
        mean: mean of each color channel, for images in 0..1; None for timm's own.
        std: standard deviation of each color channel, likewise.
    """

    name: str
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None


def best_preparation(path: Path, names: Sequence[str], images: Tensor) -> Preparation:
    """Return the preparation with which images agree best with the batch norm statistics of a weights file.

    Args:
        path: the file.
        names: the networks that it fits.
        images: ``[b, 3, h, w]`` in 0..1.

    Returns:
        The first network with timm's own normalization where the file states another one itself, or where there is no
        batch norm to compare with.
    """
    first = Preparation(names[0], None, None)
    found: list[tuple[float, Preparation]] = []
    for name in names:
        net: Any = timm.create_model(name).eval()
        if load(net, path):
            return first
        own = tuple(net.pretrained_cfg["mean"]), tuple(net.pretrained_cfg["std"])
        for mean, std in dict.fromkeys([own, (HALF, HALF)]):
            normalized = (images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
            given = (None, None) if (mean, std) == own else (mean, std)
            found.append((disagreement(net, normalized), Preparation(name, *given)))
    return min(found, key=lambda each: each[0])[1] if found[0][0] > 0 else first


@torch.no_grad()
def disagreement(net: nn.Module, images: Tensor) -> float:
    """Return how much the statistics of the inputs of a network's batch norms differ from the stored ones.

    Returns:
        The mean over all channels and layers of the squared difference of the means, in standard deviations, and of the
        squared difference of the logarithms of the variances; 0 without batch norm.
    """
    differences: list[Tensor] = []

    def compare(module: Any, inputs: tuple[Tensor, ...]) -> None:
        variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3))
        stored = module.running_var.clamp_min(1e-6)
        means = (mean - module.running_mean).square() / stored
        differences.append((means + ((variance + 1e-6) / stored).log().square()).mean())

    hooks = [each.register_forward_pre_hook(compare) for each in net.modules() if isinstance(each, nn.BatchNorm2d)]
    try:
        net(images)
    finally:
        for hook in hooks:
            hook.remove()
    return float(torch.stack(differences).mean()) if differences else 0.0
