"""The three contracts of a network: backbone, neck, head.

A model is *backbone -> necks -> named heads*. Parts know each other only by two lists: how many channels each level
has, and its stride in pixels of the input, finest level first.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from polyhead.types import Batch, Prediction, Pyramid


class Backbone(nn.Module, ABC):
    """Turns inputs into a pyramid. Normalises uint8 pictures itself, so that no caller can forget to.

    Attributes:
        channels: channels of each level, finest first.
        strides: input pixels per cell of each level, strictly growing.
    """

    channels: list[int]
    strides: list[int]

    @abstractmethod
    def forward(self, inputs: Tensor) -> Pyramid:
        """Pictures ``[b, 3, h, w]`` (0..255) to a map ``[b, channels[i], ~h/strides[i], ~w/strides[i]]`` a level."""


class Neck(nn.Module, ABC):
    """Turns a pyramid into a pyramid; built with the channels and strides of the one that it is given."""

    channels: list[int]
    strides: list[int]

    @abstractmethod
    def forward(self, pyramid: Pyramid) -> Pyramid:
        """Levels in, levels out; the canvas is handed on unchanged."""


class Head(nn.Module, ABC):
    """Turns a pyramid into predictions for one task; built late, with the pyramid's shape and the task's class names.

    No return type depends on ``self.training``. ``Raw`` is a named tuple of tensors, whose first axis is the batch
    where it has one; it carries whatever ``losses`` and ``decode`` need beside the batch.
    """

    names: list[str]

    @abstractmethod
    def forward(self, pyramid: Pyramid) -> Any:
        """Features to ``Raw``."""

    @abstractmethod
    def losses(self, raw: Any, batch: Batch) -> dict[str, Tensor]:
        """Named float32 scalars, already weighted, whose sum is the task's loss; finite also without any object."""

    @abstractmethod
    def distil(self, raw: Any, teacher: Any, temperature: float) -> dict[str, Tensor]:
        """Named float32 scalars: how far ``raw`` is from what a teacher says of the same pictures; 0 where equal.

        Logits are divided by ``temperature`` first. Every place counts by itself, so the value does not grow with the
        size of the picture or the number of anchors.
        """

    @abstractmethod
    def decode(self, raw: Any) -> list[Prediction]:
        """One prediction a picture, in pixels of the canvas."""


NeckFactory = Callable[[list[int], list[int]], Neck]
HeadFactory = Callable[[list[int], list[int], list[str]], Head]
