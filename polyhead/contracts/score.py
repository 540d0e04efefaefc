"""What a kind of task returns: scores with a direction, counts, and predictions as arrays.

Shapes: ``n`` samples, ``b`` resamples of them (row 0 is the full sample), ``m`` predictions for one sample.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8


class Score(NamedTuple):
    """A score of a kind.

    Attributes:
        name: its name in ``results.csv`` and on the command line.
        title: its name in tables and texts.
        best: the best possible value. Above 0, higher values are better; 0 or less, lower values are.
        panel: title of the plot that it shares with others; its own if empty.
        note: what a table that shows it explains below.
        frequent_only: whether it leaves out rare classes, so that without any of them another score is the same.
    """

    name: str
    title: str
    best: float = 1.0
    panel: str = ""
    note: str = ""
    frequent_only: bool = False

    @property
    def higher_is_better(self) -> bool:
        """Whether higher values are better."""
        return self.best > 0

    def skill(self, value: float, dummy: float) -> float:
        """Return the fraction of the way from the dummy baseline to the best value: 0 is the dummy, 1 is perfect.

        It is NaN where the dummy baseline has the best value already.

        >>> Score("mae", "MAE", best=0.0).skill(2.0, dummy=8.0)
        0.75
        """
        return float("nan") if dummy == self.best else (value - dummy) / (self.best - dummy)


class Counts(NamedTuple):
    """How much a model was tested on: samples, objects (or whatever is scored), and classes that occur.

    ``rare`` is the number of classes with too few objects for a reliable score of their own.
    """

    images: int
    objects: int
    classes: int
    rare: int = 0


class Columns(NamedTuple):
    """The predictions for one sample as arrays; all but those of boxes are about the sample as a whole.

    Attributes:
        scores: of each prediction, best first: a probability, a fraction, or the predicted number itself.
        classes: index of each prediction's name.
        boxes: xyxy in pixels of the original image, one for each prediction; None for kinds without boxes.
        mask: class index of each pixel of the original image; None for kinds without masks.
    """

    scores: Float[np.ndarray, " m"]
    classes: Int[np.ndarray, " m"]
    boxes: Float[np.ndarray, "m 4"] | None = None
    mask: UInt8[np.ndarray, "h w"] | None = None


Bootstrap = Callable[[str, Int[np.ndarray, "b n"]], Float[np.ndarray, " b"]]
"""Computes a score, given by name, on each resample, given by how often it has each sample."""
