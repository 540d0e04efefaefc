"""An image classifier: a backbone, global average pooling and a linear layer."""

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
    """One class a picture: a timm backbone's last level, averaged, and a linear layer.

    Args:
        backbone: timm's name of the backbone.
        weights: of the backbone: None, ``"hub"`` or a file (:class:`~polyhead.nets.backbones.timm.Timm`).
        size: side of the square pictures in pixels.
        mean: of the weights' pictures in 0..1; None where the file or timm tells it.
        std: likewise.
    """
    return Model(Timm(backbone, weights, (32,), mean=mean, std=std), [], Classify, (size, size))
