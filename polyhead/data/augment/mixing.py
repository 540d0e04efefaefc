"""Several images in one: mosaic (Bochkovskiy et al. 2020), MixUp (Zhang et al. 2018), CutMix (Yun et al. 2019).

The result has the objects of all images; everything that belongs to an image as a whole (id, size, value, frame) is
taken from the first one (:func:`polyhead.data.geometry.visible.concat`).
"""

from collections.abc import Sequence

import cv2
import torch
from torch import Tensor
from torchvision import tv_tensors as tv

from polyhead.boxes.overlap import box_area
from polyhead.data.geometry.affine import Matrix, Placement, compose, paste, to_array, to_image
from polyhead.data.geometry.plane import ImageSample
from polyhead.data.geometry.visible import as_plain, concat, update_visible
from polyhead.types import IGNORED, Size

Hole = tuple[int, int, int, int]
"""x1, y1, x2, y2 in whole pixels of a canvas."""


def single(sample: ImageSample, size: Size, matrix: Matrix) -> ImageSample:
    """Return one image on a canvas, scaled to fit it and then transformed.

    Args:
        sample: the image; its center is the origin of the plane that ``matrix`` maps to the canvas.
        size: height and width of the canvas.
        matrix: maps the plane to the canvas (:func:`polyhead.data.geometry.affine.affine_matrix`).
    """
    height, width = sample.input.shape[-2:]
    scale = fit_scale(sample, size)
    return paste([Placement(sample, compose(matrix, scale, (-scale * width / 2, -scale * height / 2)))], size)


def mosaic(samples: Sequence[ImageSample], size: Size, center: tuple[float, float], matrix: Matrix) -> ImageSample:
    """Return four images that meet in a point, each scaled to fit the whole canvas (paper, section 3.3 and figure 3).

    Args:
        samples: the upper left, upper right, lower left and lower right image.
        size: height and width of the canvas.
        center: the point where they meet, x and y in pixels of the plane that ``matrix`` maps to the canvas.
        matrix: maps the plane to the canvas (:func:`polyhead.data.geometry.affine.affine_matrix`).
    """
    patches = []
    for index, sample in enumerate(samples):
        height, width = sample.input.shape[-2:]
        scale = fit_scale(sample, size)
        left, upper = index % 2 == 0, index < 2
        # The upper left corner of the scaled image: left and upper images end at the center, the others begin there.
        corner = center[0] - scale * width * left, center[1] - scale * height * upper
        patches.append(Placement(sample, compose(matrix, scale, corner)))
    return paste(patches, size)


def fit_scale(sample: ImageSample, size: Size) -> float:
    """Return the factor by which an image just fits the canvas."""
    height, width = (int(side) for side in sample.input.shape[-2:])
    return min(size[0] / height, size[1] / width)


def mixup(first: ImageSample, second: ImageSample, weight: float) -> ImageSample:
    """Return the weighted mean of two images of the same size, with the objects of both.

    All objects count fully, whatever the weight. Pixels whose classes in the two masks differ become ignored (255).

    Args:
        first: the image with ``weight``.
        second: the image with ``1 - weight``.
        weight: 0..1.
    """
    image = cv2.addWeighted(to_array(first.input), weight, to_array(second.input), 1 - weight, 0)  # [h, w, 3]
    mask = None
    if first.mask is not None and second.mask is not None:
        one, other = as_plain(first.mask), as_plain(second.mask)
        mask = tv.Mask(torch.where(one == other, one, IGNORED))
    return concat([first, second])._replace(input=to_image(image), mask=mask)  # type: ignore[arg-type]  # cv2 says any dtype


def cutmix(first: ImageSample, second: ImageSample, hole: Hole) -> ImageSample:
    """Return the first image with a rectangle replaced by the same rectangle of the second; both have the same size.

    Boxes of the first image shrink where the hole covers one end of them completely; boxes of the second are clipped
    to the hole.
    """
    left, top, right, bottom = hole
    size = (first.input.shape[-2], first.input.shape[-1])
    image = to_array(first.input).copy()  # [h, w, 3]; the input may belong to a cache
    image[top:bottom, left:right] = to_array(second.input)[top:bottom, left:right]
    mask = None
    if first.mask is not None and second.mask is not None:
        mask = tv.wrap(first.mask.clone(), like=first.mask)
        mask[top:bottom, left:right] = second.mask[top:bottom, left:right]
    below, above = as_plain(first.boxes), as_plain(second.boxes)  # [n, 4], [m, 4]
    outer = update_visible(first, _outside(below, hole), 1 - _inside_fraction(below, hole), size)
    inner = update_visible(second, _clip(above, hole), _inside_fraction(above, hole), size)
    return concat([outer, inner])._replace(input=to_image(image), mask=mask)


def draw_hole(size: Size) -> Hole:
    """Draw a rectangle with the canvas's aspect ratio, clipped to the canvas.

    Its center is uniform over the canvas, and its area before clipping is uniform over 0 to the canvas's area.
    """
    height, width = size
    area, x, y = torch.rand(3).tolist()
    half_width, half_height = width * area**0.5 / 2, height * area**0.5 / 2
    left, right = round(max(0.0, x * width - half_width)), round(min(width, x * width + half_width))
    return left, round(max(0.0, y * height - half_height)), right, round(min(height, y * height + half_height))


def _clip(boxes: Tensor, hole: Hole) -> Tensor:
    """Return boxes ``[n, 4]`` clipped to the hole."""
    limit = torch.tensor([hole[:2], hole[2:]], dtype=boxes.dtype)  # [2, 2]: upper left and lower right corner
    return boxes.reshape(-1, 2, 2).clamp(limit[0], limit[1]).flatten(1)


def _inside_fraction(boxes: Tensor, hole: Hole) -> Tensor:
    """Return the fraction of each box ``[n, 4]`` that lies in the hole, as ``[n]``."""
    return box_area(_clip(boxes, hole)) / box_area(boxes)


def _outside(boxes: Tensor, hole: Hole) -> Tensor:
    """Return the bounding box of each box's area outside the hole, ``[n, 4]``; without width or height if none is left.

    Strips of less than a pixel next to the hole count as covered: at most one row of pixels shows them, and none of
    these pixels fully.
    """
    outside = boxes.clone()
    for axis in (0, 1):
        low, high = boxes[:, axis], boxes[:, axis + 2]  # [n] each
        # A box gets shorter along this axis only if the hole covers it along the other one.
        across = (hole[1 - axis] < boxes[:, 1 - axis] + 1) & (hole[3 - axis] > boxes[:, 3 - axis] - 1)  # [n]
        start, stop = hole[axis], hole[axis + 2]
        outside[:, axis] = torch.where(across & (start < low + 1) & (stop > low), stop, low)
        outside[:, axis + 2] = torch.where(across & (stop > high - 1) & (start < high), start, high)
    return outside
