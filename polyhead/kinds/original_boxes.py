"""Detected boxes in the pixels of the original image."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from polyhead.types import Meta


def original_boxes(boxes: Float[Tensor, "n 4"], meta: Meta) -> Float[Tensor, "n 4"]:
    """Map boxes of the canvas to the original image, clipped to it.

    The result is the axis-aligned bounding box of the mapped corners, which is exact unless the image was rotated.
    """
    # All four corners of each box, because a rotation moves each of them differently: [4 n, 2].
    corners = boxes.double()[:, [0, 1, 2, 1, 0, 3, 2, 3]].reshape(-1, 2)
    back = meta.points(corners).reshape(-1, 4, 2)
    mapped = torch.cat([back.amin(1), back.amax(1)], 1)  # [n, 4]
    if meta.extent is not None:
        limit = torch.tensor(meta.extent, dtype=mapped.dtype)
        mapped = mapped.clamp(min=0).minimum(limit.repeat(2))
    return mapped.to(boxes)


def have_area(boxes: Float[Tensor, "n 4"]) -> Bool[Tensor, " n"]:
    """Return whether each box has a width and a height."""
    return ((boxes[:, 2:] - boxes[:, :2]) > 0).all(1)
