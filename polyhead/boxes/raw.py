"""What a dense detector predicts, and what it should have predicted."""

from typing import NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor

from polyhead.boxes.coders import Coder
from polyhead.types import Batch, Size

BACKGROUND = -1
"""Index of an anchor that should see nothing."""

IGNORE = -2
"""Index of an anchor that is neither rewarded nor punished."""


class Raw(NamedTuple):
    """Predictions of a dense head for ``n`` anchors, always float32.

    Attributes:
        codes: boxes as the head's coder writes them.
        logits: of the classes; a softmax head has background as its last column.
        objects: objectness logits, in heads that have it.
        anchors: cx, cy, w, h in pixels of the canvas.
        strides: of the level that each anchor belongs to.
        canvas: height and width of the pictures.
    """

    codes: Float[Tensor, "b n 4"]
    logits: Float[Tensor, "b n k"]
    objects: Float[Tensor, "b n"] | None
    anchors: Float[Tensor, "n 4"]
    strides: Float[Tensor, " n"]
    canvas: Size


class Matched(NamedTuple):
    """Predictions beside their truth; the positive anchors of all pictures in one list of length ``p``.

    Attributes:
        target: index of each anchor's truth, :data:`BACKGROUND` or :data:`IGNORE`.
        picture: which picture each positive is of.
        anchor: which anchor each positive is.
        boxes: true box of each positive.
        labels: true class of each positive.
        annotated: the classes that were looked for in each picture.
    """

    raw: Raw
    coder: Coder
    target: Int[Tensor, "b n"]
    picture: Int[Tensor, " p"]
    anchor: Int[Tensor, " p"]
    boxes: Float[Tensor, "p 4"]
    labels: Int[Tensor, " p"]
    annotated: Bool[Tensor, "b c"]

    @property
    def positives(self) -> int:
        """Positives of the whole batch, at least 1."""
        return max(self.anchor.shape[0], 1)


def gather(raw: Raw, coder: Coder, index: Int[Tensor, "b n"], batch: Batch) -> Matched:
    """Lay the truth that ``index`` names beside the predictions."""
    picture, anchor = (index >= 0).nonzero(as_tuple=True)
    truth = index[picture, anchor]
    return Matched(
        raw, coder, index, picture, anchor, batch.boxes[picture, truth], batch.labels[picture, truth], batch.annotated
    )
