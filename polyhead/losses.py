"""Losses of dense detectors: functions of :class:`~polyhead.boxes.raw.Matched`, each a float32 scalar."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from polyhead.boxes.raw import BACKGROUND, Matched

Loss = Callable[[Matched], Tensor]


def smooth_l1(matched: Matched) -> Float[Tensor, ""]:
    """Smooth L1 between predicted and true codes, summed and divided by the positives of the batch (SSD, eq. 2)."""
    raw, anchor = matched.raw, matched.anchor
    codes = raw.codes[matched.picture, anchor]
    target = matched.coder.encode(matched.boxes, raw.anchors[anchor], raw.strides[anchor])
    return F.smooth_l1_loss(codes, target, reduction="sum") / matched.positives


def hard_negative_ce(matched: Matched, ratio: int = 3, least: int = 16) -> Float[Tensor, ""]:
    """Softmax cross-entropy of all positives and the hardest negatives of each picture (SSD 2.2, eq. 3).

    Background is the last logit. A negative is as hard as the probability that it gives to classes that were looked
    for. In a picture where a class was not looked for, a negative may well be of it: there the class counts as
    background (their probabilities are added).

    Args:
        matched: predictions beside their truth.
        ratio: negatives a positive, in each picture.
        least: negatives of a picture at least, so that pictures without objects teach too (in the paper they have no
            part at all). The sum is divided by the positives of the batch, or by ``negatives / ratio`` if that is
            more, so that a batch without objects weighs no more than another.
    """
    logits = matched.raw.logits
    sought = F.pad(matched.annotated, (0, 1), value=False)
    with torch.no_grad():
        background = matched.target == BACKGROUND
        hardness = torch.einsum("bnk,bk->bn", logits.softmax(dim=-1), sought.to(logits.dtype))
        hardness.masked_fill_(~background, -1.0)
        wanted = (ratio * (matched.target >= 0).sum(dim=1)).clamp(min=least).minimum(background.sum(dim=1))
        order = hardness.topk(int(wanted.max()), dim=1).indices
        chosen = torch.arange(order.shape[1], device=order.device) < wanted[:, None]
        picture, anchor = chosen.nonzero(as_tuple=True)[0], order[chosen]
    negative = logits[picture, anchor]
    merged = negative.masked_fill(sought[picture], -torch.inf).logsumexp(dim=1)
    total = (negative.logsumexp(dim=1) - merged).sum()
    total = total + F.cross_entropy(logits[matched.picture, matched.anchor], matched.labels, reduction="sum")
    return total / max(matched.positives, anchor.shape[0] / ratio)
