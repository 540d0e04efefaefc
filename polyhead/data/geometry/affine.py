"""Rotate, shear, scale and shift images onto one canvas, resampling each image once.

:mod:`polyhead.data.geometry.crop` shows a rectangle of one image. Here several images may share the canvas, and they
may be rotated: a matrix maps each image, with its boxes, frame and mask, directly from its own pixels to the canvas.
"""

from collections.abc import Sequence
from math import ceil, cos, floor, radians, sin, tan
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors as tv

from polyhead.boxes.overlap import box_area
from polyhead.data.geometry.crop import GRAY, Spans
from polyhead.data.geometry.plane import ImageSample
from polyhead.data.geometry.visible import as_plain, concat, update_visible
from polyhead.types import IGNORED, Size

Matrix = NDArray[np.float64]
"""``[2, 3]``: maps the point (x, y) to ``matrix @ (x, y, 1)``. Whole numbers are borders of pixels, not centers."""

ImageArray = NDArray[np.uint8]
"""An image ``[h, w, 3]`` or a mask ``[h, w]`` as OpenCV expects it and as images are decoded."""

EPSILON = 1e-6
"""Coordinates this close to a whole number, in pixels, are rounded to it."""

FLIP_CODES = {(True, False): 1, (False, True): 0, (True, True): -1}
"""OpenCV's flip code for (left-right, top-bottom)."""


class Placement(NamedTuple):
    """A sample, and the matrix that maps its image to the canvas."""

    sample: ImageSample
    matrix: Matrix


def affine_matrix(
    size: Size,
    degrees: float = 0.0,
    shear: tuple[float, float] = (0.0, 0.0),
    scale: float = 1.0,
    shift: tuple[float, float] = (0.0, 0.0),
    mirror: tuple[bool, bool] = (False, False),
) -> Matrix:
    """Return the matrix that maps a plane, whose origin is the center of the scene, to a canvas.

    Args:
        size: height and width of the canvas.
        degrees: clockwise rotation of the plane.
        shear: angles in degrees by which vertical and horizontal lines are tilted.
        scale: pixels of the canvas per unit of the plane.
        shift: offset of the plane's origin from the center of the canvas, right and down, as fractions of the canvas's
            width and height.
        mirror: whether to flip left and right, and whether to flip top and bottom.
    """
    angle = radians(degrees)
    rotation = np.array([[cos(angle), -sin(angle)], [sin(angle), cos(angle)]])
    shearing = np.array([[1.0, tan(radians(shear[0]))], [tan(radians(shear[1])), 1.0]])
    signs = np.array([[-1.0 if mirror[0] else 1.0], [-1.0 if mirror[1] else 1.0]])  # [2, 1]: one per row
    origin = np.array([[size[1] * (0.5 + shift[0])], [size[0] * (0.5 + shift[1])]])  # [2, 1]
    return np.concatenate([scale * signs * (rotation @ shearing), origin], 1)  # [2, 3]


def compose(matrix: Matrix, scale: float, corner: tuple[float, float]) -> Matrix:
    """Return the matrix that scales an image, moves its upper left corner to ``corner`` and applies ``matrix``."""
    origin = matrix[:, :2] @ np.array(corner) + matrix[:, 2]  # [2]: where the upper left corner ends up
    return np.concatenate([scale * matrix[:, :2], origin[:, None]], 1)  # [2, 3]


