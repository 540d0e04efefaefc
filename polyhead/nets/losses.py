"""Losses, each a float32 scalar.

Those of dense detectors are functions of :class:`~polyhead.boxes.raw.Matched`; the others take logits.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import complete_box_iou_loss

from polyhead.boxes.raw import BACKGROUND, IGNORE, Matched

Loss = Callable[[Matched], Tensor]


def smooth_l1(matched: Matched) -> Float[Tensor, ""]:
    """Smooth L1 between predicted and true codes, summed and divided by the positives of the batch (SSD, eq. 2)."""
    return F.smooth_l1_loss(*codes(matched), reduction="sum") / matched.positives


def huber(matched: Matched, delta: float = 0.1) -> Float[Tensor, ""]:
    """Mean Huber loss of the four codes, summed and divided by the positives of the batch (EfficientDet's code).

    Args:
        matched: predictions beside their truth.
        delta: error from which the loss grows evenly; about the mean of the true codes.
    """
    return F.huber_loss(*codes(matched), reduction="sum", delta=delta) / (4 * matched.positives)


def codes(matched: Matched) -> tuple[Float[Tensor, "p 4"], Float[Tensor, "p 4"]]:
    """Codes of the positives: predicted and true."""
    raw, anchor = matched.raw, matched.anchor
    target = matched.coder.encode(matched.boxes, raw.anchors[anchor], raw.strides[anchor])
    return raw.codes[matched.picture, anchor], target


def ciou(matched: Matched, least: float = 0.01) -> Float[Tensor, ""]:
    """Complete IoU loss of the decoded boxes, summed and divided by the positives of the batch (Zheng et al. 2020).

    Args:
        matched: predictions beside their truth.
        least: sides are at least so long, in pixels: the ratio of sides that are zero is no number.
    """
    raw, anchor = matched.raw, matched.anchor
    boxes = matched.coder.decode(raw.codes[matched.picture, anchor], raw.anchors[anchor], raw.strides[anchor])
    low, high = torch.split(boxes, 2, dim=1)
    boxes = torch.cat([low, torch.maximum(high, low + least)], dim=1)
    total: Tensor = complete_box_iou_loss(boxes, matched.boxes, reduction="sum")
    return total / matched.positives


def focal(matched: Matched, alpha: float = 0.25, gamma: float = 1.5, label_smoothing: float = 0.0) -> Float[Tensor, ""]:
    """Focal loss of all classes at all anchors, divided by the positives of the batch (Lin et al. 2017, eq. 5).

    Each class is a yes or no of its own. Where a class was not looked for in a picture, its negatives are left out.

    Args:
        matched: predictions beside their truth.
        alpha: weight of positives; that of negatives is the rest to 1.
        gamma: how much what is already known counts less (EfficientDet: 1.5, RetinaNet: 2).
        label_smoothing: half of it is the truth of negatives instead of 0, and that below 1 of positives. It does not
            touch the focus, as in EfficientDet's code.
    """
    logits, positive = matched.raw.logits, (matched.picture, matched.anchor, matched.labels)
    taught = (matched.target != IGNORE)[..., None] & matched.annotated[:, None]
    taught[positive] = False
    negatives = focused(logits, gamma, label_smoothing).masked_fill(~taught, 0.0).sum()
    positives = focused(-logits[positive], gamma, label_smoothing).sum()
    return (alpha * positives + (1 - alpha) * negatives) / matched.positives


def focused(logits: Float[Tensor, "*n"], gamma: float, label_smoothing: float) -> Float[Tensor, "*n"]:
    """Cross-entropy of answers that should be no, times ``p ** gamma`` of their probabilities.

    The power is taken in logarithms, where its gradient is finite for every logit.
    """
    surprise = F.softplus(logits)  # -log(1 - p), and logits - surprise is log(p)
    focus = (gamma * (logits - surprise)).exp()
    return focus * (surprise - label_smoothing / 2 * logits)


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


def dice(
    probabilities: Float[Tensor, "b c h w"], truth: Int[Tensor, "b h w"], ignored: int, smooth: float = 1.0
) -> Float[Tensor, ""]:
    """One minus the overlap (Dice coefficient) of each class, a mean over the classes that are in the batch.

    Pixels of all pictures are counted together (Milletari et al. 2016, equation in section 3, without its squares).

    Args:
        probabilities: of each pixel's class.
        truth: class of each pixel.
        ignored: class of pixels that are left out.
        smooth: pixels that are added above and below, so that few wrong pixels of a rare class do not weigh all.
    """
    known = (truth != ignored).to(probabilities.dtype)
    wanted = truth.masked_fill(truth == ignored, 0)
    right = probabilities.gather(1, wanted[:, None])[:, 0] * known
    none = probabilities.new_zeros(probabilities.shape[1])
    both = none.index_add(0, wanted.flatten(), right.flatten())
    pixels = none.index_add(0, wanted.flatten(), known.flatten())
    sizes = torch.einsum("bchw,bhw->c", probabilities, known) + pixels
    present = pixels > 0
    overlap = (2 * both + smooth) / (sizes + smooth)
    return (1 - overlap)[present].sum() / present.sum().clamp(min=1)


def kullback_leibler(
    logits: Float[Tensor, "b c *n"], teacher: Float[Tensor, "b c *n"], temperature: float
) -> Float[Tensor, ""]:
    """How far softened class probabilities are from a teacher's, a mean over pictures and places.

    Times the square of the temperature, so that its gradients are as large as those of other losses (Hinton, Vinyals &
    Dean 2015, section 2).
    """
    student = (logits / temperature).log_softmax(dim=1)
    wanted = (teacher / temperature).log_softmax(dim=1)
    return temperature**2 * (wanted.exp() * (wanted - student)).sum(dim=1).mean()


def binary_divergence(scores: Float[Tensor, "b n c"], teacher: Float[Tensor, "b n c"]) -> Float[Tensor, "b n"]:
    """How far probabilities, each a yes or no of its own, are from a teacher's; summed over the classes."""
    least = 1e-6
    p, q = scores.clamp(least, 1 - least), teacher.clamp(least, 1 - least)
    return (q * (q / p).log() + (1 - q) * ((1 - q) / (1 - p)).log()).sum(dim=-1)
