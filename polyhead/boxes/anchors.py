"""Anchors: the boxes that predictions are offsets of, as ``cx, cy, w, h`` in pixels of the canvas.

An anchor set is called with the shapes of the pyramid's levels and knows nothing of features, so it stays in float32
whatever precision the network runs in.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from polyhead.types import Size


class Anchors(ABC):
    """Boxes of every cell of every level, level by level, row by row, all boxes of one cell in turn.

    Results are kept by canvas, shapes and device: do not write into them.

    Attributes:
        per_cell: number of boxes in a cell of each level.
    """

    per_cell: list[int]

    def __init__(self) -> None:
        self._kept: dict[object, tuple[Tensor, Tensor]] = {}

    @abstractmethod
    def boxes(self, level: int, shape: Size, stride: int, canvas: Size) -> Float[Tensor, "n 4"]:
        """The boxes of one level, float32 on the CPU."""

    def __call__(
        self, shapes: Sequence[Size], strides: Sequence[int], canvas: Size, device: torch.device
    ) -> tuple[Float[Tensor, "n 4"], Float[Tensor, " n"]]:
        """All boxes, and the stride of the level that each belongs to."""
        key = (tuple(shapes), tuple(strides), canvas, device)
        if key in self._kept:
            return self._kept[key]
        # Boxes made while validating must serve the backward pass of the next step: no inference tensors.
        with torch.inference_mode(mode=False):
            levels = [self.boxes(i, shape, strides[i], canvas) for i, shape in enumerate(shapes)]
            step = [torch.full((level.shape[0],), float(stride)) for level, stride in zip(levels, strides, strict=True)]
            made = torch.cat(levels).to(device), torch.cat(step).to(device)
        if not torch.compiler.is_compiling():  # while tracing, tensors have no values to keep
            self._kept[key] = made
        return made


class DefaultBoxes(Anchors):
    """SSD's default boxes (Liu et al. 2016, 2.2): scale grows with the level, each scale in several aspect ratios.

    Levels after the first have scales evenly spaced from ``smallest`` to ``largest``; the first has half of
    ``smallest``. A cell holds a square of the level's scale, a larger square half-way (geometrically) to the next
    level's, and two boxes for each ratio. Sides never exceed the canvas.

    Args:
        ratios: aspect ratios beside 1 of each level, each used lying and standing.
        smallest: scale of the second level, as a fraction of the canvas.
        largest: scale of the last level.
    """

    def __init__(self, ratios: Sequence[Sequence[float]], smallest: float = 0.15, largest: float = 0.9) -> None:
        super().__init__()
        count = len(ratios)
        step = (largest - smallest) / max(count - 2, 1)
        scales = [smallest / 2] + [smallest + step * k for k in range(count)]
        self.sides: list[list[tuple[float, float]]] = []
        for level, wide in enumerate(ratios):
            scale = scales[level]
            between = (scale * scales[level + 1]) ** 0.5
            sides = [(scale, scale), (between, between)]
            for ratio in wide:
                long, short = scale * ratio**0.5, scale / ratio**0.5
                sides += [(long, short), (short, long)]
            self.sides.append(sides)
        self.per_cell = [len(sides) for sides in self.sides]

    def boxes(self, level: int, shape: Size, stride: int, canvas: Size) -> Float[Tensor, "n 4"]:
        """Boxes about the middle of each cell; cells share the canvas evenly (300 pixels: 38 cells of 7.9 pixels)."""
        size = torch.tensor([canvas[1], canvas[0]], dtype=torch.float32)
        centres = cells(shape) / torch.tensor([shape[1], shape[0]]) * size
        sides = torch.tensor(self.sides[level]).clamp(max=1.0) * size
        return around(centres, sides)


class ScaledAnchors(Anchors):
    """RetinaNet's anchors: the same few shapes in every cell, in proportion to the cell (Lin et al. 2017, section 4).

    The figures by default are EfficientDet's. Cells share the canvas evenly, so that one of a level of stride 64 has
    60 pixels where 300 pixels make five of them.

    Args:
        levels: number of levels.
        scale: side of the smallest square, in cells.
        octaves: sides between one level's smallest and the next's, evenly spaced in logarithm.
        ratios: width and height of each shape, as parts of the side.
        span: the next level's smallest side, in this level's; with one level, how far its sides reach.
    """

    def __init__(
        self,
        levels: int,
        scale: float = 4.0,
        octaves: int = 3,
        ratios: Sequence[tuple[float, float]] = ((1.0, 1.0), (1.4, 0.7), (0.7, 1.4)),
        span: float = 2.0,
    ) -> None:
        super().__init__()
        sides = [scale * span ** (step / octaves) for step in range(octaves)]
        self.sides = [(side * wide, side * high) for side in sides for wide, high in ratios]
        self.per_cell = [len(self.sides)] * levels

    def boxes(self, level: int, shape: Size, stride: int, canvas: Size) -> Float[Tensor, "n 4"]:
        """Boxes about the middle of each cell; they may reach beyond the canvas."""
        cell = torch.tensor([canvas[1] / shape[1], canvas[0] / shape[0]])
        return around(cells(shape) * cell, torch.tensor(self.sides) * cell)


def cells(shape: Size) -> Float[Tensor, "n 2"]:
    """Middle ``x, y`` of each cell of a grid, in cells, row by row."""
    y, x = torch.meshgrid(torch.arange(shape[0]) + 0.5, torch.arange(shape[1]) + 0.5, indexing="ij")
    return torch.stack([x, y], dim=-1).flatten(0, 1)


def around(centres: Float[Tensor, "n 2"], sides: Float[Tensor, "k 2"]) -> Float[Tensor, "n*k 4"]:
    """Boxes of all sides about each centre in turn."""
    return torch.cat([centres.repeat_interleave(sides.shape[0], dim=0), sides.repeat(centres.shape[0], 1)], dim=1)


def corners(boxes: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 4"]:
    """``cx, cy, w, h`` to ``x1, y1, x2, y2``."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centre - half, centre + half], dim=-1)
