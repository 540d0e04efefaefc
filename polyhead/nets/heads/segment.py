"""A head for semantic segmentation: a class for each pixel."""

from math import log
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from polyhead.contracts.network import Head
from polyhead.nets.losses import dice, kullback_leibler, weights_of
from polyhead.nets.pyramids import canvas_of
from polyhead.types import IGNORED, Batch, LossTerm, Mask, Pyramid, PyramidSpec, Size, TaskInfo


class PixelLogits(NamedTuple):
    """Class logits at the resolution of the feature map, and height and width of the canvas."""

    logits: Float[Tensor, "b c h w"]
    canvas: Size


class Segment(Head):
    """A 1x1 convolution on the finest level or on all, upsampled to the canvas, with cross-entropy and dice loss.

    Background is a class, the first of the task. Pixels of class 255 take no part in the loss.

    Args:
        spec: channels and strides of the pyramid's levels.
        info: what is known of the task's data; its first class is the background.
        dice_weight: weight of the dice loss; cross-entropy has weight 1.
        all_levels: whether each coarser level has a 1x1 convolution too, whose logits are upsampled and added.
    """

    kind = "segmentation"
    class_weights: Tensor

    def __init__(
        self, spec: PyramidSpec, info: TaskInfo, *, dice_weight: float = 1.0, all_levels: bool = False
    ) -> None:
        super().__init__()
        self.names = info.names
        self.register_buffer("class_weights", weights_of(info), persistent=False)
        self.dice_weight = dice_weight
        self.last = nn.Conv2d(spec.channels[0], len(info.names), 1)
        coarser = spec.channels[1:] if all_levels else []
        self.coarser = nn.ModuleList(nn.Conv2d(each, len(info.names), 1, bias=False) for each in coarser)

    def forward(self, pyramid: Pyramid) -> PixelLogits:
        """Compute the logits of each cell of the finest level."""
        finest, *others = pyramid.levels
        logits = self.last(finest).float()  # [b, c, h, w]
        for last, level in zip(self.coarser, others, strict=False):
            more = last(level).float()
            logits = logits + F.interpolate(more, size=logits.shape[-2:], mode="bilinear", align_corners=False)
        return PixelLogits(logits, canvas_of(pyramid))

    def losses(self, raw: PixelLogits, batch: Batch, progress: float = 0.0) -> dict[str, LossTerm]:
        """Compute cross-entropy of the pixels that are not ignored, and dice loss of the classes in the batch.

        Neither depends on ``progress``.
        """
        with torch.autocast(raw.logits.device.type, enabled=False):
            logs = upsample(raw).log_softmax(dim=1)  # [b, c, H, W] of the canvas
            target = batch.target.classes.long()  # [b, H, W]
            entropy = F.nll_loss(logs, target, self.class_weights, ignore_index=IGNORED, reduction="sum")
            return {
                "class": LossTerm(entropy, self.class_weights[target[target != IGNORED]].sum()),
                "dice": LossTerm(*dice(logs.exp(), target, IGNORED), self.dice_weight),
            }

    def expected_losses(self) -> dict[str, float]:
        """Return the cross-entropy where all classes are equally probable."""
        return {"class": log(len(self.names))}

    def distill(self, raw: PixelLogits, teacher: PixelLogits, temperature: float) -> dict[str, Tensor]:
        """Compute the divergence of the class probabilities from the teacher's, a mean over the cells."""
        return {"class": kullback_leibler(raw.logits, teacher.logits, temperature)}

    def logit(self, raw: PixelLogits, prediction: Mask, index: int) -> Tensor:
        """Return the mean logit of a class over the pixels that are predicted to be of it."""
        inside = prediction.classes == index  # [H, W]
        values = upsample(raw)[0, index]  # [H, W]
        return values[inside].mean() if inside.any() else values.mean()

    def decode(self, raw: PixelLogits) -> list[Mask]:
        """Return the most probable class of each pixel of the canvas."""
        with torch.autocast(raw.logits.device.type, enabled=False):
            return [Mask(classes) for classes in upsample(raw).argmax(dim=1).to(torch.uint8)]  # [b, H, W]


def upsample(raw: PixelLogits) -> Float[Tensor, "b c _ _"]:
    """Upsample the logits to the canvas.

    The result is contiguous (channels first) because later operations on full images are faster on this layout.
    """
    return F.interpolate(raw.logits.contiguous(), size=raw.canvas, mode="bilinear", align_corners=False)
