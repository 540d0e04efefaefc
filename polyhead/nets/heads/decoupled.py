"""The layers of YOLOX's head: separate convolutions for classes and for boxes (Ge et al. 2021, figure 2)."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from polyhead.nets.csp import ConvBlock, conv_factory
from polyhead.nets.heads.towers import rows
from polyhead.nets.precision import depthwise_in_float32


class Decoupled(nn.Module):  # pylint: disable=abstract-method  # subclasses have the outputs
    """For each level a stem, then two convolution blocks for classes and two for boxes.

    Attribute names are those of the official weights files.

    Args:
        channels: channels of each level.
        width: channels of stems and blocks.
        depthwise: whether 3x3 convolutions are separable.
    """

    def __init__(self, channels: list[int], width: int, *, depthwise: bool) -> None:
        super().__init__()
        conv = conv_factory(depthwise=depthwise)

        def blocks() -> nn.ModuleList:
            """Build two convolution blocks for each level."""
            return nn.ModuleList(nn.Sequential(*(conv(width, width, 3, 1) for _ in range(2))) for _ in channels)

        self.stems = nn.ModuleList(ConvBlock(each, width, 1) for each in channels)
        self.cls_convs = blocks()
        self.reg_convs = blocks()
        depthwise_in_float32(self)

    def features(self, levels: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Compute the features of classes and those of boxes, for each level ``[b, width, h, w]``."""
        stems = [stem(level) for stem, level in zip(self.stems, levels, strict=True)]
        pairs = zip(self.cls_convs, self.reg_convs, stems, strict=True)
        return [(classes(stem), boxes(stem)) for classes, boxes, stem in pairs]


class Outputs(nn.Module):  # pylint: disable=abstract-method  # subclasses have the features
    """The output convolutions of each level: classes from their own features, boxes and objectness from those of boxes.

    Classes are independent (sigmoid). Their probability and that of an object are low at the start; otherwise the many
    cells without an object would dominate the loss of the first steps.
    """

    def add_outputs(self, levels: int, width: int, classes: int, prior: float) -> None:
        """Add the layers.

        Args:
            levels: number of levels.
            width: channels of the features of classes, and of those of boxes.
            classes: number of classes without background.
            prior: initial probability of an object, and of each class.
        """
        self.classes = classes
        self.cls_preds = nn.ModuleList(nn.Conv2d(width, classes, 1) for _ in range(levels))
        self.reg_preds = nn.ModuleList(nn.Conv2d(width, 4, 1) for _ in range(levels))
        self.obj_preds = nn.ModuleList(nn.Conv2d(width, 1, 1) for _ in range(levels))
        for last in (*self.cls_preds, *self.obj_preds):
            nn.init.constant_(last.bias, -math.log((1 - prior) / prior))  # the logit of the prior

    def outputs(self, features: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
        """Compute deltas ``[b, n, 4]``, class logits ``[b, n, classes]`` and objectness logits ``[b, n]``.

        Args:
            features: those of classes and those of boxes, for each level ``[b, width, h, w]``.
        """
        classes, boxes = zip(*features, strict=True)  # of each level
        deltas = [rows(last(each), 4) for last, each in zip(self.reg_preds, boxes, strict=True)]  # [b, n_i, 4]
        logits = [rows(last(each), self.classes) for last, each in zip(self.cls_preds, classes, strict=True)]
        objectness = [rows(last(each), 1) for last, each in zip(self.obj_preds, boxes, strict=True)]  # [b, n_i, 1]
        return torch.cat(deltas, dim=1), torch.cat(logits, dim=1), torch.cat(objectness, dim=1)[..., 0]


class DecoupledTower(Decoupled, Outputs):
    """YOLOX's layers: stems, convolutions and three outputs per cell: classes, deltas and objectness.

    Args:
        channels: channels of each level.
        per_cell: boxes per cell of each level: 1.
        classes: number of classes without background.
        width: channels of stems and convolutions.
        depthwise: whether 3x3 convolutions are separable.
        prior: initial probability of an object, and of each class.
    """

    def __init__(
        self,
        channels: list[int],
        per_cell: list[int],
        classes: int,
        *,
        width: int = 256,
        depthwise: bool = False,
        prior: float = 0.01,
    ) -> None:
        super().__init__(channels, width, depthwise=depthwise)
        assert set(per_cell) == {1}
        self.add_outputs(len(channels), width, classes, prior)

    def forward(self, levels: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Compute deltas ``[b, n, 4]``, class logits ``[b, n, classes]`` and objectness logits ``[b, n]``."""
        return self.outputs(self.features(levels))


class OutputTower(Outputs):
    """The outputs alone, for levels whose first channels are the features of classes, and then those of boxes.

    The neck :class:`~polyhead.nets.necks.towers.Towers` computes such levels, which the heads of other tasks read too.

    Args:
        channels: channels of each level, at least twice ``width``.
        per_cell: boxes per cell of each level: 1.
        classes: number of classes without background.
        width: channels of the features of classes, and of those of boxes.
        prior: initial probability of an object, and of each class.
    """

    def __init__(
        self, channels: list[int], per_cell: list[int], classes: int, *, width: int = 256, prior: float = 0.01
    ) -> None:
        super().__init__()
        assert set(per_cell) == {1}
        assert min(channels) >= 2 * width
        self.width = width
        self.add_outputs(len(channels), width, classes, prior)

    def forward(self, levels: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Compute deltas ``[b, n, 4]``, class logits ``[b, n, classes]`` and objectness logits ``[b, n]``."""
        # [b, 2 * width or more, h, w] -> [b, width, h, w] twice
        return self.outputs([(level[:, : self.width], level[:, self.width : 2 * self.width]) for level in levels])
