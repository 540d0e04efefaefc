"""A label that a model contradicts, and what a kind of task tells to find such labels."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from jaxtyping import Float
from torch import Tensor

from polyhead.errors import PolyheadError


class LabelError(NamedTuple):
    """A label that is probably wrong, because a model that has not trained on it contradicts it.

    Attributes:
        sample: id of the sample.
        type: findings of one type are counted together; a few words in lower case, such as ``badly located``.
        score: how strongly the label is contradicted, 0..1; the findings of a data set are ranked by it.
        given: the class that the label has; empty if there is no label.
        suggested: the class that the model predicts.
        confidence: the score or probability of that prediction.
        box: xyxy in the original input, of the label; None if there is none, or if labels have no boxes.
        found: likewise, of the prediction.
    """

    sample: str
    type: str
    score: float
    given: str
    suggested: str
    confidence: float
    box: Float[Tensor, "4"] | None = None
    found: Float[Tensor, "4"] | None = None


class ChecksLabels:
    """What the search for label errors needs of a kind of task (:class:`polyhead.contracts.kind.Kind`)."""

    title: ClassVar[str]

    def label_errors(
        self, targets: Mapping[str, Any], predictions: Mapping[str, Any], names: Sequence[str]
    ) -> list[LabelError]:
        """Return the labels that predictions contradict, the strongest contradiction first.

        By default, a kind has no such search and this raises.

        Args:
            targets: the targets by sample id, in the original input.
            predictions: for the same samples, whole predictions of a model that has not trained on them.
            names: class names.
        """
        del targets, predictions, names
        raise PolyheadError(
            f"labels of {self.title} cannot be checked with a model yet: its kind does not say which labels a "
            "prediction contradicts. Leave out --labels."
        )
