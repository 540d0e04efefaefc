"""Losses of detectors that predict objectness beside the classes (the YOLO family).

They are functions of :class:`~polyhead.boxes.raw.Matched`, like those in :mod:`polyhead.nets.losses`, and each is
divided by the number of positives of the batch. In shapes, ``b`` is the number of images, ``n`` that of anchors, ``p``
that of positive anchors in the batch and ``c`` that of classes.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from polyhead.boxes.overlap import box_area
from polyhead.boxes.raw import BACKGROUND, DensePredictions, Matched
from polyhead.nets.losses import deltas
from polyhead.types import SumCount


def squared_iou(matched: Matched) -> SumCount:
    """Compute one minus the squared IoU of the decoded boxes, summed (the IoU loss of YOLOX's code)."""
    return (1 - _ious(matched).square()).sum(), matched.positives


def objectness(matched: Matched) -> SumCount:
    """Compute the cross-entropy of the objectness of all anchors, summed; positives are 1 and background is 0.

    Ignored anchors do not count. Neither does a background anchor whose most probable class is not annotated in its
    image: it may show an object of this class, which nobody has marked (:func:`rejected`).
    """
    logits = matched.raw.objectness  # [b, n]
    assert logits is not None
    positive = matched.target >= 0  # [b, n]
    entropy = F.binary_cross_entropy_with_logits(logits, positive.to(logits.dtype), reduction="none")  # [b, n]
    return entropy.masked_fill(~(positive | rejected(matched)), 0.0).sum(), matched.positives


def rejected(matched: Matched) -> Bool[Tensor, "b n"]:
    """Return the background anchors that should predict no object.

    In an image where all classes are annotated, these are all background anchors. Where some are not, only the anchors
    whose most probable class is annotated: of the others, nobody knows whether they show an object.
    """
    best = matched.raw.logits.argmax(dim=2)  # [b, n, c] -> [b, n]
    return (matched.target == BACKGROUND) & matched.annotated.gather(1, best)


def class_by_iou(matched: Matched) -> SumCount:
    """Compute the cross-entropy of the classes of the positives, summed; the target of the right class is the IoU.

    So the score of a class also tells how well the box fits (Ge et al. 2021, section 2.1, as in its code).
    """
    logits = matched.raw.logits[matched.batch_idx, matched.anchor_idx]  # [p, c]
    target = F.one_hot(matched.labels, logits.shape[1]) * _ious(matched).detach()[:, None]  # [p, c]
    return _weighted_entropy(logits, target, matched), matched.positives


def class_entropy(matched: Matched) -> SumCount:
    """Compute the cross-entropy of the independent classes of the positives, summed (YOLOv3, section 2.2)."""
    logits = matched.raw.logits[matched.batch_idx, matched.anchor_idx]  # [p, c]
    target = F.one_hot(matched.labels, logits.shape[1]).to(logits.dtype)
    return _weighted_entropy(logits, target, matched), matched.positives


def _weighted_entropy(logits: Float[Tensor, "p c"], target: Float[Tensor, "p c"], matched: Matched) -> Tensor:
    """Compute the cross-entropy of independent classes, summed; each positive has the weight of its target class."""
    return F.binary_cross_entropy_with_logits(logits, target, weight=matched.weights[:, None], reduction="sum")


def late_l1(matched: Matched, start: float = 0.95) -> SumCount:
    """Compute the absolute errors of the deltas, summed, in the last steps of a stage; 0 before.

    Args:
        matched: predictions with their targets.
        start: fraction of the steps from which the loss counts; YOLOX uses it for 15 of 300 epochs.
    """
    if matched.progress < start:
        return matched.raw.deltas.new_zeros(()), matched.positives
    return F.l1_loss(*deltas(matched), reduction="sum"), matched.positives


def object_scores(raw: DensePredictions) -> Float[Tensor, "b n c"]:
    """Return the scores of a head with objectness: the probability of an object times that of each class."""
    assert raw.objectness is not None
    return raw.logits.sigmoid() * raw.objectness.sigmoid()[..., None]


def _ious(matched: Matched) -> Float[Tensor, " p"]:
    """Return the IoU of the decoded box of each positive with its target."""
    raw, anchor = matched.raw, matched.anchor_idx
    boxes = matched.coder.decode(raw.deltas[matched.batch_idx, anchor], raw.anchors[anchor], raw.strides[anchor])
    low = torch.maximum(boxes[:, :2], matched.boxes[:, :2])  # corners of the intersection: [p, 2] each
    high = torch.minimum(boxes[:, 2:], matched.boxes[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=1)  # [p]
    union = box_area(boxes) + box_area(matched.boxes) - shared
    return shared / union.clamp(min=1e-9)
