"""The head of all dense detectors, which predict boxes at every anchor of a pyramid (SSD, RetinaNet, YOLO, …).

A dense detector has seven components: *tower -> anchors x coder x matcher x losses -> scores -> suppress*. Detectors
differ only in these components.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from polyhead.boxes.anchors import Anchors
from polyhead.boxes.coders import Coder
from polyhead.boxes.matching import Matcher
from polyhead.boxes.nms import NMS, clip, overlap_of, up_to, with_overlap
from polyhead.boxes.raw import DensePredictions, gather
from polyhead.contracts.explained import SIDES
from polyhead.contracts.network import Head
from polyhead.nets.losses import Loss, binary_divergence, weights_of
from polyhead.nets.object_losses import rejected
from polyhead.nets.pyramids import canvas_of
from polyhead.types import Batch, Detections, LossTerm, Pyramid, PyramidSpec, SumCount, TaskInfo

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
        spec: channels and strides of the pyramid's levels.
        info: what is known of the task's data.
        levels: indices of the levels that it reads; None for all.
        anchors: the anchor boxes, with one entry in ``per_cell`` for each of these levels.
        tower: builds the layers.
        coder: converts boxes to deltas and back.
        matcher: assigns targets to anchors.
        losses: ``{name: (weight, loss)}``; a loss can read the progress of the training from what it is given.
        scores: computes class probabilities ``[b, n, c]`` from predictions.
        suppress: selects detections from the boxes and scores of all anchors (NMS).
    """

    kind = "detection"
    class_weights: Tensor

    def __init__(
        self,
        spec: PyramidSpec,
        info: TaskInfo,
        *,
        levels: Sequence[int] | None = None,
        anchors: Anchors,
        tower: TowerFactory,
        coder: Coder,
        matcher: Matcher,
        losses: Mapping[str, tuple[float, Loss]],
        scores: Callable[[DensePredictions], Tensor],
        suppress: NMS,
    ) -> None:
        super().__init__()
        self.names = info.names
        self.register_buffer("class_weights", weights_of(info), persistent=False)
        self.levels = list(range(len(spec.strides)) if levels is None else levels)
        self.strides = [spec.strides[level] for level in self.levels]
        self.anchors = anchors
        self.tower = tower([spec.channels[level] for level in self.levels], anchors.per_cell, len(info.names))
        self.coder = coder
        self.matcher = matcher
        self.weighted_losses = dict(losses)
        self.scores = scores
        self.suppress = suppress

    def forward(self, pyramid: Pyramid) -> DensePredictions:
        """Compute the predictions at all anchors, together with the anchors."""
        canvas, levels = canvas_of(pyramid), [pyramid.levels[level] for level in self.levels]
        deltas, logits, objectness = self.tower(levels)  # [b, n, 4], [b, n, k], [b, n] or None
        shapes = [(level.shape[-2], level.shape[-1]) for level in levels]
        with torch.autocast(deltas.device.type, enabled=False):
            anchors, strides = self.anchors(shapes, self.strides, canvas, deltas.device)  # [n, 4], [n]
        objectness = None if objectness is None else objectness.float()
        return DensePredictions(deltas.float(), logits.float(), objectness, anchors, strides, canvas)

    def losses(self, raw: DensePredictions, batch: Batch, progress: float = 0.0) -> dict[str, LossTerm]:
        """Compute each loss."""
        with torch.autocast(raw.deltas.device.type, enabled=False):
            with torch.no_grad():
                index = self.matcher(raw, self.coder, batch.target)  # [b, n]
            matched = gather(raw, self.coder, index, batch.target, progress, self.class_weights)
            return {name: LossTerm(*loss(matched), weight) for name, (weight, loss) in self.weighted_losses.items()}

    def stats(self, raw: DensePredictions, batch: Batch) -> dict[str, SumCount]:
        """Compute how well objectness and classes are predicted, for heads with objectness.

        These are ``class_accuracy`` of the positive anchors, ``object_accuracy`` (the fraction of them with an
        objectness above .5), ``no_object_accuracy`` (the fraction of the background anchors below it), and
        ``object_precision``: the fraction of the anchors above it that are positive. A network that finds nothing has
        a ``no_object_accuracy`` of 1, so it means little alone.
        """
        if raw.objectness is None:
            return {}
        matched = gather(raw, self.coder, self.matcher(raw, self.coder, batch.target), batch.target)
        found, positive, background = raw.objectness > 0, matched.target >= 0, rejected(matched)  # [b, n] each
        classes = raw.logits[matched.batch_idx, matched.anchor_idx].argmax(dim=1)  # [p]
        return {
            "class_accuracy": ((classes == matched.labels).sum(), matched.positives),
            "object_accuracy": ((found & positive).sum(), matched.positives),
            "no_object_accuracy": ((~found & background).sum(), background.sum()),
            "object_precision": ((found & positive).sum(), (found & (positive | background)).sum()),
        }

    def matched(self, raw: DensePredictions, batch: Batch) -> SumCount:
        """Return how many objects have a positive anchor, and how many there are; ignored ones do not count."""
        index = self.matcher(raw, self.coder, batch.target)  # [b, n]
        objects = (batch.target.labels >= 0) & ~batch.target.ignore  # [b, m]
        image, anchor = (index >= 0).nonzero(as_tuple=True)  # each [p]
        found = torch.zeros_like(objects)
        found[image, index[image, anchor]] = True
        return (found & objects).sum(), objects.sum()

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

    def logit(self, raw: DensePredictions, prediction: Detections, index: int) -> Tensor:
        """Return the class logit of the anchor that gave a box, plus its objectness logit where the head has them.

        The class alone explains half as well: where there is no object, the class means nothing.
        """
        assert prediction.anchors is not None
        anchor, label = int(prediction.anchors[index]), int(prediction.labels[index])
        logit = raw.logits[0, anchor, label]
        return logit if raw.objectness is None else logit + raw.objectness[0, anchor]

    def side(self, raw: DensePredictions, prediction: Detections, index: int, side: str) -> Tensor:
        """Return a side of a box, of the anchor that gave it; it grows where the box does."""
        assert prediction.anchors is not None
        number = SIDES.index(side)
        boxes = self.coder.decode(raw.deltas, raw.anchors, raw.strides)  # [b, n, 4]
        value = boxes[0, int(prediction.anchors[index]), number]
        return -value if number < 2 else value

    def limit(self, boxes: int | None = None, overlap: float | None = None) -> None:
        """Set ``max_detections`` and ``iou_threshold`` of ``suppress``, which must have the former."""
        if boxes is not None:
            self.suppress = up_to(boxes, self.suppress)
        if overlap is not None:
            self.suppress = with_overlap(overlap, self.suppress)

    @property
    def overlap(self) -> float | None:
        """The ``iou_threshold`` of ``suppress``; None without."""
        return overlap_of(self.suppress)

    def decode(self, raw: DensePredictions) -> list[Detections]:
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
