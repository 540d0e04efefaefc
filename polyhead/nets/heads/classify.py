"""One class for the whole picture."""

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
    """Class logits of each picture."""

    logits: Float[Tensor, "b c"]


class Classify(Head):
    """Mean over the last level, dropout, one linear layer, cross-entropy with ``batch.values`` (int64 classes).

    Args:
        channels: of each level of the pyramid.
        strides: of each level.
        names: class names.
        dropout: share of the averaged features that each training step leaves out.
    """

    def __init__(
        self,
        channels: list[int],
        strides: list[int],  # pylint: disable=unused-argument  # every head is told
        names: list[str],
        *,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.names = names
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(channels[-1], len(names))

    def forward(self, pyramid: Pyramid) -> Logits:
        """Logits of each picture."""
        return Logits(self.linear(self.dropout(pyramid.levels[-1].mean(dim=(2, 3)))).float())

    def losses(self, raw: Logits, batch: Batch) -> dict[str, Tensor]:
        """Mean cross-entropy."""
        if batch.values is None:
            raise PolyheadError("a classifier needs pictures with one class each; use a reader that gives a value")
        with torch.autocast(raw.logits.device.type, enabled=False):
            return {"class": F.cross_entropy(raw.logits, batch.values)}

    def distil(self, raw: Logits, teacher: Logits, temperature: float) -> dict[str, Tensor]:
        """Divergence from the teacher's classes, a mean over the pictures."""
        return {"class": kullback_leibler(raw.logits, teacher.logits, temperature)}

    def decode(self, raw: Logits) -> list[Labels]:  # type: ignore[override]  # a list of one kind of prediction
        """Class probabilities of each picture."""
        return [Labels(scores) for scores in raw.logits.softmax(dim=1)]
