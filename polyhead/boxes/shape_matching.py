"""The matcher of YOLOv3: a target is predicted by the cell of its center, with the priors of a similar shape."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from polyhead.boxes.coders import Coder
from polyhead.boxes.matching import distinct_best
from polyhead.boxes.overlap import fraction_inside, pairwise_iou
from polyhead.boxes.raw import BACKGROUND, IGNORE, DensePredictions
from polyhead.types import BoxBatch


def by_shape(
    raw: DensePredictions,
    coder: Coder,
    batch: BoxBatch,
    *,
    positive: float | None = 0.3,
    ignored: float = 0.5,
) -> Int[Tensor, "b n"]:
    """Assign anchors to the targets whose center lies in their cell, by the IoU of the shapes.

    A target gets the anchor of the most similar shape, and of two targets that want the same one, the other gets its
    next best (Redmon & Farhadi 2018, section 2.1). An anchor without a target whose predicted box overlaps an object
    is ignored.

    Args:
        raw: predictions for priors, which are centered on the cells.
        coder: the coder of the boxes.
        batch: the targets.
        positive: a target also gets all other anchors of its cells with a shape IoU above this, which teaches more on
            little data; None for the paper's rule.
        ignored: IoU of a predicted box with an object above which its anchor is not background.

    Returns:
        Index of the target of each anchor, :data:`BACKGROUND` or :data:`IGNORE`.
    """
    real = (batch.labels >= 0) & ~batch.ignore  # [b, m]
    shapes = _shape_iou_in_cell(raw, batch.boxes) * real[..., None]  # [b, m, n], 0 outside the target's cells
    value, index = shapes.max(dim=1)  # [b, n]
    wanted = torch.zeros_like(value, dtype=torch.bool) if positive is None else value > positive
    index = index.masked_fill(~wanted, BACKGROUND)
    best = distinct_best(shapes)  # [b, m]
    image, target = (best >= 0).nonzero(as_tuple=True)
    index[image, best[image, target]] = target
    predicted = coder.decode(raw.deltas, raw.anchors, raw.strides)  # [b, n, 4]
    overlap = pairwise_iou(batch.boxes, predicted).masked_fill(~real[..., None], 0.0)  # [b, m, n]
    spared = (batch.labels >= 0) & batch.ignore  # [b, m]
    covered = (overlap > ignored) | (fraction_inside(batch.boxes, predicted).gt(0.5) & spared[..., None])
    return index.masked_fill(covered.any(dim=1) & (index == BACKGROUND), IGNORE)


def _shape_iou_in_cell(raw: DensePredictions, boxes: Float[Tensor, "b m 4"]) -> Float[Tensor, "b m n"]:
    """Return the IoU of each box with each anchor as if they had the same center, 0 where it is in another cell."""
    centers = (boxes[..., :2] + boxes[..., 2:]) / 2  # [b, m, 2]
    # Compared with the anchors' cells as whole numbers, so that a center on a border is in exactly one cell.
    cells = (raw.anchors[:, :2] / raw.strides[:, None]).floor()  # [n, 2]
    limit = torch.tensor([raw.canvas[1], raw.canvas[0]], device=boxes.device) - 1e-3  # a center on the last border
    at = (centers.clamp(min=0).minimum(limit)[:, :, None] / raw.strides[:, None]).floor()  # [b, m, n, 2]
    inside = (at == cells).all(dim=-1)  # [b, m, n]
    sides = (boxes[..., 2:] - boxes[..., :2])[:, :, None]  # [b, m, 1, 2]
    shared = torch.minimum(sides, raw.anchors[:, 2:]).prod(dim=-1)  # [b, m, n]
    union = sides.prod(dim=-1) + raw.anchors[:, 2:].prod(dim=-1) - shared
    return (shared / union.clamp(min=1e-9)).masked_fill(~inside, 0.0)
