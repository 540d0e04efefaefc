"""Pictures turned, sheared, scaled and moved onto one canvas, each of them resampled once.

:mod:`polyhead.data.geometry.crop` shows a rectangle of one picture. Here several may share the canvas and none has to stand
upright: a matrix takes each picture straight from its own pixels to the canvas, and its boxes, frame and mask along.
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

from polyhead.data.geometry.crop import GREY, Spans
from polyhead.data.geometry.visible import areas, join, plain, see
from polyhead.types import IGNORED, Sample, Size

Matrix = NDArray[np.float64]
"""``[2, 3]``: the point (x, y) comes to ``matrix @ (x, y, 1)``. Borders of pixels are whole numbers."""

Pixels = NDArray[np.uint8]
"""``[h, w, 3]`` of a picture, ``[h, w]`` of a mask: as OpenCV wants them, and as pictures are decoded."""
EXACT = 1e-6
"""Pixels; what is so near to a whole number is meant to be one."""

FLIPS = {(True, False): 1, (False, True): 0, (True, True): -1}
"""OpenCV's numbers for mirroring left and right, top and bottom, both."""


class Patch(NamedTuple):
    """A sample, and the matrix that takes its picture to the canvas."""

    sample: Sample
    matrix: Matrix


def camera(
    size: Size,
    degrees: float = 0.0,
    shear: tuple[float, float] = (0.0, 0.0),
    scale: float = 1.0,
    shift: tuple[float, float] = (0.0, 0.0),
    mirror: tuple[bool, bool] = (False, False),
) -> Matrix:
    """The matrix that shows a plane, whose origin is the middle of what is seen, on a canvas.

    Args:
        size: height and width of the canvas.
        degrees: the plane is turned by so many, clockwise.
        shear: degrees by which its upright and its level lines lean.
        scale: pixels of the canvas for one of the plane.
        shift: of the plane's origin from the canvas' middle to the right and down, in shares of the canvas' sides.
        mirror: whether right and left, and whether top and bottom change places.
    """
    turn = radians(degrees)
    turning = np.array([[cos(turn), -sin(turn)], [sin(turn), cos(turn)]])
    leaning = np.array([[1.0, tan(radians(shear[0]))], [tan(radians(shear[1])), 1.0]])
    signs = np.array([[-1.0 if mirror[0] else 1.0], [-1.0 if mirror[1] else 1.0]])
    middle = np.array([[size[1] * (0.5 + shift[0])], [size[0] * (0.5 + shift[1])]])
    return np.concatenate([scale * signs * (turning @ leaning), middle], 1)


def placed(matrix: Matrix, scale: float, corner: tuple[float, float]) -> Matrix:
    """``matrix`` for a picture that is scaled, and laid on the plane with its upper left corner at ``corner``."""
    origin = matrix[:, :2] @ np.array(corner) + matrix[:, 2]
    return np.concatenate([scale * matrix[:, :2], origin[:, None]], 1)


def collage(patches: Sequence[Patch], size: Size) -> Sample:
    """Pictures side by side on one canvas; grey (mask: 255) where none lies.

    Boxes become the hulls of their turned corners, clipped to the canvas (:func:`polyhead.data.geometry.visible.see`). Pictures
    may touch, but not overlap: what a later one covers of an earlier one would count as seen. Id, size, value and frame
    are the first picture's, so the way back to the original is for what lies in the first picture alone. There is a
    mask where every picture has one.
    """
    canvas = np.full((*size, 3), GREY, np.uint8)
    patches = [Patch(sample, _paint(canvas, pixels(sample.input), matrix)) for sample, matrix in patches]
    first = patches[0]
    hulls = torch.cat([_hulls(patch) for patch in patches])
    limit = torch.tensor([size[1], size[0]], dtype=hulls.dtype).repeat(2)
    boxes = hulls.clamp(min=0).minimum(limit)
    share = areas(boxes) / areas(hulls).clamp(min=1e-6)
    frame = moved(plain(first.sample.frame), first.matrix)
    return see(join([sample for sample, _ in patches]), boxes, share, size)._replace(
        input=image(canvas), frame=tv.KeyPoints(frame, canvas_size=size), mask=_masks(patches, size)
    )


def moved(points: Tensor, matrix: Matrix) -> Tensor:
    """Points ``[n, 2]`` after ``matrix``; computed in double precision."""
    turn, shift = torch.from_numpy(matrix[:, :2]), torch.from_numpy(matrix[:, 2])
    result: Tensor = (points.double() @ turn.T + shift).to(points.dtype)
    return result


def pixels(picture: Tensor) -> Pixels:
    """``[3, h, w]`` as OpenCV wants it; shares memory where channels come last already. Not to be written into."""
    return np.ascontiguousarray(plain(picture).permute(1, 2, 0).numpy())


def image(picture: Pixels) -> tv.Image:
    """``[h, w, 3]`` as a picture ``[3, h, w]`` that shares its memory."""
    return tv.Image(torch.from_numpy(picture).permute(2, 0, 1))


