"""The one dense head: every detector that predicts boxes at all places of a pyramid (SSD, RetinaNet, YOLO, …).

They are one sentence, *tower -> anchors x coder x matcher x losses -> scores -> suppress*, and differ in these words.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from polyhead.boxes.anchors import Anchors
from polyhead.boxes.coders import Coder
from polyhead.boxes.matching import Matcher
from polyhead.boxes.nms import Suppress, clip
from polyhead.boxes.raw import Raw, gather
from polyhead.contracts.network import Head
from polyhead.nets.losses import Loss, binary_divergence
from polyhead.types import Batch, Detections, Pyramid

Predicted = tuple[Tensor, Tensor, Tensor | None]
"""Codes ``[b, n, 4]``, logits ``[b, n, k]`` and, where there is one, objectness ``[b, n]``."""


TowerFactory = Callable[[list[int], list[int], int], nn.Module]
"""Makes the layers of a dense head from the channels of each level, the boxes in its cells, and the number of classes.

They turn the pyramid's levels into :data:`Predicted`, in the order of the anchors.
"""


class Dense(Head):
    """Boxes and classes at every anchor.

    Anchors, box coding, matching and losses are float32 also under autocast: bfloat16 moves anchors by half a pixel.

    Args:
        channels: of each level of the pyramid.
        strides: of each level.
        names: class names.
        anchors: the boxes that predictions are relative to, one entry in ``per_cell`` a level.
        tower: makes the layers.
        coder: boxes to codes and back.
        matcher: which truth each anchor answers for.
        losses: ``{name: (weight, loss)}``.
        scores: predictions to class probabilities ``[b, n, c]``.
        suppress: boxes and scores of all anchors to detections.
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
        scores: Callable[[Raw], Tensor],
        suppress: Suppress,
    ) -> None:
        super().__init__()
        self.names = names
        self.strides = strides
        self.anchors = anchors
        self.tower = tower(channels, anchors.per_cell, len(names))
        self.coder = coder
        self.matcher = matcher
        self.parts = dict(losses)
        self.scores = scores
        self.suppress = suppress

    def forward(self, pyramid: Pyramid) -> Raw:
        """Predictions at all anchors, with the anchors."""
        codes, logits, objects = self.tower(pyramid.levels)
        shapes = [(level.shape[-2], level.shape[-1]) for level in pyramid.levels]
        with torch.autocast(codes.device.type, enabled=False):
            anchors, strides = self.anchors(shapes, self.strides, pyramid.canvas, codes.device)
        objects = None if objects is None else objects.float()
        return Raw(codes.float(), logits.float(), objects, anchors, strides, pyramid.canvas)

    def losses(self, raw: Raw, batch: Batch) -> dict[str, Tensor]:
        """Each loss times its weight."""
        with torch.autocast(raw.codes.device.type, enabled=False):
            with torch.no_grad():
                index = self.matcher(raw, self.coder, batch)
            matched = gather(raw, self.coder, index, batch)
            return {name: weight * loss(matched) for name, (weight, loss) in self.parts.items()}

    def distil(self, raw: Raw, teacher: Raw, temperature: float) -> dict[str, Tensor]:
        """Divergence of the class probabilities, and smooth L1 of the codes.

        Anchors count by the probability that they hold an object: for classes as the student or the teacher sees it,
        so that neither a forgotten object nor an invented one is lost among the many anchors of background; for boxes
        as the teacher sees it.
        """
        with torch.autocast(raw.codes.device.type, enabled=False):
            soft, wanted = (self.scores(each._replace(logits=each.logits / temperature)) for each in (raw, teacher))
            seen = self.scores(teacher).amax(dim=-1)
            either = torch.maximum(seen, self.scores(raw).detach().amax(dim=-1))
            classes = temperature**2 * binary_divergence(soft, wanted)
            codes = F.smooth_l1_loss(raw.codes, teacher.codes, reduction="none").sum(dim=-1)
            return {
                "class": (either * classes).sum() / either.sum(),
                "box": (seen * codes).sum() / seen.sum(),
            }

    def decode(self, raw: Raw) -> list[Detections]:  # type: ignore[override]  # a list of one kind of prediction
        """Detections of each picture, best first, inside the canvas."""
        with torch.autocast(raw.codes.device.type, enabled=False):
            boxes = self.coder.decode(raw.codes, raw.anchors, raw.strides)
            return self.suppress(clip(boxes, raw.canvas), self.scores(raw))


def softmax_scores(raw: Raw) -> Tensor:
    """Class probabilities of a head whose last logit is background."""
    return raw.logits.softmax(dim=-1)[..., :-1]


def sigmoid_scores(raw: Raw) -> Tensor:
    """Class probabilities of a head whose classes are a yes or no each."""
    return raw.logits.sigmoid()
