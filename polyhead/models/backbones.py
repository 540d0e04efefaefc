"""What a model builds its backbone from: a name, or any class or factory of a backbone."""

from collections.abc import Sequence
from functools import partial

from polyhead.contracts.network import Backbone, BackboneFactory
from polyhead.errors import SettingError
from polyhead.nets.backbones import named
from polyhead.nets.backbones.networks import skeleton
from polyhead.paths import HUB, WEIGHTS, find
from polyhead.types import InputSpec

AnyBackbone = str | Backbone | BackboneFactory
"""A timm name, a module, or what builds one from the inputs; in a recipe a name, or ``{class_path, init_args}``."""


def backbone_of(
    backbone: AnyBackbone,
    weights: str | None = None,
    strides: Sequence[int] | None = (8, 16, 32),
    *,
    last_conv: bool | None = False,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Backbone | BackboneFactory:
    """Return what a model builds its backbone from.

    A network that is given by name is built late, but the name and the weights file are checked here, before any data
    is read.

    Args:
        backbone: a timm name; or a module or factory, which is returned unchanged.
        weights: weights of a backbone that is given by name; this and the other arguments are those of
            :class:`~polyhead.nets.backbones.timm.Timm`.
        strides: strides of its levels; None for the last level only.
        last_conv: whether its last level goes through the convolution before the classifier.
        mean: mean of each color channel that the weights expect.
        std: standard deviation of each color channel.

    Raises:
        PolyheadError: if timm has no network of this name, or the weights file does not exist.
        SettingError: if there are weights, mean or std for a backbone that is not given by name.
    """
    if not isinstance(backbone, str):
        given = [name for name, value in (("weights", weights), ("mean", mean), ("std", std)) if value is not None]
        if given:
            raise SettingError(
                f"{given[0]}: only a backbone that is given by name has this setting. Remove it, or set it in the "
                "init_args of the backbone."
            )
        return backbone
    skeleton(backbone)  # refuses a name that timm does not know
    if weights not in {None, HUB}:
        find(weights, WEIGHTS)
    return partial(_named, backbone, weights, strides, last_conv=last_conv, mean=mean, std=std)


def _named(
    name: str,
    weights: str | None,
    strides: Sequence[int] | None,
    _: InputSpec,
    *,
    last_conv: bool | None,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
) -> Backbone:
    """Build a backbone by its name."""
    return named.backbone(name, weights, strides, last_conv=last_conv, mean=mean, std=std)
