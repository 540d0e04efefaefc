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


Layers = tuple[nn.ModuleList, nn.ModuleList, nn.ModuleList]
"""The output convolutions of classes, of boxes and of objectness, for each level."""


def output_layers(levels: int, width: int, classes: int, prior: float) -> Layers:
    """Build the output convolutions of each level.

    Classes are independent (sigmoid). Their probability and that of an object are low at the start; otherwise the many
    cells without an object would dominate the loss of the first steps.

    Args:
        levels: number of levels.
        width: channels of the features of classes, and of those of boxes.
        classes: number of classes without background.
        prior: initial probability of an object, and of each class.
    """
    of_classes, of_boxes, of_objects = (
        nn.ModuleList(nn.Conv2d(width, outputs, 1) for _ in range(levels)) for outputs in (classes, 4, 1)
    )
    for last in (*of_classes, *of_objects):
        nn.init.constant_(last.bias, -math.log((1 - prior) / prior))  # the logit of the prior
    return of_classes, of_boxes, of_objects


def outputs(features: Sequence[tuple[Tensor, Tensor]], layers: Layers, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Compute deltas ``[b, n, 4]``, class logits ``[b, n, classes]`` and objectness logits ``[b, n]``.

    Args:
        features: those of classes and those of boxes, for each level ``[b, width, h, w]``. Objectness is computed from
            the latter.
        layers: the output convolutions.
        count: number of classes.
    """
    classes, boxes = zip(*features, strict=True)  # of each level
    of_classes, of_boxes, of_objects = layers
    logits = torch.cat([rows(last(each), count) for last, each in zip(of_classes, classes, strict=True)], dim=1)
    deltas = torch.cat([rows(last(each), 4) for last, each in zip(of_boxes, boxes, strict=True)], dim=1)  # [b, n, 4]
    objectness = torch.cat([rows(last(each), 1) for last, each in zip(of_objects, boxes, strict=True)], dim=1)
    return deltas, logits, objectness[..., 0]


class DecoupledTower(Decoupled):
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
        self.classes = classes
        self.cls_preds, self.reg_preds, self.obj_preds = output_layers(len(channels), width, classes, prior)

    def forward(self, levels: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Compute deltas ``[b, n, 4]``, class logits ``[b, n, classes]`` and objectness logits ``[b, n]``."""
        return outputs(self.features(levels), (self.cls_preds, self.reg_preds, self.obj_preds), self.classes)


class OutputTower(nn.Module):
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
        self.width, self.classes = width, classes
        self.cls_preds, self.reg_preds, self.obj_preds = output_layers(len(channels), width, classes, prior)

    def forward(self, levels: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Compute deltas ``[b, n, 4]``, class logits ``[b, n, classes]`` and objectness logits ``[b, n]``."""
        # [b, 2 * width or more, h, w] -> [b, width, h, w] twice
        halves = [(level[:, : self.width], level[:, self.width : 2 * self.width]) for level in levels]
        return outputs(halves, (self.cls_preds, self.reg_preds, self.obj_preds), self.classes)
