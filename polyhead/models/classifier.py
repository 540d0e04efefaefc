"""An image classifier: backbone, global average pooling and a linear layer."""

from collections.abc import Sequence
from functools import partial

from polyhead.models.backbones import AnyBackbone, backbone_of
from polyhead.models.heads import Heads, head_factories
from polyhead.nets.heads.classify import Classify
from polyhead.nets.model import OTHERS, Model


def classifier(
    backbone: AnyBackbone = "resnet50",
    weights: str | None = None,
    size: int = 224,
    *,
    heads: Heads | None = None,
    dropout: float = 0.0,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Model:
    """Build an image classifier: a backbone, global average pooling of its last level, and a linear layer.

    The last level of a plain vision transformer is the map of its patches, at full resolution.

    Args:
        backbone: timm's name of the backbone, of which the last level is used; or a module or the factory of one.
        weights: weights of the backbone: None, ``"hub"`` or a file (:class:`~polyhead.nets.backbones.timm.Timm`).
        size: side of the square images in pixels.
        heads: heads of other kinds, ``{task: head}``: a short name (:data:`~polyhead.models.heads.HEADS`) or a factory;
            tasks that are not named get the classifier's.
        dropout: dropout probability of the pooled features.
        mean: mean of each color channel that the weights expect, for images in 0..1; None reads it from the weights
            file or timm.
        std: standard deviation of each color channel, likewise.
    """
    net = backbone_of(backbone, weights, None, mean=mean, std=std)
    head = partial(Classify, dropout=dropout)
    return Model(net, [], {**head_factories(heads, size, {"classify": head}), OTHERS: head}, (size, size))
