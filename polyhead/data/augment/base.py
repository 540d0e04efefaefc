"""The base class of training augmentations: the presets, and the classes that a recipe can name instead."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch

from polyhead.data.geometry.plane import ImageSample
from polyhead.types import Size

Partner = Callable[[], ImageSample]
"""Returns a random other sample of the same training set, a new one at each call."""


class Augmentation(ABC):
    """A random transform from a sample to a sample on the network's canvas.

    Implementations draw random numbers only from torch's global generator, which the loader seeds per sample. The
    input sample may come from a cache, so its tensors must not be modified in place.

    Attributes:
        fit: how evaluation fits images to the canvas (:class:`polyhead.data.augment.transforms.Eval`).
    """

    fit = "stretch"

    @property
    def mixes(self) -> bool:
        """Whether content of other images is mixed in, which makes a single label per image wrong."""
        return False

    @abstractmethod
    def __call__(self, sample: ImageSample, size: Size, partner: Partner | None) -> ImageSample:
        """Return the augmented sample on a canvas of ``size``.

        Args:
            sample: the sample as read.
            size: height and width of the canvas in pixels.
            partner: returns samples to mix in; None if images must not be mixed.
        """


def happens(probability: float) -> bool:
    """Return True with the given probability; draws one number even for 0."""
    return float(torch.rand(())) < probability