def paste(placements: Sequence[Placement], size: Size) -> ImageSample:
    """Return several images on one canvas; it is gray (mask: 255) where there is no image.

    Boxes become the bounding boxes of their transformed corners, clipped to the canvas
    (:func:`polyhead.data.geometry.visible.update_visible`). Images may touch but must not overlap: the area of an
    earlier image that a later one covers would count as visible. Id, size, value and frame are those of the first
    image, so only its boxes can be mapped back to the original. The result has a mask only if every image has one.

    Args:
        placements: the images and their matrices.
        size: height and width of the canvas.
    """
    canvas = np.full((*size, 3), GRAY, np.uint8)
    # Drawing may round a matrix to whole pixels; boxes, frame and mask must use the rounded one.
    placements = [Placement(sample, _draw(canvas, to_array(sample.input), matrix)) for sample, matrix in placements]
    first = placements[0]
    hulls = torch.cat([_hulls(placement) for placement in placements])  # [n, 4], not clipped yet
    limit = torch.tensor([size[1], size[0]], dtype=hulls.dtype).repeat(2)  # [4]: width, height, width, height
    boxes = hulls.clamp(min=0).minimum(limit)
    fraction = box_area(boxes) / box_area(hulls).clamp(min=1e-6)  # [n]: visible fraction of each box
    frame = transform_points(as_plain(first.sample.frame), first.matrix)
    return update_visible(concat([sample for sample, _ in placements]), boxes, fraction, size)._replace(
        input=to_image(canvas), frame=tv.KeyPoints(frame, canvas_size=size), mask=_masks(placements, size)
    )


def transform_points(points: Tensor, matrix: Matrix) -> Tensor:
    """Apply ``matrix`` to points ``[n, 2]`` in double precision, and return them in their own dtype."""
    linear, shift = torch.from_numpy(matrix[:, :2]), torch.from_numpy(matrix[:, 2])
    result: Tensor = (points.double() @ linear.T + shift).to(points.dtype)
    return result


def to_array(image: Tensor) -> ImageArray:
    """Return an image ``[3, h, w]`` as an array ``[h, w, 3]`` for OpenCV.

    The array shares the image's memory if its channels are last in memory, so it must not be modified.
    """
    return np.ascontiguousarray(as_plain(image).permute(1, 2, 0).numpy())


def to_image(image: ImageArray) -> tv.Image:
    """Return an array ``[h, w, 3]`` as an image ``[3, h, w]`` that shares its memory."""
    return tv.Image(torch.from_numpy(image).permute(2, 0, 1))


def _hulls(placement: Placement) -> Tensor:
    """Return the bounding boxes ``[n, 4]`` of the transformed boxes of one image."""
    boxes = as_plain(placement.sample.boxes)  # [n, 4]
    corners = boxes[:, [0, 1, 2, 1, 0, 3, 2, 3]].reshape(-1, 2)  # [4 n, 2]
    moved = transform_points(corners, placement.matrix).reshape(-1, 4, 2)  # [n, 4, 2]
    return torch.cat([moved.amin(1), moved.amax(1)], 1)


def _masks(placements: Sequence[Placement], size: Size) -> tv.Mask | None:
    """Return the mask of the canvas; None if any image has no mask."""
    canvas = np.full(size, IGNORED, np.uint8)
    for sample, matrix in placements:
        if sample.mask is None:
            return None
        _draw(canvas, as_plain(sample.mask).numpy(), matrix, smooth=False)
    return tv.Mask(torch.from_numpy(canvas))


def _draw(canvas: ImageArray, image: ImageArray, matrix: Matrix, *, smooth: bool = True) -> Matrix:
    """Resample an image onto its region of the canvas, in place, and return the matrix that was used.

    An upright image is aligned to whole pixels, as in :func:`polyhead.data.geometry.crop.crop_resize`, which takes a
    third of the time.
    """
    if matrix[0, 1] == 0 and matrix[1, 0] == 0:
        return _draw_upright(canvas, image, matrix, smooth=smooth)
    _draw_rotated(canvas, *(_shrink(image, matrix) if smooth else (image, matrix)), smooth=smooth)
    return matrix


