"""Build the backbone for a timm name."""

from collections.abc import Sequence

from polyhead.contracts.network import Backbone
from polyhead.nets.backbones.networks import strides_of
from polyhead.nets.backbones.timm import Timm
from polyhead.nets.backbones.vit import Vit


def backbone(
    name: str,
    weights: str | None = None,
    strides: Sequence[int] | None = (8, 16, 32),
    *,
    last_conv: bool | None = False,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Backbone:
    """Build the backbone for a timm network: its own levels, or a simple feature pyramid where it has only one map.

    Args:
        name: timm's name of the network.
        weights: None for random weights, ``"hub"`` to download timm's, or a file of timm weights.
        strides: strides of the levels; None for the last level only, whatever its stride (a plain transformer: the
            patch size).
        last_conv: see :class:`~polyhead.nets.backbones.timm.Timm`.
        mean: mean of each color channel, for images in 0..1; None reads it from the weights file or timm.
        std: standard deviation of each color channel, likewise.

    Raises:
        PolyheadError: if the network, a stride or ``last_conv`` does not exist, or the weights cannot be loaded.
        SettingError: if mean or std are not three numbers.
    """
    own = strides_of(name)
    kind = Timm if len(own) > 1 else Vit
    return kind(name, weights, own[-1:] if strides is None else strides, last_conv=last_conv, mean=mean, std=std)
