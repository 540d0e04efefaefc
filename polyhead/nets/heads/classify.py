"""A head for classification: one class for the whole input."""

from math import log
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from polyhead.contracts.network import Head
from polyhead.nets.losses import kullback_leibler, weights_of
from polyhead.nets.pyramids import level_at, pool
from polyhead.types import Batch, Labels, LossTerm, Pyramid, PyramidSpec, TaskInfo

STRIDE = 32
"""Stride of the level that is pooled, if the pyramid has it."""


class Logits(NamedTuple):
    """Class logits of each sample."""

    logits: Float[Tensor, "b c"]


class Classify(Head):
    """Global average pooling of one level or all, dropout and a linear layer.

    The one level is that of stride 32, where image classifiers pool, or the last one if the pyramid has no such level.
    The loss is cross-entropy with the class of each sample.

    Args:
        spec: channels and strides of the pyramid's levels.
        info: what is known of the task's data.
        dropout: dropout probability of the pooled features.
        all_levels: whether the means of all levels are used, one after the other.
    """

    kind = "classification"
    class_weights: Tensor

    def __init__(self, spec: PyramidSpec, info: TaskInfo, *, dropout: float = 0.0, all_levels: bool = False) -> None:
        super().__init__()
        self.names = info.names
        self.register_buffer("class_weights", weights_of(info), persistent=False)
        self.dropout = nn.Dropout(dropout)
        self.levels = range(len(spec.strides)) if all_levels else [level_at(spec, STRIDE)]
        self.linear = nn.Linear(sum(spec.channels[level] for level in self.levels), len(info.names))

    def forward(self, pyramid: Pyramid) -> Logits:
        """Compute the logits of each sample."""
        # [b, c, h, w] or [b, c, t] -> [b, c] of each level
        pooled = [pool(pyramid.levels[level], pyramid.mask) for level in self.levels]
        return Logits(self.linear(self.dropout(torch.cat(pooled, dim=1))).float())

    def losses(self, raw: Logits, batch: Batch, progress: float = 0.0) -> dict[str, LossTerm]:
        """Compute the cross-entropy of the samples; it does not depend on ``progress``."""
        labels = batch.target.labels  # [b]
        with torch.autocast(raw.logits.device.type, enabled=False):
            total = F.cross_entropy(raw.logits, labels, self.class_weights, reduction="sum")
            return {"class": LossTerm(total, self.class_weights[labels].sum())}

    def expected_losses(self) -> dict[str, float]:
        """Return the cross-entropy where all classes are equally probable."""
        return {"class": log(len(self.names))}

    def distill(self, raw: Logits, teacher: Logits, temperature: float) -> dict[str, Tensor]:
        """Compute the divergence of the class probabilities from the teacher's, a mean over the images."""
        return {"class": kullback_leibler(raw.logits, teacher.logits, temperature)}

    def decode(self, raw: Logits) -> list[Labels]:
        """Return the class probabilities of each image."""
        return [Labels(scores) for scores in raw.logits.softmax(dim=1)]
