"""An image classifier: backbone, global average pooling and a linear layer."""

from collections.abc import Sequence

from polyhead.nets.backbones.timm import Timm
from polyhead.nets.heads.classify import Classify
from polyhead.nets.model import Model


def classifier(
    backbone: str = "resnet50",
    weights: str | None = None,
    size: int = 224,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Model:
    """Build an image classifier: a timm backbone, global average pooling of its last level, and a linear layer.

    Args:
        backbone: timm's name of the backbone.
        weights: weights of the backbone: None, ``"hub"`` or a file (:class:`~polyhead.nets.backbones.timm.Timm`).
        size: side of the square images in pixels.
        mean: mean of each color channel that the weights expect, for images in 0..1; None reads it from the weights
            file or timm.
        std: standard deviation of each color channel, likewise.
    """
    return Model(Timm(backbone, weights, (32,), mean=mean, std=std), [], Classify, (size, size))
