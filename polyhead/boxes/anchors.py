"""Anchor boxes of dense detectors: SSD's default boxes, RetinaNet's anchors, YOLOX's cells.

They are ``cx, cy, w, h`` in pixels. An anchor set depends only on the shapes of the pyramid's levels, never on the
features. It therefore stays in float32 whatever precision the network runs in.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from polyhead.types import Size


class Anchors(ABC):
    """A set of anchor boxes for every cell of a feature pyramid.

    The order is: level by level, row by row, cell by cell, and within a cell box by box. Results are cached by canvas,
    shapes, strides and device, so do not modify them in place.

    Attributes:
        per_cell: number of boxes per cell of each level.
    """

    per_cell: list[int]

    def __init__(self) -> None:
        self._cache: dict[object, tuple[Tensor, Tensor]] = {}

    @abstractmethod
    def boxes(self, level: int, shape: Size, stride: int, canvas: Size) -> Float[Tensor, "n 4"]:
        """Return the boxes of one level, float32 on the CPU.

        Args:
            level: index of the level, 0 is the finest.
            shape: height and width of the level, in cells.
            stride: nominal stride of the level, in pixels.
            canvas: height and width of the network's input, in pixels.
        """

    def __call__(
        self, shapes: Sequence[Size], strides: Sequence[int], canvas: Size, device: torch.device
    ) -> tuple[Float[Tensor, "n 4"], Float[Tensor, " n"]]:
        """Return the boxes of all levels, and for each box the stride of its level."""
        key = (tuple(shapes), tuple(strides), canvas, device)
        if key in self._cache:
            return self._cache[key]
        # Boxes that are cached during validation are used in the backward pass of the next training step, so they must
        # not be inference tensors.
        with torch.inference_mode(mode=False):
            levels = [self.boxes(i, shape, strides[i], canvas) for i, shape in enumerate(shapes)]  # each [n_i, 4]
            step = [torch.full((level.shape[0],), float(stride)) for level, stride in zip(levels, strides, strict=True)]
            made = torch.cat(levels).to(device), torch.cat(step).to(device)  # [n, 4], [n]
        if not torch.compiler.is_compiling():  # tensors have no values while a graph is traced
            self._cache[key] = made
        return made


class DefaultBoxes(Anchors):
    """SSD's default boxes (Liu et al. 2016, section 2.2): one scale per level, each in several aspect ratios.

    The scales of all levels but the first are evenly spaced from ``smallest`` to ``largest``; the first level has half
    of ``smallest``. Each cell holds a square of the level's scale, a square of the geometric mean of this scale and the
    next level's, and two boxes for each aspect ratio. Sides are clipped to the canvas.

    Args:
        ratios: aspect ratios of each level other than 1; each is used as ``r`` and as ``1 / r``.
        smallest: scale of the second level, as a fraction of the canvas.
        largest: scale of the last level, as a fraction of the canvas.
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
        """Return boxes centered on the cells; cells divide the canvas evenly (300 pixels: 38 cells of 7.9 pixels)."""
        size = torch.tensor([canvas[1], canvas[0]], dtype=torch.float32)  # w, h
        centers = cell_centers(shape) / torch.tensor([shape[1], shape[0]]) * size  # [cells, 2]
        sides = torch.tensor(self.sides[level]).clamp(max=1.0) * size  # [per_cell, 2]
        return boxes_at(centers, sides)


class ScaledAnchors(Anchors):
    """RetinaNet's anchors (Lin et al. 2017, section 4): the same shapes in every cell, in proportion to the cell.

    The default values are those of EfficientDet. Cells divide the canvas evenly: on 300 pixels, a level of stride 64
    has five cells of 60 pixels.

    Args:
        levels: number of levels.
        scale: side of the smallest square, in cells.
        octaves: number of scales per level, evenly spaced in the logarithm.
        ratios: width and height of each shape, as multiples of the side.
        span: smallest side of the next level divided by the smallest side of this level. With a single level: the range
            of its scales.
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
        """Return boxes centered on the cells; they may extend beyond the canvas."""
        cell = torch.tensor([canvas[1] / shape[1], canvas[0] / shape[0]])  # w, h of one cell in pixels
        return boxes_at(cell_centers(shape) * cell, torch.tensor(self.sides) * cell)


class Priors(Anchors):
    """Boxes of given sizes in every cell, the smallest ones on the finest level (YOLOv3).

    Their sizes in pixels do not depend on the canvas, and cells have exactly the stride's size.

    Args:
        sizes: width and height in pixels of the boxes of each level.
    """

    def __init__(self, sizes: Sequence[Sequence[tuple[float, float]]]) -> None:
        super().__init__()
        self.sizes = sizes
        self.per_cell = [len(level) for level in sizes]

    def boxes(self, level: int, shape: Size, stride: int, canvas: Size) -> Float[Tensor, "n 4"]:
        """Return boxes centered on the cells; they may extend beyond the canvas."""
        return boxes_at(cell_centers(shape) * stride, torch.tensor(self.sizes[level]))


class Cells(Anchors):
    """One square in every cell, of the cell's size, whose center is the cell's upper left corner (YOLOX).

    Cells have exactly the stride's size, also where the canvas is no multiple of it.

    Args:
        levels: number of levels.
    """

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.per_cell = [1] * levels

    def boxes(self, level: int, shape: Size, stride: int, canvas: Size) -> Float[Tensor, "n 4"]:
        """Return the squares; those of the first row and column lie half outside the canvas."""
        corners = (cell_centers(shape) - 0.5) * stride  # [cells, 2]
        return torch.cat([corners, torch.full_like(corners, stride)], dim=1)


def cell_centers(shape: Size) -> Float[Tensor, "n 2"]:
    """Return the center ``x, y`` of each cell of a grid, in cells, row by row."""
    y, x = torch.meshgrid(torch.arange(shape[0]) + 0.5, torch.arange(shape[1]) + 0.5, indexing="ij")
    return torch.stack([x, y], dim=-1).flatten(0, 1)  # [h, w, 2] -> [h * w, 2]


def boxes_at(centers: Float[Tensor, "n 2"], sides: Float[Tensor, "k 2"]) -> Float[Tensor, "n*k 4"]:
    """Return boxes of all ``k`` sizes at each center; the boxes of one center are adjacent."""
    return torch.cat([centers.repeat_interleave(sides.shape[0], dim=0), sides.repeat(centers.shape[0], 1)], dim=1)


def cxcywh_to_xyxy(boxes: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 4"]:
    """Convert ``cx, cy, w, h`` to ``x1, y1, x2, y2``."""
    center, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([center - half, center + half], dim=-1)
