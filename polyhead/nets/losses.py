"""Loss functions.

A loss of a task is a sum (a float32 scalar) and a count, and its value is ``sum / max(count, 1)``. Several processes
add up both (:mod:`polyhead.engine.reduce`), so a count is never bounded here. The divergences for distillation are
means.

The losses of dense detectors are functions of :class:`~polyhead.boxes.raw.Matched`, the others of logits. In shapes,
``b`` is the number of images, ``n`` that of anchors, ``p`` that of positive anchors in the batch, ``c`` that of classes
and ``k`` that of logits (``c``, or ``c + 1`` with background).
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import complete_box_iou_loss

from polyhead.boxes.raw import BACKGROUND, IGNORE, Matched
from polyhead.types import SumCount, TaskInfo

Loss = Callable[[Matched], SumCount]


def weights_of(info: TaskInfo) -> Float[Tensor, " c"]:
    """Return the weight of each class in the loss of a head; 1 where the task has no weights."""
    return torch.tensor([info.weights.get(name, 1.0) for name in info.names])


def smooth_l1(matched: Matched) -> SumCount:
    """Compute smooth L1 of the deltas, summed; the count is the number of positives of the batch (SSD, eq. 2)."""
    return F.smooth_l1_loss(*deltas(matched), reduction="sum"), matched.positives


def huber(matched: Matched, delta: float = 0.1) -> SumCount:
    """Compute the Huber loss of the deltas, summed; the count is four times the positives, as in EfficientDet's code.

    Args:
        matched: predictions with their targets.
        delta: error above which the loss grows linearly; about the mean of the target deltas.
    """
    return F.huber_loss(*deltas(matched), reduction="sum", delta=delta), 4 * matched.positives


def deltas(matched: Matched) -> tuple[Float[Tensor, "p 4"], Float[Tensor, "p 4"]]:
    """Return the predicted and the target deltas of the positive anchors."""
    raw, anchor = matched.raw, matched.anchor_idx
    target = matched.coder.encode(matched.boxes, raw.anchors[anchor], raw.strides[anchor])
    return raw.deltas[matched.batch_idx, anchor], target


def ciou(matched: Matched, min_side: float = 0.01) -> SumCount:
    """Compute the complete IoU loss of the decoded boxes, summed; the count is that of positives (Zheng et al. 2020).

    Args:
        matched: predictions with their targets.
        min_side: lower limit of the sides in pixels, because the aspect ratio of a box without area is undefined.
    """
    raw, anchor = matched.raw, matched.anchor_idx
    boxes = matched.coder.decode(raw.deltas[matched.batch_idx, anchor], raw.anchors[anchor], raw.strides[anchor])
    low, high = torch.split(boxes, 2, dim=1)  # top left and bottom right corners: each [p, 2]
    boxes = torch.cat([low, torch.maximum(high, low + min_side)], dim=1)  # [p, 4]
    total: Tensor = complete_box_iou_loss(boxes, matched.boxes, reduction="sum")
    return total, matched.positives


def focal(matched: Matched, alpha: float = 0.25, gamma: float = 1.5, label_smoothing: float = 0.0) -> SumCount:
    """Compute the focal loss of all classes at all anchors, summed (Lin et al. 2017, eq. 5).

    The count is the number of positives. Classes are independent (sigmoid). Classes that are not exhaustively annotated
    in an image give no negatives there.

    Args:
        matched: predictions with their targets.
        alpha: weight of positives; negatives have the weight ``1 - alpha``.
        gamma: focusing parameter: the larger, the less well-classified examples count (EfficientDet: 1.5,
            RetinaNet: 2).
        label_smoothing: targets are ``label_smoothing / 2`` for negatives and ``1 - label_smoothing / 2`` for
            positives. It does not change the focusing factor, as in EfficientDet's code.
    """
    logits = matched.raw.logits  # [b, n, c]
    positive = (matched.batch_idx, matched.anchor_idx, matched.labels)  # indices of the p positive logits
    # Negatives: all classes that were annotated, at all anchors that are not ignored, except the positives.
    negative = (matched.target != IGNORE)[..., None] & matched.annotated[:, None]  # [b, n, 1] & [b, 1, c] = [b, n, c]
    negative[positive] = False
    negatives = negative_focal(logits, gamma, label_smoothing).masked_fill(~negative, 0.0).sum()
    # Negating a logit turns its positive target into a negative one.
    positives = (matched.weights * negative_focal(-logits[positive], gamma, label_smoothing)).sum()  # of [p]
    return alpha * positives + (1 - alpha) * negatives, matched.positives


def negative_focal(logits: Float[Tensor, "*n"], gamma: float, label_smoothing: float) -> Float[Tensor, "*n"]:
    """Compute the focal loss of logits with a negative target: cross-entropy times ``p ** gamma``, without ``alpha``.

    The power is computed in the logarithm, where its gradient is finite for every logit.
    """
    entropy = F.softplus(logits)  # -log(1 - p); logits - entropy is log(p)
    focus = (gamma * (logits - entropy)).exp()  # p ** gamma
    return focus * (entropy - label_smoothing / 2 * logits)


def hard_negative_ce(matched: Matched, ratio: int = 3, min_negatives: int = 16) -> SumCount:
    """Compute softmax cross-entropy of all positives and of the hardest negatives of each image (SSD, 2.2 and eq. 3).

    Background is the last logit. The hardness of a negative is the probability of the annotated classes. Where a class
    is not exhaustively annotated in an image, a negative may show an object of it. Such classes therefore count as
    background: their probabilities are added to it.

    Args:
        matched: predictions with their targets.
        ratio: negatives per positive in each image.
        min_negatives: minimum number of negatives per image, so that images without objects contribute (in the paper
            they do not). The count is that of the positives of the batch, or ``negatives / ratio`` if that is larger,
            so that a batch without objects has no larger weight than another. Where each image has enough background
            anchors, the latter is never smaller, so the counts of several processes add up to that of all images.
    """
    logits = matched.raw.logits  # [b, n, k]
    annotated = F.pad(matched.annotated, (0, 1), value=False)  # a column for background: [b, c] -> [b, k]
    with torch.no_grad():  # the selection of negatives needs no gradient
        background = matched.target == BACKGROUND  # [b, n]
        # The probability of the annotated classes at each anchor.
        hardness = torch.einsum("bnk,bk->bn", logits.softmax(dim=-1), annotated.to(logits.dtype))
        hardness.masked_fill_(~background, -1.0)  # positives and ignored anchors come last
        # Number of negatives of each image, at most as many as it has: [b].
        count = (ratio * (matched.target >= 0).sum(dim=1)).clamp(min=min_negatives).minimum(background.sum(dim=1))
        order = hardness.topk(int(count.max()), dim=1).indices  # hardest anchors first, [b, max(count)]
        chosen = torch.arange(order.shape[1], device=order.device) < count[:, None]  # [b, max(count)]
        image, anchor = chosen.nonzero(as_tuple=True)[0], order[chosen]  # the q chosen negatives: each [q]
    negative = logits[image, anchor]  # [q, k]
    # log of the probability of background, with the classes that are not annotated added to it.
    merged = negative.masked_fill(annotated[image], -torch.inf).logsumexp(dim=1)  # [q]
    total = (negative.logsumexp(dim=1) - merged).sum()
    entropy = F.cross_entropy(logits[matched.batch_idx, matched.anchor_idx], matched.labels, reduction="none")  # [p]
    return total + (matched.weights * entropy).sum(), max(matched.positives, anchor.shape[0] / ratio)


def dice(
    probabilities: Float[Tensor, "b c h w"], target: Int[Tensor, "b h w"], ignored: int, smooth: float = 1.0
) -> SumCount:
    """Compute the dice loss: one minus the Dice coefficient of each class, summed over the classes in the batch.

    The pixels of all images are counted together (Milletari et al. 2016, equation in section 3, without its squares).
    The count is that of these classes. Each of several processes computes the coefficients of its own images.

    Args:
        probabilities: class probabilities of each pixel.
        target: class of each pixel.
        ignored: class of pixels that are left out.
        smooth: number of pixels added to numerator and denominator, so that a few wrong pixels of a rare class do not
            dominate the loss.
    """
    known = (target != ignored).to(probabilities.dtype)  # [b, h, w]
    classes = target.masked_fill(target == ignored, 0)  # a valid index; `known` masks these pixels out
    right = probabilities.gather(1, classes[:, None])[:, 0] * known  # probability of the target class, [b, h, w]
    none = probabilities.new_zeros(probabilities.shape[1])  # [c]
    both = none.index_add(0, classes.flatten(), right.flatten())  # intersection per class, [c]
    pixels = none.index_add(0, classes.flatten(), known.flatten())  # target pixels per class, [c]
    sizes = torch.einsum("bchw,bhw->c", probabilities, known) + pixels  # predicted plus target pixels per class
    present = pixels > 0
    overlap = (2 * both + smooth) / (sizes + smooth)
    return (1 - overlap)[present].sum(), present.sum()


def kullback_leibler(
    logits: Float[Tensor, "b c *n"], teacher: Float[Tensor, "b c *n"], temperature: float
) -> Float[Tensor, ""]:
    """Compute the KL divergence of the softened class probabilities from a teacher's, a mean over all positions.

    It is multiplied by the square of the temperature, so that the size of its gradients does not depend on the
    temperature (Hinton, Vinyals & Dean 2015, section 2).
    """
    student = (logits / temperature).log_softmax(dim=1)
    expected = (teacher / temperature).log_softmax(dim=1)
    return temperature**2 * (expected.exp() * (expected - student)).sum(dim=1).mean()  # sum over c, mean over b and n


def binary_divergence(scores: Float[Tensor, "b n c"], teacher: Float[Tensor, "b n c"]) -> Float[Tensor, "b n"]:
    """Compute the KL divergence of independent class probabilities from a teacher's, summed over the classes."""
    least = 1e-6  # keeps the logarithms finite
    p, q = scores.clamp(least, 1 - least), teacher.clamp(least, 1 - least)
    return (q * (q / p).log() + (1 - q) * ((1 - q) / (1 - p)).log()).sum(dim=-1)
