"""The part of :class:`polyhead.contracts.kind.Kind` that decides which predictions are shown, and how sure they look.

An operating point has a lowest score for each class and a temperature. It is chosen on val
(:mod:`polyhead.analysis.operating`), stored in the weights file and used wherever predictions are shown.

Shapes: ``n`` decisions, ``p`` samples, ``c`` classes.
"""

from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

Conf = float | list[float]
"""The lowest score of what is shown: one number for all classes, or one for each class."""


class Point(NamedTuple):
    """The operating point of a task, in plain types, as a weights file stores it.

    Attributes:
        split: the split that it was chosen on.
        precision: the precision that was asked for; None for the best F1.
        threshold: lowest score of what is shown, of all classes together; None where everything is shown.
        thresholds: the same for each class, in the order of the class names; empty where everything is shown.
        own: for each class, whether its threshold was chosen from its own decisions; it has that of all classes where
            they were too few.
        temperature: what the logarithms of class probabilities are divided by before they are shown.
    """

    split: str
    precision: float | None
    threshold: float | None
    thresholds: list[float]
    own: list[bool]
    temperature: float = 1.0


class Decisions(NamedTuple):
    """What a model has decided on a split: detections, or the label of each sample. Ignored ones are left out.

    Attributes:
        samples: index of each decision's sample.
        labels: class index of each decision.
        scores: score of each decision, 0..1.
        hit: whether it is correct.
        objects: number of objects of each class in each sample; of a classifier, 1 for the class of the sample.
    """

    samples: Int[np.ndarray, " n"]
    labels: Int[np.ndarray, " n"]
    scores: Float[np.ndarray, " n"]
    hit: Bool[np.ndarray, " n"]
    objects: Int[np.ndarray, "p c"]

    def within(self, chosen: Bool[np.ndarray, " p"]) -> "Decisions":
        """Return the decisions on some of the samples; the others count as samples without objects."""
        return self.take(chosen[self.samples])._replace(objects=self.objects * chosen[:, None])

    def take(self, index: Bool[np.ndarray, " n"] | Int[np.ndarray, " m"]) -> "Decisions":
        """Return some of the decisions by flag or by index, of the same samples."""
        return Decisions(self.samples[index], self.labels[index], self.scores[index], self.hit[index], self.objects)


class Operated:
    """What operating points ask of a kind. By default it has none: everything is shown as it is predicted.

    Attributes:
        always_answers: whether every sample gets an answer unless a precision is asked for.
    """

    always_answers: ClassVar[bool] = False

    # pylint: disable-next=unused-argument  # kinds with decisions use them
    def decisions(self, tested: Any, temperature: float = 1.0) -> Decisions | None:
        """Return the decisions of a test (:class:`polyhead.contracts.kind.Tested`); None, the default, for none.

        Args:
            tested: the test.
            temperature: see :class:`Point`.
        """
        return None

    # pylint: disable-next=unused-argument  # classifiers use it
    def probabilities(self, tested: Any) -> tuple[Float[np.ndarray, "p c"], Int[np.ndarray, " p"]] | None:
        """Return the class probabilities of a test and the correct classes; None, the default, for none."""
        return None

    # pylint: disable-next=unused-argument  # classifiers use it
    def calibrated(self, prediction: Any, temperature: float) -> Any:
        """Return a prediction with its probabilities at this temperature; by default unchanged."""
        return prediction

    # pylint: disable-next=unused-argument  # kinds with a score for each object use it
    def confident(self, prediction: Any, conf: Conf) -> Any:
        """Return the prediction without the objects that have a lower score than ``conf``; by default all of it."""
        return prediction

    # pylint: disable-next=unused-argument  # classifiers use it
    def certain(self, prediction: Any, conf: Conf) -> bool:
        """Return whether a prediction about a whole sample has at least the score ``conf``; by default it has."""
        return True
