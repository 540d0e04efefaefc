"""A head for image classification: one class for the whole image."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from polyhead.contracts.network import Head
from polyhead.errors import PolyheadError
from polyhead.nets.losses import kullback_leibler
from polyhead.types import Batch, Labels, Pyramid


class Logits(NamedTuple):
    """Class logits of each image."""

    logits: Float[Tensor, "b c"]


class Classify(Head):
    """Global average pooling of the last level, dropout and a linear layer.

    The loss is cross-entropy with ``batch.values`` (int64 classes).

    Args:
        channels: channels of each level of the pyramid.
        strides: strides of each level; not used.
        names: class names.
        dropout: dropout probability of the pooled features.
    """

    def __init__(
        self,
        channels: list[int],
        strides: list[int],  # pylint: disable=unused-argument  # every head factory gets them
        names: list[str],
        *,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.names = names
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(channels[-1], len(names))

    def forward(self, pyramid: Pyramid) -> Logits:
        """Compute the logits of each image."""
        pooled = pyramid.levels[-1].mean(dim=(2, 3))  # [b, c, h, w] -> [b, c]
        return Logits(self.linear(self.dropout(pooled)).float())

    def losses(self, raw: Logits, batch: Batch) -> dict[str, Tensor]:
        """Compute the mean cross-entropy."""
        if batch.values is None:
            raise PolyheadError("a classifier needs images with one class each. Use a reader that provides a value.")
        with torch.autocast(raw.logits.device.type, enabled=False):
            return {"class": F.cross_entropy(raw.logits, batch.values)}

    def distill(self, raw: Logits, teacher: Logits, temperature: float) -> dict[str, Tensor]:
        """Compute the divergence of the class probabilities from the teacher's, a mean over the images."""
        return {"class": kullback_leibler(raw.logits, teacher.logits, temperature)}

    def decode(self, raw: Logits) -> list[Labels]:  # type: ignore[override]  # a list of one kind of prediction
        """Return the class probabilities of each image."""
        return [Labels(scores) for scores in raw.logits.softmax(dim=1)]
