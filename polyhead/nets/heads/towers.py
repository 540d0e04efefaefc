"""The layers of dense heads: from feature maps to codes and logits in the order of the anchors."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from polyhead.nets.blocks import conv_norm_act, separable, steady_norm


class SoftmaxTower(nn.Module):
    """SSD's layers: one 3x3 convolution a level for boxes and classes, the last class being background.

    At the start every anchor believes in background; so the first steps are not spent on unlearning boxes.

    Args:
        channels: of each level.
        per_cell: boxes in a cell of each level.
        classes: without background.
        depth: 3x3 convolutions with batch norm before the last, in each level.
        squeeze: channels of a 1x1 convolution with batch norm, after which the last is 1x1 too; None has neither.
        prior: probability of all classes but background together, before training.
    """

    def __init__(
        self,
        channels: list[int],
        per_cell: list[int],
        classes: int,
        *,
        depth: int = 0,
        squeeze: int | None = None,
        prior: float = 0.1,
    ) -> None:
        super().__init__()
        self.outputs = 4, classes + 1
        self.levels = nn.ModuleList()
        for width, each in zip(channels, per_cell, strict=True):
            layers: list[nn.Module] = [conv_norm_act(width, width, 3) for _ in range(depth)]
            last = nn.Conv2d(width, each * sum(self.outputs), 3, padding=1)
            if squeeze is not None:
                layers.append(conv_norm_act(width, squeeze, 1))
                last = nn.Conv2d(squeeze, each * sum(self.outputs), 1)
            nn.init.normal_(last.weight, std=0.01)
            bias = torch.zeros(each, sum(self.outputs))
            bias[:, -1] = math.log(classes * (1 - prior) / prior)
            last.bias = nn.Parameter(bias.flatten())
            self.levels.append(nn.Sequential(*layers, last))

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor, None]:
        """Codes ``[b, n, 4]``, logits ``[b, n, classes + 1]``, no objectness."""
        maps = [level(feature) for level, feature in zip(self.levels, features, strict=True)]
        levels = [rows(each, sum(self.outputs)) for each in maps]
        codes, logits = zip(*(torch.split(level, list(self.outputs), dim=2) for level in levels), strict=True)
        return torch.cat(codes, dim=1), torch.cat(logits, dim=1), None


class SharedTower(nn.Module):
    """EfficientDet's layers: one net for boxes and one for classes, each the same at all levels (paper, section 4.1).

    Each class is a yes or no of its own, and there is no background. At the start all are improbable (focal loss, Lin
    et al. 2017, section 3.3); else the many anchors without an object would be most of the first steps' loss.

    Args:
        channels: of each level, the same for all.
        per_cell: boxes in a cell of each level, the same for all.
        classes: without background.
        depth: separable 3x3 convolutions before the last, in each net.
        prior: probability of each class before training.
    """

    def __init__(
        self, channels: list[int], per_cell: list[int], classes: int, *, depth: int = 3, prior: float = 0.01
    ) -> None:
        super().__init__()
        (width,), (each,) = set(channels), set(per_cell)
        rare = -math.log((1 - prior) / prior)
        self.classes = SharedNet(width, each, classes, levels=len(channels), depth=depth, bias=rare)
        self.boxes = SharedNet(width, each, 4, levels=len(channels), depth=depth, bias=0.0)

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor, None]:
        """Codes ``[b, n, 4]``, logits ``[b, n, classes]``, no objectness."""
        return self.boxes(features), self.classes(features), None


class SharedNet(nn.Module):
    """Layers that all levels share, then a separable convolution that they share too.

    Args:
        width: channels of each level.
        each: boxes in a cell.
        outputs: numbers a box.
        levels: how many there are.
        depth: layers before the last.
        bias: all outputs before training, more or less.
    """

    def __init__(self, width: int, each: int, outputs: int, *, levels: int, depth: int, bias: float) -> None:
        super().__init__()
        self.outputs = outputs
        self.layers = nn.Sequential(*(SharedLayer(width, levels) for _ in range(depth)))
        self.last = separable(width, each * outputs, bias=bias)

    def forward(self, features: list[Tensor]) -> Tensor:
        """``[b, n, outputs]``."""
        return torch.cat([rows(self.last(feature), self.outputs) for feature in self.layers(features)], dim=1)


class SharedLayer(nn.Module):
    """A separable convolution that all levels share, batch norm of each level's own (statistics differ), SiLU."""

    def __init__(self, width: int, levels: int) -> None:
        super().__init__()
        self.conv = separable(width, width)
        self.norms = nn.ModuleList(steady_norm(width) for _ in range(levels))

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """A map a level, as it came in."""
        return [F.silu(norm(self.conv(feature))) for norm, feature in zip(self.norms, features, strict=True)]


def rows(feature: Float[Tensor, "b _ h w"], outputs: int) -> Float[Tensor, "b n {outputs}"]:
    """All boxes of the cells in the order of the anchors; in channels-last memory nothing is copied."""
    return torch.unflatten(feature.permute(0, 2, 3, 1), 3, (-1, outputs)).flatten(1, 3)
