"""What the error analysis needs of a kind of task: which cases are wrong, what is confused, what errors cost.

Shapes: ``n`` samples, ``m`` cases, ``c`` classes, ``b`` resamples of the samples (row 0 is the full sample).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int


class Cases(NamedTuple):
    """Things of one sort in the samples of a test, each of which is right or wrong: samples, objects, regions.

    Attributes:
        title: what a wrong one is, in the plural, such as ``objects not found``.
        unit: what they are, in the plural, such as ``objects``.
        samples: index of the sample of each case.
        wrong: whether each case is wrong.
        labels: class of each case; 0 where there are no classes.
        facts: what else is known of each case, such as its size, by name; NaN where unknown.
    """

    title: str
    unit: str
    samples: Int[np.ndarray, " m"]
    wrong: Bool[np.ndarray, " m"]
    labels: Int[np.ndarray, " m"]
    facts: Mapping[str, Float[np.ndarray, " m"]]


class Gains(NamedTuple):
    """How much a score would rise if all errors of one type were fixed, on each resample.

    Attributes:
        score: title of the score.
        values: the score as it is.
        gains: the difference by type of error.
        counts: the number of errors, by type; not all types have one.
    """

    score: str
    values: Float[np.ndarray, " b"]
    gains: Mapping[str, Float[np.ndarray, " b"]]
    counts: Mapping[str, int]


class Analyzable:
    """What the error analysis needs of a kind of task (:class:`polyhead.contracts.kind.Kind`).

    Each method takes a test as :meth:`polyhead.contracts.kind.Kind.load` returns it.
    """

    def cases(self, tested: Any) -> Sequence[Cases]:
        """Return what is right or wrong in a test; by default nothing, and the kind has no error analysis."""
        del tested
        return ()

    @property
    def finds_errors(self) -> bool:
        """Whether the kind says what is right or wrong (:meth:`cases`)."""
        return type(self).cases is not Analyzable.cases

    # pylint: disable-next=unused-argument  # kinds with classes use it
    def confusion(self, tested: Any) -> Int[np.ndarray, "r d"] | None:
        """Return how often each class (row) is predicted as each class (column); by default there are no classes.

        Rows and columns beyond the class names are the background, or what was not predicted as any class.
        """
        return None

    # pylint: disable-next=unused-argument  # detection uses the weights
    def gains(self, tested: Any, weights: Int[np.ndarray, "b n"]) -> Gains | None:
        """Return what fixing each type of error would gain on each resample; None, the default, if there are no types.

        ``weights`` is how often each resample has each sample.
        """
        return None
