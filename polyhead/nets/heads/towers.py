"""The layers of dense heads: from feature maps to deltas and logits in the order of the anchors."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from polyhead.nets.blocks import conv_norm_act, separable_conv, slow_batch_norm


class SSDTower(nn.Module):
    """SSD's layers: for each level one 3x3 convolution that predicts deltas and class logits, background last.

    The biases are initialized so that every anchor predicts background; otherwise the first steps would be spent on
    removing wrong boxes.

    Args:
        channels: channels of each level.
        per_cell: boxes per cell of each level.
        classes: number of classes without background.
        depth: number of 3x3 convolutions with batch norm before the last layer, in each level.
        squeeze: channels of a 1x1 convolution with batch norm, after which the last layer is 1x1 too; None for neither.
        prior: initial probability of all classes except background together.
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
        for width, boxes in zip(channels, per_cell, strict=True):
            layers: list[nn.Module] = [conv_norm_act(width, width, 3) for _ in range(depth)]
            last = nn.Conv2d(width, boxes * sum(self.outputs), 3, padding=1)
            if squeeze is not None:
                layers.append(conv_norm_act(width, squeeze, 1))
                last = nn.Conv2d(squeeze, boxes * sum(self.outputs), 1)
            nn.init.normal_(last.weight, std=0.01)
            bias = torch.zeros(boxes, sum(self.outputs))
            bias[:, -1] = math.log(classes * (1 - prior) / prior)  # the logit of background
            last.bias = nn.Parameter(bias.flatten())
            self.levels.append(nn.Sequential(*layers, last))

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor, None]:
        """Compute deltas ``[b, n, 4]`` and logits ``[b, n, classes + 1]``; there is no objectness."""
        maps = [level(feature) for level, feature in zip(self.levels, features, strict=True)]
        levels = [rows(each, sum(self.outputs)) for each in maps]  # each [b, n_i, 4 + classes + 1]
        deltas, logits = zip(*(torch.split(level, list(self.outputs), dim=2) for level in levels), strict=True)
        return torch.cat(deltas, dim=1), torch.cat(logits, dim=1), None


class EfficientDetTower(nn.Module):
    """EfficientDet's layers: a box net and a class net, each shared by all levels (paper, section 4.1).

    Classes are independent (sigmoid), without background. Their initial probability is low (focal loss, Lin et al.
    2017, section 3.3); otherwise the many anchors without an object would dominate the loss of the first steps.

    Args:
        channels: channels of each level, the same for all.
        per_cell: boxes per cell of each level, the same for all.
        classes: number of classes without background.
        depth: number of separable 3x3 convolutions before the last layer, in each net.
        prior: initial probability of each class.
    """

    def __init__(
        self, channels: list[int], per_cell: list[int], classes: int, *, depth: int = 3, prior: float = 0.01
    ) -> None:
        super().__init__()
        (width,), (boxes,) = set(channels), set(per_cell)
        rare = -math.log((1 - prior) / prior)  # the logit of the prior
        self.classes = EfficientDetSubnet(width, boxes, classes, levels=len(channels), depth=depth, bias=rare)
        self.boxes = EfficientDetSubnet(width, boxes, 4, levels=len(channels), depth=depth, bias=0.0)

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor, None]:
        """Compute deltas ``[b, n, 4]`` and logits ``[b, n, classes]``; there is no objectness."""
        return self.boxes(features), self.classes(features), None


class EfficientDetSubnet(nn.Module):
    """EfficientDet's box net or class net: layers and a last separable convolution, shared by all levels.

    Args:
        width: channels of each level.
        boxes: boxes per cell.
        outputs: outputs per box.
        levels: number of levels.
        depth: number of layers before the last.
        bias: initial bias of the outputs, and so their approximate initial value.
    """

    def __init__(self, width: int, boxes: int, outputs: int, *, levels: int, depth: int, bias: float) -> None:
        super().__init__()
        self.outputs = outputs
        self.layers = nn.Sequential(*(SharedLayer(width, levels) for _ in range(depth)))
        self.last = separable_conv(width, boxes * outputs, bias=bias)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Compute the outputs ``[b, n, outputs]`` of all boxes of all levels."""
        return torch.cat([rows(self.last(feature), self.outputs) for feature in self.layers(features)], dim=1)


class SharedLayer(nn.Module):
    """A separable convolution shared by all levels, batch norm for each level (their statistics differ) and SiLU."""

    def __init__(self, width: int, levels: int) -> None:
        super().__init__()
        self.conv = separable_conv(width, width)
        self.norms = nn.ModuleList(slow_batch_norm(width) for _ in range(levels))

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Compute a map of the same shape for each level."""
        return [F.silu(norm(self.conv(feature))) for norm, feature in zip(self.norms, features, strict=True)]


def rows(feature: Float[Tensor, "b _ h w"], outputs: int) -> Float[Tensor, "b n {outputs}"]:
    """Reshape a map to one row per box, in the order of the anchors; channels-last memory is not copied."""
    return torch.unflatten(feature.permute(0, 2, 3, 1), 3, (-1, outputs)).flatten(1, 3)  # [b, h, w, boxes, outputs]
