"""Matching: which truth each anchor answers for.

A matcher is a function of the predictions, the coder (some matchers look at the decoded boxes) and the batch; it gives
one index per anchor: a truth's, :data:`~polyhead.boxes.raw.BACKGROUND` or :data:`~polyhead.boxes.raw.IGNORE`.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from polyhead.boxes.anchors import corners
from polyhead.boxes.coders import Coder
from polyhead.boxes.raw import BACKGROUND, IGNORE, Raw
from polyhead.types import Batch

Matcher = Callable[[Raw, Coder, Batch], Tensor]


def by_iou(
    raw: Raw,
    coder: Coder,  # pylint: disable=unused-argument  # other matchers look at the decoded boxes
    batch: Batch,
    *,
    high: float = 0.5,
    low: float = 0.5,
    force_best: bool = True,
) -> Int[Tensor, "b n"]:
    """Each anchor takes the truth that it overlaps most.

    Anchors of which at least half lies inside an ignored truth are ignored unless they have a real one. (Half of the
    anchor, not of the union: so small anchors within a crowd are spared too.)

    Args:
        raw: predictions; only the anchors are looked at.
        coder: not used.
        batch: the truth.
        high: IoU from which an anchor is positive.
        low: IoU below which it is background; between the two it is ignored.
        force_best: give every truth its best anchor, however low their IoU is. Where truths want the same anchor, the
            one with the greatest IoU gets it and the others take their next best (the SSD paper's first step; in most
            implementations one truth is silently left without an anchor).
    """
    anchors = corners(raw.anchors)
    given = batch.labels >= 0
    real, spared = given & ~batch.ignore, given & batch.ignore
    common = intersection(batch.boxes, anchors)
    size = (anchors[:, 2:] - anchors[:, :2]).prod(dim=-1)
    area = (batch.boxes[..., 2:] - batch.boxes[..., :2]).prod(dim=-1)
    overlap = common / (area[..., None] + size - common).clamp_(min=1e-9)
    overlap.masked_fill_(~real[..., None], -1.0)
    value, index = overlap.max(dim=1)
    index.masked_fill_(value < high, IGNORE).masked_fill_(value < low, BACKGROUND)
    if force_best:
        best = distinct_best(overlap)
        picture, truth = (best >= 0).nonzero(as_tuple=True)
        index[picture, best[picture, truth]] = truth
    if bool(spared.any()):
        inside = (common / size).masked_fill_(~spared[..., None], 0.0).amax(dim=1) >= 0.5
        index.masked_fill_(inside & (index == BACKGROUND), IGNORE)
    return index


def intersection(boxes: Float[Tensor, "b m 4"], anchors: Float[Tensor, "n 4"]) -> Float[Tensor, "b m n"]:
    """Area common to each box and each anchor, both xyxy."""
    left, top, right, bottom = boxes[..., None].unbind(dim=2)
    x1, y1, x2, y2 = anchors.unbind(dim=1)
    width = (torch.minimum(right, x2) - torch.maximum(left, x1)).clamp_(min=0)
    height = (torch.minimum(bottom, y2) - torch.maximum(top, y1)).clamp_(min=0)
    return width.mul_(height)


def distinct_best(overlap: Float[Tensor, "b m n"]) -> Int[Tensor, "b m"]:
    """One anchor for each truth, no anchor twice: the same as taking the greatest overlap left, again and again.

    Found by rounds of proposals: every truth asks for its best anchor, an anchor keeps the truth that it overlaps most
    (the first, if equal), and the others strike it from their list. Most batches need one or two rounds.

    Returns:
        Anchor of each truth; -1 for truths that overlap no anchor that is left.
    """
    count = overlap.shape[1]
    earlier = torch.ones(count, count, dtype=torch.bool, device=overlap.device).tril(diagonal=-1)
    value, best = overlap.max(dim=2)
    while True:
        wanting = value > 0
        rival = best[:, :, None] == best[:, None, :]
        stronger = (value[:, None, :] > value[:, :, None]) | ((value[:, None, :] == value[:, :, None]) & earlier)
        lost: Bool[Tensor, "b m"] = (rival & stronger & wanting[:, None, :]).any(dim=2) & wanting
        if not bool(lost.any()):
            return best.masked_fill(~wanting, -1)
        picture, truth = lost.nonzero(as_tuple=True)
        overlap = overlap.index_put((picture, truth, best[picture, truth]), overlap.new_tensor(-1.0))
        rows = overlap[picture, truth].max(dim=1)
        value[picture, truth], best[picture, truth] = rows.values, rows.indices
