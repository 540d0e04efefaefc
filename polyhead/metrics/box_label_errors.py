"""Boxes that a detector contradicts: the three errors of ObjectLab (Tkachenko et al. 2023), with scores of our own.

ObjectLab's scores start at a predicted probability of .95, which small detectors never give, and treat every class as
annotated in every image. The scores here weigh a prediction against what the same detector says in favor of the label.
``docs/labels.md`` compares both.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchvision.ops import batched_nms

from polyhead.boxes.overlap import fraction_inside, pairwise_iou
from polyhead.types import Boxes, Detections

TYPES = ("overlooked", "badly located", "swapped")
"""No box for a prediction; a box that partly overlaps one of its class; a box on one of another class."""
MATCH, NEAR = 0.5, 0.1
"""The IoU from which a prediction and a box are at the same place, and that from which they partly overlap."""
WEAK = 0.05
"""Lowest score of a prediction that can contradict a label."""
PRIOR = 0.05
"""What counts for neither class where two are compared: a swap needs a prediction that is well above it."""
LEAST = 0.3
"""Lowest score of a contradiction that is reported."""


class Contradictions(NamedTuple):
    """The contradicted labels of an image.

    Attributes:
        types: index in :data:`TYPES`.
        scores: how strongly each label is contradicted, 0..1.
        predictions: index of the prediction that contradicts it.
        boxes: index of the box; -1 for an overlooked object.
    """

    types: Int[Tensor, " k"]
    scores: Float[Tensor, " k"]
    predictions: Int[Tensor, " k"]
    boxes: Int[Tensor, " k"]


def contradictions(target: Boxes, found: Detections) -> Contradictions:
    """Return the labels of an image that predictions contradict, in no order.

    A prediction with a box of its class at its place (IoU of at least :data:`MATCH`) agrees with it. ``support`` of a
    box is the best score of those that agree. Any other prediction of score ``s`` contradicts what it fits best:

    - an overlooked object: ``s * (1 - u)``, where ``u`` is its largest IoU with any box;
    - a badly located box, of its class and with an IoU from :data:`NEAR` to :data:`MATCH`: ``s * (1 - support)``;
    - a swapped class, of a box at its place: ``s / (s + support + PRIOR) * IoU``.

    A box is contradicted by one prediction at most. Predictions of classes that are not annotated in the image, or in
    an ignored region, contradict nothing.

    Args:
        target: the labels.
        found: all predictions, also those with low scores.
    """
    counted = (~target.ignore).nonzero()[:, 0]  # [n]
    boxes, labels = target.boxes[counted], target.labels[counted]  # [n, 4], [n]
    ignored = (fraction_inside(target.boxes[target.ignore], found.boxes) >= MATCH).any(dim=0)  # [d]
    usable = (target.annotated[found.labels] & (found.scores >= WEAK) & ~ignored).nonzero()[:, 0]  # [u]
    usable = usable[batched_nms(found.boxes[usable], found.scores[usable], found.labels[usable], MATCH)]
    scores = found.scores[usable, None]  # [u, 1]
    iou = pairwise_iou(found.boxes[usable], boxes)  # [u, n]
    same = found.labels[usable, None] == labels  # [u, n]
    agrees = same & (iou >= MATCH)  # [u, n]
    support = torch.cat([scores * agrees, iou.new_zeros(1, len(labels))]).amax(dim=0)  # [n]
    located = scores * (1 - support) * (same & (iou >= NEAR) & (iou < MATCH))  # [u, n]
    swapped = scores / (scores + support + PRIOR) * iou * (~same & (iou >= MATCH))  # [u, n]
    nearest = torch.cat([iou, iou.new_zeros(len(iou), 1)], dim=1).amax(dim=1, keepdim=True)  # [u, 1]
    strength = torch.cat([located + swapped, scores * (1 - nearest)], dim=1)  # [u, n + 1], the last one without a box
    best, place = strength.masked_fill(agrees.any(dim=1, keepdim=True), 0.0).max(dim=1)  # [u], [u]
    strongest = torch.zeros_like(strength).scatter(1, place[:, None], best[:, None])  # [u, n + 1]
    free = place == len(labels)  # [u]
    strongest = torch.cat([strongest, strongest.new_zeros(1, len(labels) + 1)])  # also where nothing is usable
    first = strongest.argmax(dim=0)[place] == torch.arange(len(place))  # [u]; of several at one box, the strongest
    listed = ((best >= LEAST) & (free | first)).nonzero()[:, 0]  # [k]
    place, number = place[listed], usable[listed]  # [k], [k]
    swap = torch.cat([labels, labels.new_tensor([-1])])[place] != found.labels[number]  # [k]
    types = torch.where(free[listed], 0, torch.where(swap, 2, 1))  # [k]
    return Contradictions(types, best[listed], number, torch.cat([counted, counted.new_tensor([-1])])[place])
