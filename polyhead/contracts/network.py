"""The contracts of the parts of a network: backbone, neck and head.

A model is *backbone -> necks -> named heads*. A part knows two things about the part before it: the number of channels
of each pyramid level and its stride (:class:`~polyhead.types.PyramidSpec`). Levels are found by their stride, never by
their position.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from polyhead.errors import PolyheadError
from polyhead.types import Batch, InputSpec, LossTerm, Pyramid, PyramidSpec, SumCount, TaskInfo

LEAST_SQUARE = 1e-6
"""Lower limit of the mean square that a distance is relative to, so that it is finite where the teacher is 0."""


class Backbone(nn.Module, ABC):
    """A network that computes a feature pyramid from inputs; it normalizes uint8 images itself.

    Attributes:
        channels: channels of each level, finest first.
        strides: input pixels per cell of each level, strictly increasing.
    """

    channels: list[int]
    strides: list[int]

    @abstractmethod
    def forward(self, inputs: Any) -> Pyramid:
        """Compute the pyramid of inputs, a tensor or named tensors (:data:`~polyhead.types.Inputs`).

        Of images ``[b, 3, h, w]`` with values in 0..255, level ``i`` has the shape
        ``[b, channels[i], ~h/strides[i], ~w/strides[i]]``.
        """


class Neck(nn.Module, ABC):
    """A network that computes a pyramid from a pyramid; built with the shape of its input pyramid.

    Attributes:
        channels: channels of each output level, finest first.
        strides: input pixels per cell of each output level.
    """

    channels: list[int]
    strides: list[int]

    @abstractmethod
    def forward(self, pyramid: Pyramid) -> Pyramid:
        """Compute the output levels; everything else is passed on unchanged."""


class Head(nn.Module, ABC):
    """A network that computes the predictions of one task from a pyramid.

    It is built late, with the shape of the pyramid and what is known of the task's data. No return type depends on
    ``self.training``. What ``forward`` returns ("raw predictions") is a named tuple of tensors, whose first axis is the
    batch where it has one, as the first of them has. It holds everything that ``losses`` and ``decode`` need except the
    batch.

    Attributes:
        kind: what it predicts: the short name of a kind of task, or the import path of a class. A class attribute.
        names: class names of the task.
        known: the classes that its initial weights predict already; pretrained heads have some.
    """

    kind: str
    names: list[str]
    known: Sequence[str] = ()

    @abstractmethod
    def forward(self, pyramid: Pyramid) -> Any:
        """Compute raw predictions."""

    @abstractmethod
    def losses(self, raw: Any, batch: Batch, progress: float = 0.0) -> dict[str, LossTerm]:
        """Compute named losses, whose values are added up to the task's loss.

        Sums and counts are those of the given samples; several processes add theirs up. They are finite also for a
        batch without any object. The names depend on nothing but ``progress``.

        Args:
            raw: raw predictions.
            batch: their targets.
            progress: fraction of the stage's steps that are done, 0..1, for losses that change during training.
        """

    def stats(self, raw: Any, batch: Batch) -> dict[str, SumCount]:
        """Compute named numbers that are logged and are no part of the loss, such as an accuracy; by default none.

        Each is a sum and a count, and ``results.csv`` has the mean over the epoch. They get no gradient.

        Args:
            raw: raw predictions.
            batch: their targets.
        """
        del raw, batch
        return {}

    def expected_losses(self) -> dict[str, float]:
        """Return the losses of a head that knows nothing, by name, such as the log of the number of classes.

        What depends on more than that is left out. By default, nothing is expected.
        """
        return {}

    # pylint: disable-next=unused-argument  # heads with anchors use them
    def matched(self, raw: Any, batch: Batch) -> SumCount | None:
        """Return how many objects of a batch the head is trained to find, and how many there are.

        By default None: the head predicts no objects.
        """
        return None

    def distill(self, raw: Any, teacher: Any, temperature: float) -> dict[str, Tensor]:
        """Compute named float32 scalars that measure how much ``raw`` differs from a teacher's raw predictions.

        They are 0 where both are equal. The value is a mean over positions, so it does not grow with the size of the
        image or the number of anchors.

        By default there is one for each floating-point tensor of the named tuple that has the batch axis: the mean
        squared difference, divided by the teacher's mean square so that all have the same scale. A head whose
        predictions are probabilities, or matter at some anchors only, should replace it.

        Args:
            raw: the student's raw predictions.
            teacher: the teacher's raw predictions for the same images.
            temperature: logits are divided by it first; the default has no logits and does not use it.

        Raises:
            TypeError: by default, when the raw predictions are no named tuple that begins with a tensor.
        """
        del temperature
        if not (isinstance(raw, tuple) and hasattr(raw, "_asdict") and isinstance(raw[0], Tensor)):
            raise TypeError(
                f"{type(self).__name__}: expected raw predictions that are a named tuple and begin with a tensor, got "
                f"{type(raw).__name__}. Return one from forward, or write distill for this head."
            )
        images = raw[0].shape[:1]
        values: dict[str, Tensor] = {}
        for name, value in raw._asdict().items():
            if isinstance(value, Tensor) and value.is_floating_point() and value.shape[:1] == images:
                expected = getattr(teacher, name).float()
                scale = expected.square().mean().clamp(min=LEAST_SQUARE)
                values[name] = (value.float() - expected).square().mean() / scale
        return values

    def logit(self, raw: Any, prediction: Any, index: int) -> Tensor:
        """Return the number that an explanation explains, a scalar with a gradient.

        By default it is a number of the first tensor of the raw predictions, such as the logit of a class.

        Args:
            raw: raw predictions of one sample.
            prediction: a decoded prediction, which may be that of another network of the same shape: the maps of a
                network with shuffled weights are about the same item.
            index: index of the item (:attr:`polyhead.contracts.explained.Item.number`).
        """
        del prediction
        first: Tensor = raw[0][0]
        return first.reshape(-1)[index]

    def side(self, raw: Any, prediction: Any, index: int, side: str) -> Tensor:
        """Return how far a box reaches on one side, in pixels of the canvas, a scalar with a gradient.

        Args:
            raw: raw predictions of one sample.
            prediction: a decoded prediction, as for :meth:`logit`.
            index: index of the box.
            side: ``left``, ``top``, ``right`` or ``bottom``.

        Raises:
            PolyheadError: if the head predicts no boxes (the default).
        """
        del raw, prediction, index
        raise PolyheadError(f"{type(self).__name__} predicts no boxes, so the {side} side of one cannot be explained.")

    @property
    def overlap(self) -> float | None:
        """The IoU with a better box above which a box is dropped; by default there is no such limit."""
        return None

    def limit(self, boxes: int | None = None, overlap: float | None = None) -> None:
        """Set the largest number of boxes of a sample, and :attr:`overlap`; None leaves it. By default, nothing."""

    @abstractmethod
    def decode(self, raw: Any) -> Sequence[Any]:
        """Decode raw predictions to one prediction per sample, in pixels of the canvas."""


BackboneFactory = Callable[[InputSpec], Backbone]
"""Builds a backbone from the inputs that it will get."""

NeckFactory = Callable[[PyramidSpec], Neck]
"""Builds a neck from the shape of its input pyramid."""

HeadFactory = Callable[[PyramidSpec, TaskInfo], Head]
"""Builds a head from the shape of its input pyramid and what is known of the task's data."""
