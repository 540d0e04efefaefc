"""Coders: boxes as a network predicts them, relative to an anchor. Encode and decode are inverses."""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor


class Coder(ABC):
    """Boxes (xyxy, pixels) to codes and back; ``anchors`` are ``cx, cy, w, h``, ``strides`` those of their levels."""

    @abstractmethod
    def encode(
        self, boxes: Float[Tensor, "*b n 4"], anchors: Float[Tensor, "n 4"], strides: Float[Tensor, " n"]
    ) -> Float[Tensor, "*b n 4"]:
        """What the network should predict for these boxes."""

    @abstractmethod
    def decode(
        self, codes: Float[Tensor, "*b n 4"], anchors: Float[Tensor, "n 4"], strides: Float[Tensor, " n"]
    ) -> Float[Tensor, "*b n 4"]:
        """The boxes that the network predicts; finite for all finite codes."""


class Offsets(Coder):
    """Shift of the centre in sizes of the anchor, and logarithm of the sides' ratio (Girshick et al. 2014, appendix C).

    Args:
        centre: variance that shifts are divided by (SSD: 0.1).
        side: variance that logarithms are divided by (SSD: 0.2).
    """

    longest = math.log(1000 / 16)
    """A decoded side is at most 62.5 sides of its anchor, so that an untrained network cannot overflow."""

    def __init__(self, centre: float = 1.0, side: float = 1.0) -> None:
        self.centre = centre
        self.side = side

    def encode(
        self,
        boxes: Float[Tensor, "*b n 4"],
        anchors: Float[Tensor, "n 4"],
        strides: Float[Tensor, " n"],
    ) -> Float[Tensor, "*b n 4"]:
        """Boxes without area give large finite codes."""
        low, high = boxes[..., :2], boxes[..., 2:]
        shift = ((low + high) / 2 - anchors[:, :2]) / anchors[:, 2:]
        ratio = ((high - low) / anchors[:, 2:]).clamp(min=1e-6).log()
        return torch.cat([shift / self.centre, ratio / self.side], dim=-1)

    def decode(
        self,
        codes: Float[Tensor, "*b n 4"],
        anchors: Float[Tensor, "n 4"],
        strides: Float[Tensor, " n"],
    ) -> Float[Tensor, "*b n 4"]:
        """Sides are cut at :attr:`longest`."""
        centre = codes[..., :2] * self.centre * anchors[:, 2:] + anchors[:, :2]
        half = (codes[..., 2:] * self.side).clamp(max=self.longest).exp() * anchors[:, 2:] / 2
        return torch.cat([centre - half, centre + half], dim=-1)
