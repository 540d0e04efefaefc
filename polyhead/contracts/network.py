"""The contracts of the parts of a network: backbone, neck and head.

A model is *backbone -> necks -> named heads*. A part knows two things about the part before it: the number of channels
of each pyramid level and its stride in input pixels, finest level first.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from polyhead.types import Batch, Prediction, Pyramid


class Backbone(nn.Module, ABC):
    """A network that computes a feature pyramid from inputs; it normalizes uint8 images itself.

    Attributes:
        channels: channels of each level, finest first.
        strides: input pixels per cell of each level, strictly increasing.
    """

    channels: list[int]
    strides: list[int]

    @abstractmethod
    def forward(self, inputs: Tensor) -> Pyramid:
        """Compute the pyramid of images ``[b, 3, h, w]`` with values in 0..255.

        Level ``i`` has the shape ``[b, channels[i], ~h/strides[i], ~w/strides[i]]``.
        """


class Neck(nn.Module, ABC):
    """A network that computes a pyramid from a pyramid; built with the channels and strides of its input pyramid.

    Attributes:
        channels: channels of each output level, finest first.
        strides: input pixels per cell of each output level.
    """

    channels: list[int]
    strides: list[int]

    @abstractmethod
    def forward(self, pyramid: Pyramid) -> Pyramid:
        """Compute the output levels; the canvas is passed on unchanged."""


class Head(nn.Module, ABC):
    """A network that computes the predictions of one task from a pyramid.

    It is built late, with the pyramid's channels and strides and the task's class names. No return type depends on
    ``self.training``. What ``forward`` returns ("raw predictions") is a named tuple of tensors, whose first axis is the
    batch where it has one. It holds everything that ``losses`` and ``decode`` need except the batch.

    Attributes:
        names: class names of the task.
    """

    names: list[str]

    @abstractmethod
    def forward(self, pyramid: Pyramid) -> Any:
        """Compute raw predictions."""

    @abstractmethod
    def losses(self, raw: Any, batch: Batch) -> dict[str, Tensor]:
        """Compute named float32 scalars, already weighted, whose sum is the task's loss.

        They are finite also for a batch without any object.
        """

    @abstractmethod
    def distill(self, raw: Any, teacher: Any, temperature: float) -> dict[str, Tensor]:
        """Compute named float32 scalars that measure how much ``raw`` differs from a teacher's raw predictions.

        They are 0 where both are equal. The value is a mean over positions, so it does not grow with the size of the
        image or the number of anchors.

        Args:
            raw: the student's raw predictions.
            teacher: the teacher's raw predictions for the same images.
            temperature: logits are divided by it first.
        """

    @abstractmethod
    def decode(self, raw: Any) -> list[Prediction]:
        """Decode raw predictions to one prediction per image, in pixels of the canvas."""


NeckFactory = Callable[[list[int], list[int]], Neck]
"""Builds a neck from the channels and strides of its input pyramid."""

HeadFactory = Callable[[list[int], list[int], list[str]], Head]
"""Builds a head from the channels and strides of its input pyramid and the class names."""
