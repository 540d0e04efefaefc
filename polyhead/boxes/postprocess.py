"""Map predictions from the canvas (the network's input) back to the original image."""

from typing import overload

import torch
from jaxtyping import Float
from torch import Tensor

from polyhead.types import IGNORED, Detections, Labels, Mask, Prediction, Size, Values


@overload
def to_original(prediction: Detections, frame: Tensor, size: Size) -> Detections: ...
@overload
def to_original(prediction: Mask, frame: Tensor, size: Size) -> Mask: ...
@overload
def to_original(prediction: Labels, frame: Tensor, size: Size) -> Labels: ...
@overload
def to_original(prediction: Values, frame: Tensor, size: Size) -> Values: ...


def to_original(prediction: Prediction, frame: Float[Tensor, "3 2"], size: Size) -> Prediction:
    """Map a prediction from pixels of the canvas to pixels of the original image; labels and values stay unchanged.

    Boxes are clipped to the image, and boxes without area there (in the border of a letterbox) are dropped. A box is
    mapped to the axis-aligned bounding box of its mapped corners, which is exact unless the frame is rotated. A mask is
    resampled with nearest neighbor; pixels that were not on the canvas become 255.

    Args:
        prediction: the decoded prediction of one image.
        frame: position of the original image's corners (0, 0), (w, 0) and (0, h) on the canvas, as ``x, y``.
        size: height and width of the original image.

    Raises:
        ValueError: if the three corners lie on one line, so that the transform has no inverse.
    """
    if isinstance(prediction, Detections):
        return _restore_boxes(prediction, *_affine(frame, size), size)
    if isinstance(prediction, Mask):
        return _restore_mask(prediction, *_affine(frame, size), size)
    return prediction


def _affine(frame: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Return the affine map from the original image to the canvas.

    Returns:
        A matrix ``[2, 2]`` whose columns are the steps on the canvas for one original pixel to the right and down, and
        the origin ``[2]``.
    """
    origin, right, down = frame.detach().cpu().as_subclass(Tensor).double()  # each [2]
    matrix = torch.stack([(right - origin) / size[1], (down - origin) / size[0]], 1)
    determinant = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
    if not (determinant.abs() > 1e-12 and torch.isfinite(frame).all()):  # an image smaller than a millionth of a pixel
        raise ValueError(f"the frame {frame.tolist()} has no area. Its three corners must not lie on one line.")
    return matrix, origin


def _restore_boxes(detections: Detections, matrix: Tensor, origin: Tensor, size: Size) -> Detections:
    boxes = detections.boxes  # [n, 4]
    # All four corners of each box, because a rotation moves each of them differently: [n, 4, 2].
    corners = boxes.detach().cpu().double()[:, [0, 1, 2, 1, 0, 3, 2, 3]].reshape(-1, 4, 2) - origin
    back = corners @ _inverse(matrix).T
    limit = torch.tensor([size[1], size[0]], dtype=back.dtype)
    clipped = torch.cat([back.amin(1), back.amax(1)], 1).clamp(min=0).minimum(limit.repeat(2)).to(boxes)  # [n, 4]
    visible = ((clipped[:, 2:] - clipped[:, :2]) > 0).all(1)  # [n]
    return Detections(clipped[visible], detections.scores[visible], detections.labels[visible])


def _inverse(matrix: Tensor) -> Tensor:
    """Invert a 2x2 matrix; zeros stay exactly zero."""
    (a, b), (c, d) = matrix
    inverse: Tensor = torch.stack([torch.stack([d, -b]), torch.stack([-c, a])]) / (a * d - b * c)
    return inverse


def _restore_mask(mask: Mask, matrix: Tensor, origin: Tensor, size: Size) -> Mask:
    height, width = mask.classes.shape
    rows = torch.arange(size[0], dtype=torch.float64)[:, None] + 0.5  # pixel centers of the original image, [h, 1]
    columns = torch.arange(size[1], dtype=torch.float64)[None] + 0.5  # [1, w]
    # The canvas pixel at each original pixel, x and y: each [h, w].
    x, y = ((matrix[axis, 0] * columns + matrix[axis, 1] * rows + origin[axis]).floor().long() for axis in (0, 1))
    outside = (x < 0) | (y < 0) | (x >= width) | (y >= height)
    device = mask.classes.device
    classes = mask.classes[y.clamp(0, height - 1).to(device), x.clamp(0, width - 1).to(device)]  # [h, w]
    return Mask(classes.masked_fill(outside.to(device), IGNORED))
