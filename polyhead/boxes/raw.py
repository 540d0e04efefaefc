"""Predictions of dense detectors, alone and together with their targets."""

from typing import NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor

from polyhead.boxes.coders import Coder
from polyhead.types import BoxBatch, Size

BACKGROUND = -1
"""Index of an anchor that should predict no object."""

IGNORE = -2
"""Index of an anchor that takes no part in the loss."""


class DensePredictions(NamedTuple):
    """Predictions of a dense head for ``n`` anchors, always float32.

    Attributes:
        deltas: boxes as encoded by the head's coder.
        logits: class logits; the last column of a softmax head is background.
        objectness: objectness logits; None in heads without them.
        anchors: cx, cy, w, h in pixels of the canvas.
        strides: stride of each anchor's level.
        canvas: height and width of the network's input.
    """

    deltas: Float[Tensor, "b n 4"]
    logits: Float[Tensor, "b n k"]
    objectness: Float[Tensor, "b n"] | None
    anchors: Float[Tensor, "n 4"]
    strides: Float[Tensor, " n"]
    canvas: Size


class Matched(NamedTuple):
    """Predictions and their targets; the ``p`` positive anchors of all images are in one list.

    Attributes:
        raw: the predictions.
        coder: the coder of ``raw.deltas``.
        target: index of each anchor's target box, :data:`BACKGROUND` or :data:`IGNORE`.
        batch_idx: index of the image of each positive anchor.
        anchor_idx: index of the anchor of each positive anchor.
        boxes: target box of each positive anchor, xyxy in pixels.
        labels: target class of each positive anchor.
        annotated: the classes that are exhaustively annotated in each image.
        weights: weight of the target class of each positive anchor.
        progress: fraction of the stage's steps that are done, 0..1, for losses that change during training.
    """

    raw: DensePredictions
    coder: Coder
    target: Int[Tensor, "b n"]
    batch_idx: Int[Tensor, " p"]
    anchor_idx: Int[Tensor, " p"]
    boxes: Float[Tensor, "p 4"]
    labels: Int[Tensor, " p"]
    annotated: Bool[Tensor, "b c"]
    weights: Float[Tensor, " p"]
    progress: float = 0.0

    @property
    def positives(self) -> int:
        """Number of positive anchors in the batch; it may be 0."""
        return self.anchor_idx.shape[0]


def gather(
    raw: DensePredictions,
    coder: Coder,
    index: Int[Tensor, "b n"],
    batch: BoxBatch,
    progress: float = 0.0,
    weights: Float[Tensor, " c"] | None = None,
) -> Matched:
    """Collect the targets that ``index`` assigns to the anchors.

    Args:
        raw: predictions.
        coder: the coder of ``raw.deltas``.
        index: result of a matcher.
        batch: the targets.
        progress: see :class:`Matched`.
        weights: weight of each class; None if all weigh 1.
    """
    batch_idx, anchor_idx = (index >= 0).nonzero(as_tuple=True)  # each [p]
    target = index[batch_idx, anchor_idx]  # [p]
    labels = batch.labels[batch_idx, target]  # [p]
    return Matched(
        raw,
        coder,
        index,
        batch_idx,
        anchor_idx,
        batch.boxes[batch_idx, target],
        labels,
        batch.annotated,
        batch.boxes.new_ones(len(labels)) if weights is None else weights[labels],
        progress,
    )