def _draw_upright(canvas: ImageArray, image: ImageArray, matrix: Matrix, *, smooth: bool) -> Matrix:
    """Draw an image that is neither rotated nor sheared, and return its matrix rounded to whole pixels."""
    columns = _spans(matrix[0, 0], matrix[0, 2], image.shape[1], canvas.shape[1])
    rows = _spans(matrix[1, 1], matrix[1, 2], image.shape[0], canvas.shape[0])
    if columns is None or rows is None:
        return matrix
    (left, right), (x1, x2) = columns
    (top, bottom), (y1, y2) = rows
    mirror = matrix[0, 0] < 0, matrix[1, 1] < 0
    crop, sides = image[top:bottom, left:right], (x2 - x1, y2 - y1)  # OpenCV's sizes are (width, height)
    shrinks = 2 * sides[0] <= right - left or 2 * sides[1] <= bottom - top  # bilinear would skip pixels
    mode = (cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR) if smooth else cv2.INTER_NEAREST_EXACT
    resized = cv2.resize(crop, sides, interpolation=mode)
    canvas[y1:y2, x1:x2] = cv2.flip(resized, FLIP_CODES[mirror]) if any(mirror) else resized
    # The matrix that maps the whole pixels of the crop to the whole pixels of the canvas.
    scale = np.array([sides[0] / (right - left), sides[1] / (bottom - top)]) * np.sign([matrix[0, 0], matrix[1, 1]])
    origin = np.array([x2 if mirror[0] else x1, y2 if mirror[1] else y1]) - scale * [left, top]
    return np.concatenate([np.diag(scale), origin[:, None]], 1)  # [2, 3]


def _spans(scale: float, start: float, length: int, limit: int) -> Spans | None:
    """Return, along one axis, the visible pixels of the image and those of the canvas that show them; None if none are.

    Pixels that are partly visible are shown whole, so that no gray is left at the border of the canvas.

    Args:
        scale: canvas pixels per image pixel; negative for a mirrored image.
        start: where the image's coordinate 0 is on the canvas; x is at ``start + scale * x``.
        length: pixels of the image along this axis.
        limit: pixels of the canvas.
    """
    low, high = sorted((start, start + scale * length))
    if high <= 0 or low >= limit:
        return None
    ends = sorted(((max(low, 0) - start) / scale, (min(high, limit) - start) / scale))  # visible, in image pixels
    first = min(max(floor(ends[0] + EPSILON), 0), length - 1)
    last = max(min(ceil(ends[1] - EPSILON), length), first + 1)
    ends = sorted((start + scale * first, start + scale * last))  # the same whole pixels, on the canvas
    left = min(max(round(ends[0]), 0), limit - 1)
    return (first, last), (left, max(min(round(ends[1]), limit), left + 1))


def _shrink(image: ImageArray, matrix: Matrix) -> tuple[ImageArray, Matrix]:
    """Average an image over blocks of pixels if it is drawn at half its size or smaller, and adapt its matrix.

    The resampling that follows interpolates between only four pixels at a time and would skip the others.
    """
    factor = int(abs(float(np.linalg.det(matrix[:, :2]))) ** -0.5)  # image pixels per canvas pixel, along one axis
    if factor < 2:
        return image, matrix
    height, width = image.shape[:2]
    small = ceil(width / factor), ceil(height / factor)
    ratio = np.array([width / small[0], height / small[1], 1.0])  # scales the columns of the matrix
    return cv2.resize(image, small, interpolation=cv2.INTER_AREA), matrix * ratio  # type: ignore[return-value]  # cv2 says any dtype


def _draw_rotated(canvas: ImageArray, image: ImageArray, matrix: Matrix, *, smooth: bool) -> None:
    """Draw a rotated or sheared image onto the canvas in place."""
    height, width = image.shape[:2]
    # [2, 4]: the four corners of the image on the canvas
    corners = matrix @ np.array([[0.0, width, 0.0, width], [0.0, 0.0, height, height], [1.0, 1.0, 1.0, 1.0]])
    limit = [canvas.shape[1], canvas.shape[0]]
    low, high = (np.floor(ends).astype(int).clip(0, limit) for ends in (corners.min(1), corners.max(1) + 1))
    if (high <= low).any():
        return
    region = canvas[low[1] : high[1], low[0] : high[0]]  # only the bounding box of the image is resampled
    centered = compose(matrix, 1.0, (0.5, 0.5))  # OpenCV's coordinates are centers of pixels
    centered[:, 2] -= low + 0.5
    mode = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
    cv2.warpAffine(image, centered, region.shape[1::-1], dst=region, flags=mode, borderMode=cv2.BORDER_TRANSPARENT)
