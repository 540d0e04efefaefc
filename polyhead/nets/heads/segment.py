"""A head for semantic segmentation: a class for each pixel."""

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
    """Class logits at the resolution of the feature map, and height and width of the canvas."""

    logits: Float[Tensor, "b c h w"]
    canvas: Size


class Segment(Head):
    """A 1x1 convolution on the finest level, upsampled to the canvas, trained with cross-entropy and dice loss.

    Background is a class, the first of ``names``. Pixels of class 255 take no part in the loss.

    Args:
        channels: channels of each level of the pyramid.
        strides: strides of each level; not used.
        names: class names, including background.
        dice_weight: weight of the dice loss; cross-entropy has weight 1.
    """

    def __init__(
        self,
        channels: list[int],
        strides: list[int],  # pylint: disable=unused-argument  # every head factory gets them
        names: list[str],
        *,
        dice_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.names = names
        self.dice_weight = dice_weight
        self.last = nn.Conv2d(channels[0], len(names), 1)

    def forward(self, pyramid: Pyramid) -> PixelLogits:
        """Compute the logits of each cell of the finest level."""
        return PixelLogits(self.last(pyramid.levels[0]).float(), pyramid.canvas)

    def losses(self, raw: PixelLogits, batch: Batch) -> dict[str, Tensor]:
        """Compute mean cross-entropy of the pixels that are not ignored, and dice loss of the classes in the batch."""
        if batch.masks is None:
            raise PolyheadError("a segmentation head needs images with masks. Use a reader that provides masks.")
        with torch.autocast(raw.logits.device.type, enabled=False):
            logs = upsample(raw).log_softmax(dim=1)  # [b, c, H, W] of the canvas
            target = batch.masks.long()  # [b, H, W]
            known = (target != IGNORED).sum().clamp(min=1)
            entropy = F.nll_loss(logs, target, ignore_index=IGNORED, reduction="sum") / known
            return {"class": entropy, "dice": self.dice_weight * dice(logs.exp(), target, IGNORED)}

    def distill(self, raw: PixelLogits, teacher: PixelLogits, temperature: float) -> dict[str, Tensor]:
        """Compute the divergence of the class probabilities from the teacher's, a mean over the cells."""
        return {"class": kullback_leibler(raw.logits, teacher.logits, temperature)}

    def decode(self, raw: PixelLogits) -> list[Mask]:  # type: ignore[override]  # a list of one kind of prediction
        """Return the most probable class of each pixel of the canvas."""
        with torch.autocast(raw.logits.device.type, enabled=False):
            return [Mask(classes) for classes in upsample(raw).argmax(dim=1).to(torch.uint8)]  # [b, H, W]


def upsample(raw: PixelLogits) -> Float[Tensor, "b c _ _"]:
    """Upsample the logits to the canvas.

    The result is contiguous (channels first) because later operations on full images are faster on this layout.
    """
    return F.interpolate(raw.logits.contiguous(), size=raw.canvas, mode="bilinear", align_corners=False)
