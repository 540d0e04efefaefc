"""How training looks at pictures: the open kind that presets, and what a recipe gives instead, belong to."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from polyhead.types import Sample, Size

Partner = Callable[[], Sample]
"""Draws another sample of the same training set, anew at each call."""


class Look(ABC):
    """A random look at a sample, different at each call.

    Chance is torch's global generator alone, which the loader seeds per sample. The given samples may be kept by a
    cache: nothing may write into their tensors.

    Attributes:
        fit: how evaluation fits pictures to the canvas (:class:`polyhead.data.augment.transforms.Eval`).
    """

    fit = "stretch"

    @property
    def mixes(self) -> bool:
        """Whether parts of other pictures get in, so that one class for the whole of it would no longer be true."""
        return False

    @abstractmethod
    def __call__(self, sample: Sample, size: Size, partner: Partner | None) -> Sample:
        """The sample as the network is to see it this time, on a canvas of ``size``.

        Args:
            sample: as the reader gives it.
            size: height and width.
            partner: gives samples to mix in; None where pictures are not to be mixed.
        """
