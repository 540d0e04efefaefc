"""Several pictures in one: mosaic (Bochkovskiy et al. 2020), MixUp (Zhang et al. 2018), CutMix (Yun et al. 2019).

In all of them the objects of every picture stay, and what belongs to a picture as a whole is the first one's
(:func:`polyhead.data.geometry.visible.join`).
"""

from collections.abc import Sequence

import cv2
import torch
from torch import Tensor
from torchvision import tv_tensors as tv

from polyhead.data.geometry.affine import Matrix, Patch, collage, image, pixels, placed
from polyhead.data.geometry.visible import areas, join, plain, see
from polyhead.types import IGNORED, Sample, Size

Hole = tuple[int, int, int, int]
"""x1, y1, x2, y2 in whole pixels of a canvas."""


def alone(sample: Sample, size: Size, matrix: Matrix) -> Sample:
    """One picture, as large as fits on the canvas, its middle in that of the plane that ``matrix`` shows."""
    height, width = sample.input.shape[-2:]
    scale = fitting(sample, size)
    return collage([Patch(sample, placed(matrix, scale, (-scale * width / 2, -scale * height / 2)))], size)


def mosaic(samples: Sequence[Sample], size: Size, centre: tuple[float, float], matrix: Matrix) -> Sample:
    """Four pictures that meet in a point, each as large as would fit on the canvas (paper, 3.3 and figure 3).

    Args:
        samples: lie to the upper left, upper right, lower left and lower right of the point.
        size: height and width of the canvas.
        centre: the point where they meet, in pixels of the plane that ``matrix`` shows.
        matrix: takes that plane to the canvas (:func:`polyhead.data.geometry.affine.camera`).
    """
    patches = []
    for place, sample in enumerate(samples):
        height, width = sample.input.shape[-2:]
        scale = fitting(sample, size)
        left, upper = place % 2 == 0, place < 2
        corner = centre[0] - scale * width * left, centre[1] - scale * height * upper
        patches.append(Patch(sample, placed(matrix, scale, corner)))
    return collage(patches, size)


def fitting(sample: Sample, size: Size) -> float:
    """The factor by which a picture just fits on the canvas."""
    height, width = (int(side) for side in sample.input.shape[-2:])
    return min(size[0] / height, size[1] / width)


def mixup(first: Sample, second: Sample, weight: float) -> Sample:
    """Two pictures of one size laid over each other; ``weight`` (0..1) is the first one's.

    All objects count fully. Pixels whose classes in the two masks differ are of neither: 255.
    """
    picture = cv2.addWeighted(pixels(first.input), weight, pixels(second.input), 1 - weight, 0)
    mask = None
    if first.mask is not None and second.mask is not None:
        one, other = plain(first.mask), plain(second.mask)
        mask = tv.Mask(torch.where(one == other, one, IGNORED))
    return join([first, second])._replace(input=image(picture), mask=mask)  # type: ignore[arg-type]  # cv2 says any dtype


def cutmix(first: Sample, second: Sample, hole: Hole) -> Sample:
    """The first picture with a hole through which the second is seen; both of one size.

    Boxes of the first shrink where the hole takes a whole end of them; those of the second are clipped to the hole.
    """
    left, top, right, bottom = hole
    size = (first.input.shape[-2], first.input.shape[-1])
    picture = pixels(first.input).copy()
    picture[top:bottom, left:right] = pixels(second.input)[top:bottom, left:right]
    mask = None
    if first.mask is not None and second.mask is not None:
        mask = tv.wrap(first.mask.clone(), like=first.mask)
        mask[top:bottom, left:right] = second.mask[top:bottom, left:right]
    below, above = plain(first.boxes), plain(second.boxes)
    rest = see(first, _rest(below, hole), 1 - _inside(below, hole), size)
    shown = see(second, _clipped(above, hole), _inside(above, hole), size)
    return join([rest, shown])._replace(input=image(picture), mask=mask)


def draw_hole(size: Size) -> Hole:
    """A rectangle of the canvas' ratio, around any point, whose area is drawn evenly, cut at the canvas' border."""
    height, width = size
    area, x, y = torch.rand(3).tolist()
    wide, high = width * area**0.5 / 2, height * area**0.5 / 2
    left, right = round(max(0.0, x * width - wide)), round(min(width, x * width + wide))
    return left, round(max(0.0, y * height - high)), right, round(min(height, y * height + high))


def _clipped(boxes: Tensor, hole: Hole) -> Tensor:
    limit = torch.tensor([hole[:2], hole[2:]], dtype=boxes.dtype)
    return boxes.reshape(-1, 2, 2).clamp(limit[0], limit[1]).flatten(1)


def _inside(boxes: Tensor, hole: Hole) -> Tensor:
    """The share of each box that lies in the hole."""
    return areas(_clipped(boxes, hole)) / areas(boxes)


def _rest(boxes: Tensor, hole: Hole) -> Tensor:
    """The hull of what a hole leaves of each box; without width or height where it leaves nothing.

    A rest of less than a pixel beside the hole is nothing: no more than a row of pixels shows it, and none as a whole.
    """
    rest = boxes.clone()
    for axis in (0, 1):
        low, high = boxes[:, axis], boxes[:, axis + 2]
        across = (hole[1 - axis] < boxes[:, 1 - axis] + 1) & (hole[3 - axis] > boxes[:, 3 - axis] - 1)
        start, stop = hole[axis], hole[axis + 2]
        rest[:, axis] = torch.where(across & (start < low + 1) & (stop > low), stop, low)
        rest[:, axis + 2] = torch.where(across & (stop > high - 1) & (start < high), start, high)
    return rest
