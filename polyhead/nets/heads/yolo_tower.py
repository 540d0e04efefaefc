"""The layers of YOLOv3's head: for each level a 3x3 convolution, and a 1x1 one that predicts everything."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from polyhead.nets.darknet import DarknetConv
from polyhead.nets.heads.towers import rows

CODES = 5
"""Outputs of a box before the classes: four deltas and objectness."""


class YoloTower(nn.Module):
    """Predicts deltas, objectness and classes of each prior, in this order as in Darknet's files.

    Classes are independent (sigmoid). The initial probability of an object is low; otherwise the many cells without
    one would dominate the loss of the first steps.

    Args:
        channels: channels of each level.
        per_cell: priors per cell of each level.
        classes: number of classes.
        hidden: channels of the 3x3 convolution of each level; None for twice those of the level.
        prior: initial probability of an object.
    """

    def __init__(
        self,
        channels: list[int],
        per_cell: list[int],
        classes: int,
        *,
        hidden: Sequence[int] | None = None,
        prior: float = 0.01,
    ) -> None:
        super().__init__()
        self.outputs = CODES + classes
        widths = [2 * each for each in channels] if hidden is None else hidden
        self.convs = nn.ModuleList(DarknetConv(*pair, 3) for pair in zip(channels, widths, strict=True))
        self.last = nn.ModuleList(
            nn.Conv2d(width, boxes * self.outputs, 1) for width, boxes in zip(widths, per_cell, strict=True)
        )
        for layer, boxes in zip(self.last, per_cell, strict=True):
            assert isinstance(layer, nn.Conv2d)
            nn.init.normal_(layer.weight, std=0.01)
            bias = torch.zeros(boxes, self.outputs)
            bias[:, CODES - 1] = -math.log((1 - prior) / prior)  # the logit of the prior
            layer.bias = nn.Parameter(bias.flatten())

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Compute deltas ``[b, n, 4]``, class logits ``[b, n, classes]`` and objectness logits ``[b, n]``."""
        maps = [last(conv(level)) for last, conv, level in zip(self.last, self.convs, features, strict=True)]
        boxes = torch.cat([rows(each, self.outputs) for each in maps], dim=1)  # [b, n, 5 + classes]
        return boxes[..., :4], boxes[..., CODES:], boxes[..., 4]
