"""Matching: assign a target box, background or "ignored" to each anchor.

A matcher is a function of the predictions, the coder (some matchers use the decoded boxes) and the batch. It returns
one index per anchor: that of a target box, :data:`~polyhead.boxes.raw.BACKGROUND` or
:data:`~polyhead.boxes.raw.IGNORE`. In shapes, ``b`` is the number of images, ``m`` that of target boxes (padded) and
``n`` that of anchors.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from polyhead.boxes.anchors import cxcywh_to_xyxy
from polyhead.boxes.coders import Coder
from polyhead.boxes.overlap import fraction_inside, pairwise_iou
from polyhead.boxes.raw import BACKGROUND, IGNORE, DensePredictions
from polyhead.types import BoxBatch

Matcher = Callable[[DensePredictions, Coder, BoxBatch], Tensor]


def by_iou(
    raw: DensePredictions,
    coder: Coder,  # pylint: disable=unused-argument  # other matchers look at the decoded boxes
    batch: BoxBatch,
    *,
    high: float = 0.5,
    low: float = 0.5,
    force_best: bool = True,
) -> Int[Tensor, "b n"]:
    """Assign each anchor to the target box with the greatest IoU.

    Background anchors with at least half of their area inside an ignored box become ignored. The criterion is a
    fraction of the anchor, not of the union, so that small anchors inside a crowd are ignored too.

    Args:
        raw: predictions; only the anchors are used.
        coder: not used.
        batch: the targets.
        high: anchors with an IoU of at least this are positive.
        low: anchors with an IoU below this are background; between ``low`` and ``high`` they are ignored.
        force_best: assign an anchor to every target, however low their IoU is. If several targets have the same best
            anchor, the one with the greatest IoU gets it and the others get their next best (the SSD paper's first
            step; in most implementations one target silently gets no anchor).

    Returns:
        Index of the target of each anchor, or ``BACKGROUND`` or ``IGNORE``.
    """
    anchors = cxcywh_to_xyxy(raw.anchors)  # [n, 4]
    given = batch.labels >= 0  # [b, m], False where padded
    real, spared = given & ~batch.ignore, given & batch.ignore
    overlap = pairwise_iou(batch.boxes, anchors)  # [b, m, n]
    overlap.masked_fill_(~real[..., None], -1.0)  # padding and ignored boxes never match
    value, index = overlap.max(dim=1)  # [b, n]
    index.masked_fill_(value < high, IGNORE).masked_fill_(value < low, BACKGROUND)
    if force_best:
        best = distinct_best(overlap)  # [b, m]
        image, target = (best >= 0).nonzero(as_tuple=True)
        index[image, best[image, target]] = target
    if bool(spared.any()):
        image = spared.nonzero(as_tuple=True)[0]  # of each of the k ignored boxes, [k]
        inside = fraction_inside(batch.boxes[spared], anchors) >= 0.5  # [k, n]
        # The number of ignored boxes of the image that contain each anchor: [k, n] -> [b, n].
        containing = torch.zeros_like(index).index_add_(0, image, inside.to(index.dtype))
        index.masked_fill_((containing > 0) & (index == BACKGROUND), IGNORE)
    return index


def distinct_best(overlap: Float[Tensor, "b m n"]) -> Int[Tensor, "b m"]:
    """Assign one anchor to each target, no anchor twice, greedily by decreasing overlap.

    The result equals that of repeatedly taking the greatest overlap among the remaining targets and anchors. It is
    computed in rounds: every target proposes to its best anchor, the anchor accepts the target with the greatest
    overlap (the first one among equals), and the others remove this anchor from their list. Most batches need one or
    two rounds.

    Args:
        overlap: overlap of each target with each anchor; targets that take no part have only values of 0 or less.

    Returns:
        Index of the anchor of each target; -1 for targets that overlap none of the remaining anchors.
    """
    count = overlap.shape[1]
    # earlier[i, j] is True where j < i: among equal overlaps, the first target wins.
    earlier = torch.ones(count, count, dtype=torch.bool, device=overlap.device).tril(diagonal=-1)  # [m, m]
    value, best = overlap.max(dim=2)  # overlap and index of each target's best anchor, [b, m]
    while True:
        proposing = value > 0  # [b, m]
        # Axis 1 is the target that may lose its proposal, axis 2 the target that it may lose to.
        same_anchor = best[:, :, None] == best[:, None, :]  # [b, m, m]
        stronger = (value[:, None, :] > value[:, :, None]) | ((value[:, None, :] == value[:, :, None]) & earlier)
        lost: Bool[Tensor, "b m"] = (same_anchor & stronger & proposing[:, None, :]).any(dim=2) & proposing
        if not bool(lost.any()):
            return best.masked_fill(~proposing, -1)
        # Only the rows of the losing targets change: remove the anchor and take the maximum again.
        image, target = lost.nonzero(as_tuple=True)  # each [number of losing targets]
        overlap = overlap.index_put((image, target, best[image, target]), overlap.new_tensor(-1.0))
        rows = overlap[image, target].max(dim=1)
        value[image, target], best[image, target] = rows.values, rows.indices