def _hulls(patch: Patch) -> Tensor:
    boxes = plain(patch.sample.boxes)
    corners = moved(boxes[:, [0, 1, 2, 1, 0, 3, 2, 3]].reshape(-1, 2), patch.matrix).reshape(-1, 4, 2)
    return torch.cat([corners.amin(1), corners.amax(1)], 1)


def _masks(patches: Sequence[Patch], size: Size) -> tv.Mask | None:
    canvas = np.full(size, IGNORED, np.uint8)
    for sample, matrix in patches:
        if sample.mask is None:
            return None
        _paint(canvas, plain(sample.mask).numpy(), matrix, smooth=False)
    return tv.Mask(torch.from_numpy(canvas))


def _paint(canvas: Pixels, picture: Pixels, matrix: Matrix, *, smooth: bool = True) -> Matrix:
    """Resample a picture onto the part of the canvas where it lies, and give the matrix by which it came there.

    An upright picture is moved to whole pixels, as :func:`polyhead.data.geometry.crop.view` does: a third of the time.
    """
    if matrix[0, 1] == 0 and matrix[1, 0] == 0:
        return _paint_upright(canvas, picture, matrix, smooth=smooth)
    _paint_turned(canvas, *(_shrunk(picture, matrix) if smooth else (picture, matrix)), smooth=smooth)
    return matrix


def _paint_upright(canvas: Pixels, picture: Pixels, matrix: Matrix, *, smooth: bool) -> Matrix:
    columns = _spans(matrix[0, 0], matrix[0, 2], picture.shape[1], canvas.shape[1])
    rows = _spans(matrix[1, 1], matrix[1, 2], picture.shape[0], canvas.shape[0])
    if columns is None or rows is None:
        return matrix
    (left, right), (x1, x2) = columns
    (top, bottom), (y1, y2) = rows
    mirror = matrix[0, 0] < 0, matrix[1, 1] < 0
    part, sides = picture[top:bottom, left:right], (x2 - x1, y2 - y1)
    few = 2 * sides[0] <= right - left or 2 * sides[1] <= bottom - top  # bilinear would leave pixels out
    how = (cv2.INTER_AREA if few else cv2.INTER_LINEAR) if smooth else cv2.INTER_NEAREST_EXACT
    shown = cv2.resize(part, sides, interpolation=how)
    canvas[y1:y2, x1:x2] = cv2.flip(shown, FLIPS[mirror]) if any(mirror) else shown
    scale = np.array([sides[0] / (right - left), sides[1] / (bottom - top)]) * np.sign([matrix[0, 0], matrix[1, 1]])
    origin = np.array([x2 if mirror[0] else x1, y2 if mirror[1] else y1]) - scale * [left, top]
    return np.concatenate([np.diag(scale), origin[:, None]], 1)


def _spans(scale: float, start: float, length: int, limit: int) -> Spans | None:
    """Along one axis, the pixels of the picture that are seen, and those of the canvas that show them, if any.

    The picture's point x lies at ``start + scale * x``; the axis has ``length`` pixels, and the canvas' has ``limit``.
    Pixels that are seen in part are shown whole, so that no grey is left at the canvas' border.
    """
    low, high = sorted((start, start + scale * length))
    if high <= 0 or low >= limit:
        return None
    ends = sorted(((max(low, 0) - start) / scale, (min(high, limit) - start) / scale))
    first = min(max(floor(ends[0] + EXACT), 0), length - 1)
    last = max(min(ceil(ends[1] - EXACT), length), first + 1)
    ends = sorted((start + scale * first, start + scale * last))
    left = min(max(round(ends[0]), 0), limit - 1)
    return (first, last), (left, max(min(round(ends[1]), limit), left + 1))


def _shrunk(picture: Pixels, matrix: Matrix) -> tuple[Pixels, Matrix]:
    """Average over whole pixels where the canvas has half as many or less: what follows looks at four at a time."""
    factor = int(abs(float(np.linalg.det(matrix[:, :2]))) ** -0.5)
    if factor < 2:
        return picture, matrix
    height, width = picture.shape[:2]
    small = ceil(width / factor), ceil(height / factor)
    ratio = np.array([width / small[0], height / small[1], 1.0])
    return cv2.resize(picture, small, interpolation=cv2.INTER_AREA), matrix * ratio  # type: ignore[return-value]  # cv2 says any dtype


def _paint_turned(canvas: Pixels, picture: Pixels, matrix: Matrix, *, smooth: bool) -> None:
    height, width = picture.shape[:2]
    outline = matrix @ np.array([[0.0, width, 0.0, width], [0.0, 0.0, height, height], [1.0, 1.0, 1.0, 1.0]])
    limit = [canvas.shape[1], canvas.shape[0]]
    low, high = (np.floor(ends).astype(int).clip(0, limit) for ends in (outline.min(1), outline.max(1) + 1))
    if (high <= low).any():
        return
    spot = canvas[low[1] : high[1], low[0] : high[0]]
    centred = placed(matrix, 1.0, (0.5, 0.5))  # OpenCV counts from the centres of pixels
    centred[:, 2] -= low + 0.5
    how = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
    cv2.warpAffine(picture, centred, spot.shape[1::-1], dst=spot, flags=how, borderMode=cv2.BORDER_TRANSPARENT)
