"""Back from the canvas to the original picture, by three corners that went through every transform with the boxes."""

from typing import overload

import torch
from jaxtyping import Float
from torch import Tensor

from polyhead.types import IGNORED, Detections, Labels, Mask, Prediction, Size, Values


@overload
def restore(prediction: Detections, frame: Tensor, size: Size) -> Detections: ...
@overload
def restore(prediction: Mask, frame: Tensor, size: Size) -> Mask: ...
@overload
def restore(prediction: Labels, frame: Tensor, size: Size) -> Labels: ...
@overload
def restore(prediction: Values, frame: Tensor, size: Size) -> Values: ...


def restore(prediction: Prediction, frame: Float[Tensor, "3 2"], size: Size) -> Prediction:
    """Map a prediction from pixels of the canvas to pixels of the original picture; labels and values stay as they are.

    Boxes are clipped to the picture, and those without area there (a letterbox's border) are dropped. A box becomes
    the smallest upright box around its mapped corners, which is exact unless the frame is turned. A mask takes the
    nearest pixel, and 255 where the canvas did not show the picture.

    Args:
        prediction: what a head decoded for one picture.
        frame: where the corners (0, 0), (w, 0) and (0, h) of the original picture lie on the canvas.
        size: height and width of the original picture.

    Raises:
        ValueError: when the three corners lie on one line, so that there is no way back.
    """
    if isinstance(prediction, Detections):
        return _restore_boxes(prediction, *_affine(frame, size), size)
    if isinstance(prediction, Mask):
        return _restore_mask(prediction, *_affine(frame, size), size)
    return prediction


def _affine(frame: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Matrix (its columns are the steps of one original pixel right and down) and origin, both on the canvas."""
    origin, right, down = frame.detach().cpu().as_subclass(Tensor).double()
    matrix = torch.stack([(right - origin) / size[1], (down - origin) / size[0]], 1)
    determinant = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
    if not (determinant.abs() > 1e-12 and torch.isfinite(frame).all()):  # a picture smaller than a millionth of a pixel
        raise ValueError(f"the frame {frame.tolist()} is flat: its corners must span an area to map anything back")
    return matrix, origin


def _restore_boxes(detections: Detections, matrix: Tensor, origin: Tensor, size: Size) -> Detections:
    boxes = detections.boxes
    corners = boxes.detach().cpu().double()[:, [0, 1, 2, 1, 0, 3, 2, 3]].reshape(-1, 4, 2) - origin
    back = corners @ _inverse(matrix).T
    limit = torch.tensor([size[1], size[0]], dtype=back.dtype)
    clipped = torch.cat([back.amin(1), back.amax(1)], 1).clamp(min=0).minimum(limit.repeat(2)).to(boxes)
    keep = ((clipped[:, 2:] - clipped[:, :2]) > 0).all(1)
    return Detections(clipped[keep], detections.scores[keep], detections.labels[keep])


def _inverse(matrix: Tensor) -> Tensor:
    """Inverse of 2 x 2 whose zeros stay exact zeros."""
    (a, b), (c, d) = matrix
    inverse: Tensor = torch.stack([torch.stack([d, -b]), torch.stack([-c, a])]) / (a * d - b * c)
    return inverse


def _restore_mask(mask: Mask, matrix: Tensor, origin: Tensor, size: Size) -> Mask:
    height, width = mask.classes.shape
    rows = torch.arange(size[0], dtype=torch.float64)[:, None] + 0.5
    columns = torch.arange(size[1], dtype=torch.float64)[None] + 0.5
    x, y = ((matrix[axis, 0] * columns + matrix[axis, 1] * rows + origin[axis]).floor().long() for axis in (0, 1))
    outside = (x < 0) | (y < 0) | (x >= width) | (y >= height)
    device = mask.classes.device
    classes = mask.classes[y.clamp(0, height - 1).to(device), x.clamp(0, width - 1).to(device)]
    return Mask(classes.masked_fill(outside.to(device), IGNORED))
