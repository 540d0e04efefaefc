"""An image with the objects and the mask in its plane, which geometric transforms move together."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torchvision import tv_tensors as tv

from polyhead.types import Meta, Size

BLOCK = 1 << 20
"""Pixels of an original image that are computed at a time."""

Frame = tuple[tuple[float, float], ...]
"""Position of the original image's corners (0, 0), (w, 0) and (0, h) in an image, as x, y."""


class ImageSample(NamedTuple):
    """An image and what lies in its plane, in pixels of ``input``; transforms take and return it.

    Attributes:
        input: uint8 ``[3, h, w]``.
        boxes: float32 xyxy; their canvas size is the size of ``input``.
        labels, ignore, annotated: as in :class:`polyhead.types.Boxes`.
        frame: position in ``input`` of the original image's corners (0, 0), (w, 0) and (0, h). They go through every
            geometric transform together with the boxes and thereby define its inverse (:class:`ImageMeta`).
        mask: class of each pixel, uint8 ``[h, w]``, 255 = ignored; None without one.
    """

    input: tv.Image
    boxes: tv.BoundingBoxes
    labels: Int[Tensor, " n"]
    ignore: Bool[Tensor, " n"]
    annotated: Bool[Tensor, " c"]
    frame: tv.KeyPoints
    mask: tv.Mask | None = None


class ImageMeta(Meta):
    """The id of an image, and the inverse of its transforms.

    Args:
        sample_id: id of the sample.
        size: height and width of the original image.
        frame: position of the original image's corners on the canvas; by default the image is unchanged.
    """

    def __init__(self, sample_id: str, size: Size, frame: Frame | None = None) -> None:
        super().__init__(sample_id)
        self.size = size
        # Plain floats: each tensor would take a file descriptor on its way from a loader process.
        self.frame = frame or ((0.0, 0.0), (float(size[1]), 0.0), (0.0, float(size[0])))

    @property
    def extent(self) -> tuple[float, float]:
        """Width and height of the original image."""
        return float(self.size[1]), float(self.size[0])

    def points(self, points: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        """Map points of the canvas to pixels of the original image, in float64.

        Raises:
            ValueError: if the three corners lie on one line, so that the transform has no inverse.
        """
        matrix, origin = self._affine()
        return (points.double() - origin) @ _inverse(matrix).T

    def raster(self, plane: Shaped[Tensor, "h w"], fill: int) -> Shaped[Tensor, "_ _"]:
        """Resample a plane of the canvas to the original image with the nearest neighbor.

        Raises:
            ValueError: if the three corners lie on one line, so that the transform has no inverse.
        """
        step = max(1, BLOCK // self.size[1])  # rows at a time: the coordinates of a pixel take far more memory than it
        starts = range(0, self.size[0], step)
        return torch.cat([self._rows(plane, fill, start, min(start + step, self.size[0])) for start in starts])

    def _rows(self, plane: Shaped[Tensor, "h w"], fill: int, start: int, stop: int) -> Shaped[Tensor, "_ _"]:
        """Resample a plane to some rows of the original image."""
        matrix, origin = self._affine()
        height, width = plane.shape
        rows = torch.arange(start, stop, dtype=torch.float64)[:, None] + 0.5  # pixel centers of the original, [h, 1]
        columns = torch.arange(self.size[1], dtype=torch.float64)[None] + 0.5  # [1, w]
        # The canvas pixel at each original pixel, x and y: each [h, w].
        x, y = ((matrix[axis, 0] * columns + matrix[axis, 1] * rows + origin[axis]).floor().long() for axis in (0, 1))
        outside = (x < 0) | (y < 0) | (x >= width) | (y >= height)
        values = plane[y.clamp(0, height - 1).to(plane.device), x.clamp(0, width - 1).to(plane.device)]  # [h, w]
        return values.masked_fill(outside.to(plane.device), fill)

    def _affine(self) -> tuple[Tensor, Tensor]:
        """Return the affine map from the original image to the canvas.

        Returns:
            A matrix ``[2, 2]`` whose columns are the steps on the canvas for one original pixel to the right and down,
            and the origin ``[2]``.
        """
        origin, right, down = torch.tensor(self.frame, dtype=torch.float64)  # each [2]
        matrix = torch.stack([(right - origin) / self.size[1], (down - origin) / self.size[0]], 1)
        determinant = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
        finite = torch.isfinite(torch.tensor(self.frame)).all()
        if not (determinant.abs() > 1e-12 and finite):  # an image smaller than a millionth of a pixel
            raise ValueError(
                f"the frame {[list(corner) for corner in self.frame]} has no area. Its three corners must not lie on "
                "one line."
            )
        return matrix, origin


def _inverse(matrix: Tensor) -> Tensor:
    """Invert a 2x2 matrix; zeros stay exactly zero."""
    (a, b), (c, d) = matrix
    inverse: Tensor = torch.stack([torch.stack([d, -b]), torch.stack([-c, a])]) / (a * d - b * c)
    return inverse
