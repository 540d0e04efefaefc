"""The head of all dense detectors, which predict boxes at every anchor of a pyramid (SSD, RetinaNet, YOLO, …).

A dense detector has seven components: *tower -> anchors x coder x matcher x losses -> scores -> suppress*. Detectors
differ only in these components.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from polyhead.boxes.anchors import Anchors
from polyhead.boxes.coders import Coder
from polyhead.boxes.matching import Matcher
from polyhead.boxes.nms import NMS, clip
from polyhead.boxes.raw import DensePredictions, gather
from polyhead.contracts.network import Head
from polyhead.nets.losses import Loss, binary_divergence
from polyhead.types import Batch, Detections, Pyramid

TowerOutput = tuple[Tensor, Tensor, Tensor | None]
"""Deltas ``[b, n, 4]``, logits ``[b, n, k]`` and objectness ``[b, n]`` (None without objectness)."""


TowerFactory = Callable[[list[int], list[int], int], nn.Module]
"""Builds the layers of a dense head from the channels of each level, the boxes per cell and the number of classes.

The layers turn the pyramid's levels into a :data:`TowerOutput`, in the order of the anchors.
"""


class Dense(Head):
    """A head that predicts a box and class scores at every anchor.

    Anchors, box coding, matching and losses are float32 also under autocast, because bfloat16 would shift anchors by up
    to half a pixel.

    Args:
        channels: channels of each level of the pyramid.
        strides: strides of each level.
        names: class names.
        anchors: the anchor boxes, with one entry in ``per_cell`` for each level.
        tower: builds the layers.
        coder: converts boxes to deltas and back.
        matcher: assigns targets to anchors.
        losses: ``{name: (weight, loss)}``.
        scores: computes class probabilities ``[b, n, c]`` from predictions.
        suppress: selects detections from the boxes and scores of all anchors (NMS).
    """

    def __init__(
        self,
        channels: list[int],
        strides: list[int],
        names: list[str],
        *,
        anchors: Anchors,
        tower: TowerFactory,
        coder: Coder,
        matcher: Matcher,
        losses: Mapping[str, tuple[float, Loss]],
        scores: Callable[[DensePredictions], Tensor],
        suppress: NMS,
    ) -> None:
        super().__init__()
        self.names = names
        self.strides = strides
        self.anchors = anchors
        self.tower = tower(channels, anchors.per_cell, len(names))
        self.coder = coder
        self.matcher = matcher
        self.weighted_losses = dict(losses)
        self.scores = scores
        self.suppress = suppress

    def forward(self, pyramid: Pyramid) -> DensePredictions:
        """Compute the predictions at all anchors, together with the anchors."""
        deltas, logits, objectness = self.tower(pyramid.levels)  # [b, n, 4], [b, n, k], [b, n] or None
        shapes = [(level.shape[-2], level.shape[-1]) for level in pyramid.levels]
        with torch.autocast(deltas.device.type, enabled=False):
            anchors, strides = self.anchors(shapes, self.strides, pyramid.canvas, deltas.device)  # [n, 4], [n]
        objectness = None if objectness is None else objectness.float()
        return DensePredictions(deltas.float(), logits.float(), objectness, anchors, strides, pyramid.canvas)

    def losses(self, raw: DensePredictions, batch: Batch) -> dict[str, Tensor]:
        """Compute each loss, multiplied by its weight."""
        with torch.autocast(raw.deltas.device.type, enabled=False):
            with torch.no_grad():
                index = self.matcher(raw, self.coder, batch)  # [b, n]
            matched = gather(raw, self.coder, index, batch)
            return {name: weight * loss(matched) for name, (weight, loss) in self.weighted_losses.items()}

    def distill(self, raw: DensePredictions, teacher: DensePredictions, temperature: float) -> dict[str, Tensor]:
        """Compute the divergence of the class probabilities, and smooth L1 of the deltas.

        Anchors are weighted by the probability that they hold an object, so that the many background anchors do not
        dominate. For classes it is the larger of the student's and the teacher's probability, so that both forgotten
        and invented objects count; for boxes it is the teacher's.
        """
        with torch.autocast(raw.deltas.device.type, enabled=False):
            softened, expected = (
                self.scores(each._replace(logits=each.logits / temperature)) for each in (raw, teacher)
            )
            by_teacher = self.scores(teacher).amax(dim=-1)  # [b, n, c] -> [b, n]
            by_either = torch.maximum(by_teacher, self.scores(raw).detach().amax(dim=-1))  # [b, n]
            classes = temperature**2 * binary_divergence(softened, expected)  # [b, n]
            deltas = F.smooth_l1_loss(raw.deltas, teacher.deltas, reduction="none").sum(dim=-1)  # [b, n, 4] -> [b, n]
            return {
                "class": (by_either * classes).sum() / by_either.sum(),
                "box": (by_teacher * deltas).sum() / by_teacher.sum(),
            }

    def decode(self, raw: DensePredictions) -> list[Detections]:  # type: ignore[override]  # a list of one kind of prediction
        """Return the detections of each image, best first, clipped to the canvas."""
        with torch.autocast(raw.deltas.device.type, enabled=False):
            boxes = self.coder.decode(raw.deltas, raw.anchors, raw.strides)  # [b, n, 4]
            return self.suppress(clip(boxes, raw.canvas), self.scores(raw))


def softmax_scores(raw: DensePredictions) -> Tensor:
    """Return the class probabilities of a softmax head, whose last logit is background."""
    return raw.logits.softmax(dim=-1)[..., :-1]  # [b, n, c + 1] -> [b, n, c]


def sigmoid_scores(raw: DensePredictions) -> Tensor:
    """Return the class probabilities of a head with independent classes."""
    return raw.logits.sigmoid()  # [b, n, c]
