"""The overlap of boxes: the area that two boxes share, their IoU, and the fraction of one that lies in the other.

Boxes are xyxy. In shapes, ``m`` and ``n`` are the numbers of boxes of the two sets, and ``*b`` any leading axes; the
second set may lack them.
"""

import torch
from jaxtyping import Float
from torch import Tensor

LEAST = 1e-9
"""The smallest area in square pixels that is divided by, so that boxes without area give 0 instead of NaN."""


def box_area(boxes: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b"]:
    """Return the area of each box; 0 for a box without width or height, also where its corners are swapped."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(dim=-1)


def intersection(boxes: Float[Tensor, "*b m 4"], others: Float[Tensor, "*#b n 4"]) -> Float[Tensor, "*b m n"]:
    """Return the area that each box shares with each of the others."""
    # Coordinate by coordinate: one tensor [*b, m, n, 2] of corners would take twice the memory.
    left, top, right, bottom = boxes[..., None].unbind(dim=-2)  # each [*b, m, 1]
    x1, y1, x2, y2 = others[..., None, :, :].unbind(dim=-1)  # each [*b, 1, n]
    width = (torch.minimum(right, x2) - torch.maximum(left, x1)).clamp_(min=0)  # [*b, m, n]
    height = (torch.minimum(bottom, y2) - torch.maximum(top, y1)).clamp_(min=0)
    return width.mul_(height)


def pairwise_iou(boxes: Float[Tensor, "*b m 4"], others: Float[Tensor, "*#b n 4"]) -> Float[Tensor, "*b m n"]:
    """Return the IoU of each box with each of the others; 0 where both have no area."""
    shared = intersection(boxes, others)  # [*b, m, n]
    union = box_area(boxes)[..., None] + box_area(others)[..., None, :] - shared
    return shared / union.clamp_(min=LEAST)


def fraction_inside(boxes: Float[Tensor, "*b m 4"], others: Float[Tensor, "*#b n 4"]) -> Float[Tensor, "*b m n"]:
    """Return the fraction of the area of each of ``others`` that lies in each of ``boxes``; 0 for one without area."""
    return intersection(boxes, others) / box_area(others).clamp(min=LEAST)[..., None, :]
