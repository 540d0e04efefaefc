"""SimOTA, the matcher of YOLOX: each target gets the cells that predict it best (Ge et al. 2021, section 2.1)."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from polyhead.boxes.coders import Coder
from polyhead.boxes.overlap import fraction_inside, pairwise_iou
from polyhead.boxes.raw import BACKGROUND, IGNORE, DensePredictions
from polyhead.types import BoxBatch

FAR = 1e5
"""Cost of a cell that is not both inside a box and near its center: it is taken where no other is left."""


def simota(
    raw: DensePredictions,
    coder: Coder,
    batch: BoxBatch,
    *,
    radius: float = 2.5,
    box_weight: float = 3.0,
    most: int = 10,
) -> Int[Tensor, "b n"]:
    """Assign cells to targets by the cost of their predictions.

    Candidates of a target are the cells whose middle lies in its box, or within ``radius`` cells of its center. The
    cost of a candidate is the cross-entropy of the classes (with the root of class times objectness probability) plus
    ``box_weight`` times the negative logarithm of the IoU. A target gets its cheapest candidates; their number is the
    sum of its ``most`` largest IoUs, but at least 1. A cell that several targets want gets the one for which it is
    cheapest. All targets of a batch are matched at once.

    Args:
        raw: predictions with objectness, for one anchor per cell, whose side is the cell's.
        coder: the coder of the boxes.
        batch: the targets.
        radius: distance from a center, in cells.
        box_weight: weight of the IoU in the cost.
        most: number of IoUs that are added up.

    Returns:
        Index of the target of each cell, :data:`BACKGROUND`, or :data:`IGNORE` where more than half of the predicted
        box lies in an ignored box.
    """
    assert raw.objectness is not None
    predicted = coder.decode(raw.deltas, raw.anchors, raw.strides)  # [b, n, 4]
    real = (batch.labels >= 0) & ~batch.ignore  # [b, m]
    inside, near = _near(raw, batch.boxes, radius)  # [b, m, n] each
    candidate = (inside | near) & real[..., None]
    overlap = pairwise_iou(batch.boxes, predicted).masked_fill(~candidate, 0.0)  # [b, m, n]
    classes = _class_cost(raw, batch.labels)
    cost = classes - box_weight * (overlap + 1e-8).log() + FAR * ~(inside & near)
    cost = cost.masked_fill(~candidate, torch.inf)
    count = overlap.topk(min(most, overlap.shape[2]), dim=2).values.sum(dim=2).int().clamp(min=1)  # [b, m]
    cheapest = cost.topk(min(int(count.max()), cost.shape[2]), dim=2, largest=False)  # [b, m, k]
    rank = torch.arange(cheapest.indices.shape[2], device=cost.device)  # [k]
    chosen = (rank < count[..., None]) & cheapest.values.isfinite()  # [b, m, k]
    taken = torch.zeros_like(candidate).scatter(2, cheapest.indices, chosen)  # [b, m, n]
    value, index = cost.masked_fill(~taken, torch.inf).min(dim=1)  # [b, n]: the target for which a cell is cheapest
    index = index.masked_fill(~value.isfinite(), BACKGROUND)
    return _without_ignored(index, predicted, batch)


def _near(
    raw: DensePredictions, boxes: Float[Tensor, "b m 4"], radius: float
) -> tuple[Bool[Tensor, "b m n"], Bool[Tensor, "b m n"]]:
    """Return whether the middle of each cell lies inside each box, and whether it is near the box's center."""
    x, y = (raw.anchors[:, :2] + raw.strides[:, None] / 2).unbind(dim=1)  # middles of the cells: [n] each
    left, top, right, bottom = boxes[..., None].unbind(dim=2)  # [b, m, 1] each
    inside = (x > left) & (x < right) & (y > top) & (y < bottom)
    reach = radius * raw.strides  # [n]
    near = ((left + right) / 2 - x).abs().lt(reach) & ((top + bottom) / 2 - y).abs().lt(reach)
    return inside, near


def _class_cost(raw: DensePredictions, labels: Int[Tensor, "b m"]) -> Float[Tensor, "b m n"]:
    """Return the cross-entropy of all classes of each cell, if it was of each target's class.

    The sum over the classes is the same for all targets, but for the term of the target's own class.
    """
    assert raw.objectness is not None
    log_score = (F.logsigmoid(raw.logits) + F.logsigmoid(raw.objectness)[..., None]) / 2  # log of the root, [b, n, c]
    log_score = log_score.clamp(max=-1e-6)  # keeps the other logarithm finite
    log_rest = torch.log(-torch.expm1(log_score))  # of 1 - score
    own = labels.clamp(min=0)[..., None].expand(-1, -1, raw.logits.shape[1])  # [b, m, n]
    positive, negative = (each.transpose(1, 2).gather(1, own) for each in (log_score, log_rest))  # [b, m, n]
    return negative - positive - log_rest.sum(dim=2)[:, None]


def _without_ignored(
    index: Int[Tensor, "b n"], predicted: Float[Tensor, "b n 4"], batch: BoxBatch
) -> Int[Tensor, "b n"]:
    """Return the index with background that lies in ignored boxes ignored."""
    spared = (batch.labels >= 0) & batch.ignore  # [b, m]
    if not bool(spared.any()):
        return index
    covered = fraction_inside(batch.boxes, predicted).gt(0.5) & spared[..., None]  # [b, m, n]
    return index.masked_fill(covered.any(dim=1) & (index == BACKGROUND), IGNORE)
