"""The layers of dense heads: from feature maps to codes and logits in the order of the anchors."""

import math

import torch
from torch import Tensor, nn

from polyhead.nets.blocks import conv_norm_act


class SoftmaxTower(nn.Module):
    """SSD's layers: one 3x3 convolution a level for boxes and classes, the last class being background.

    At the start every anchor believes in background; so the first steps are not spent on unlearning boxes.

    Args:
        channels: of each level.
        per_cell: boxes in a cell of each level.
        classes: without background.
        depth: 3x3 convolutions with batch norm before the last, in each level.
        prior: probability of all classes but background together, before training.
    """

    def __init__(
        self, channels: list[int], per_cell: list[int], classes: int, *, depth: int = 0, prior: float = 0.1
    ) -> None:
        super().__init__()
        self.outputs = 4, classes + 1
        self.levels = nn.ModuleList()
        for width, each in zip(channels, per_cell, strict=True):
            layers: list[nn.Module] = [conv_norm_act(width, width, 3) for _ in range(depth)]
            last = nn.Conv2d(width, each * sum(self.outputs), 3, padding=1)
            nn.init.normal_(last.weight, std=0.01)
            bias = torch.zeros(each, sum(self.outputs))
            bias[:, -1] = math.log(classes * (1 - prior) / prior)
            last.bias = nn.Parameter(bias.flatten())
            self.levels.append(nn.Sequential(*layers, last))

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor, None]:
        """Codes ``[b, n, 4]``, logits ``[b, n, classes + 1]``, no objectness."""
        maps = [level(feature).permute(0, 2, 3, 1) for level, feature in zip(self.levels, features, strict=True)]
        rows = [each.unflatten(3, (-1, sum(self.outputs))).flatten(1, 3) for each in maps]
        codes, logits = zip(*(each.split(self.outputs, dim=2) for each in rows), strict=True)
        return torch.cat(codes, dim=1), torch.cat(logits, dim=1), None
