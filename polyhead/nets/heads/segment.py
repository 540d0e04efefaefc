"""A class for each pixel."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from polyhead.contracts.network import Head
from polyhead.errors import PolyheadError
from polyhead.nets.losses import dice, kullback_leibler
from polyhead.types import IGNORED, Batch, Mask, Pyramid, Size


class PixelLogits(NamedTuple):
    """Class logits at the places of the feature map, and height and width of the picture that they are to fill."""

    logits: Float[Tensor, "b c h w"]
    canvas: Size


class Segment(Head):
    """One 1x1 convolution on the finest level, its logits enlarged to the picture; cross-entropy and dice.

    Background is a class, the first of ``names``. Pixels of class 255 are neither rewarded nor punished.

    Args:
        channels: of each level of the pyramid.
        strides: of each level.
        names: class names, background among them.
        dice_weight: of the dice loss beside cross-entropy's 1.
    """

    def __init__(
        self,
        channels: list[int],
        strides: list[int],  # pylint: disable=unused-argument  # every head is told
        names: list[str],
        *,
        dice_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.names = names
        self.dice_weight = dice_weight
        self.last = nn.Conv2d(channels[0], len(names), 1)

    def forward(self, pyramid: Pyramid) -> PixelLogits:
        """Logits of each cell."""
        return PixelLogits(self.last(pyramid.levels[0]).float(), pyramid.canvas)

    def losses(self, raw: PixelLogits, batch: Batch) -> dict[str, Tensor]:
        """Mean cross-entropy of the pixels that have a class, and dice of the classes that are in the batch."""
        if batch.masks is None:
            raise PolyheadError("a segmentation head needs pictures with masks; use a reader that gives masks")
        with torch.autocast(raw.logits.device.type, enabled=False):
            logs, truth = enlarged(raw).log_softmax(dim=1), batch.masks.long()
            known = (truth != IGNORED).sum().clamp(min=1)
            entropy = F.nll_loss(logs, truth, ignore_index=IGNORED, reduction="sum") / known
            return {"class": entropy, "dice": self.dice_weight * dice(logs.exp(), truth, IGNORED)}

    def distil(self, raw: PixelLogits, teacher: PixelLogits, temperature: float) -> dict[str, Tensor]:
        """Divergence from the teacher's classes, a mean over the cells."""
        return {"class": kullback_leibler(raw.logits, teacher.logits, temperature)}

    def decode(self, raw: PixelLogits) -> list[Mask]:  # type: ignore[override]  # a list of one kind of prediction
        """The most probable class of each pixel of the canvas."""
        with torch.autocast(raw.logits.device.type, enabled=False):
            return [Mask(classes) for classes in enlarged(raw).argmax(dim=1).to(torch.uint8)]


def enlarged(raw: PixelLogits) -> Float[Tensor, "b c _ _"]:
    """Logits of every pixel of the canvas; class by class in memory, where the work on whole pictures is quicker."""
    return F.interpolate(raw.logits.contiguous(), size=raw.canvas, mode="bilinear", align_corners=False)
