"""Box coders: convert between boxes and the deltas that a network predicts relative to an anchor."""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

MAX_LOG_RATIO = math.log(1000 / 16)
"""Limit of a decoded log ratio: sides are at most 62.5 anchor sides, so that an untrained network cannot overflow."""


class Coder(ABC):
    """A conversion of boxes (xyxy, pixels) to deltas and back; decode is the inverse of encode.

    ``anchors`` are ``cx, cy, w, h`` in pixels, ``strides`` are the strides of their levels.
    """

    @abstractmethod
    def encode(
        self, boxes: Float[Tensor, "*b n 4"], anchors: Float[Tensor, "n 4"], strides: Float[Tensor, " n"]
    ) -> Float[Tensor, "*b n 4"]:
        """Return the deltas that the network should predict for these boxes."""

    @abstractmethod
    def decode(
        self, deltas: Float[Tensor, "*b n 4"], anchors: Float[Tensor, "n 4"], strides: Float[Tensor, " n"]
    ) -> Float[Tensor, "*b n 4"]:
        """Return the boxes of predicted deltas; they are finite for all finite deltas."""


class DeltaCoder(Coder):
    """R-CNN's box regression (Girshick et al. 2014, appendix C).

    The deltas are the shift of the center in anchor sizes, and the logarithm of the ratio of the sides.

    Args:
        center_variance: shifts are divided by it (SSD: 0.1).
        size_variance: logarithms are divided by it (SSD: 0.2).
    """

    def __init__(self, center_variance: float = 1.0, size_variance: float = 1.0) -> None:
        self.center_variance = center_variance
        self.size_variance = size_variance

    def encode(
        self,
        boxes: Float[Tensor, "*b n 4"],
        anchors: Float[Tensor, "n 4"],
        strides: Float[Tensor, " n"],
    ) -> Float[Tensor, "*b n 4"]:
        """Encode boxes as deltas; boxes without area give large but finite deltas."""
        low, high = boxes[..., :2], boxes[..., 2:]  # top left and bottom right corner
        shift = ((low + high) / 2 - anchors[:, :2]) / anchors[:, 2:]
        ratio = ((high - low) / anchors[:, 2:]).clamp(min=1e-6).log()
        return torch.cat([shift / self.center_variance, ratio / self.size_variance], dim=-1)

    def decode(
        self,
        deltas: Float[Tensor, "*b n 4"],
        anchors: Float[Tensor, "n 4"],
        strides: Float[Tensor, " n"],
    ) -> Float[Tensor, "*b n 4"]:
        """Decode deltas to boxes; log ratios are clipped at :data:`MAX_LOG_RATIO`."""
        center = deltas[..., :2] * self.center_variance * anchors[:, 2:] + anchors[:, :2]
        half = (deltas[..., 2:] * self.size_variance).clamp(max=MAX_LOG_RATIO).exp() * anchors[:, 2:] / 2
        return torch.cat([center - half, center + half], dim=-1)


class CellCoder(Coder):
    """YOLOv3's boxes (Redmon & Farhadi 2018, section 2.1): the center stays in its cell, the size is relative.

    Deltas are the logits of the center's position in the cell, and the logarithms of the sides relative to the
    anchor's.
    """

    def encode(
        self,
        boxes: Float[Tensor, "*b n 4"],
        anchors: Float[Tensor, "n 4"],
        strides: Float[Tensor, " n"],
    ) -> Float[Tensor, "*b n 4"]:
        """Encode boxes as deltas; centers outside the anchor's cell are moved just inside."""
        low, high = boxes[..., :2], boxes[..., 2:]  # top left and bottom right corner
        position = ((low + high) / 2 - anchors[:, :2]) / strides[:, None] + 0.5  # 0..1 within the cell
        ratio = ((high - low) / anchors[:, 2:]).clamp(min=1e-6).log()
        return torch.cat([position.logit(eps=1e-4), ratio], dim=-1)

    def decode(
        self,
        deltas: Float[Tensor, "*b n 4"],
        anchors: Float[Tensor, "n 4"],
        strides: Float[Tensor, " n"],
    ) -> Float[Tensor, "*b n 4"]:
        """Decode deltas to boxes; log ratios are clipped at :data:`MAX_LOG_RATIO`."""
        center = (deltas[..., :2].sigmoid() - 0.5) * strides[:, None] + anchors[:, :2]
        half = deltas[..., 2:].clamp(max=MAX_LOG_RATIO).exp() * anchors[:, 2:] / 2
        return torch.cat([center - half, center + half], dim=-1)
