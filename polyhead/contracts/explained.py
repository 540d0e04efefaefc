"""What an explanation explains: one item of a prediction; and what a kind of task tells of its predictions for that."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxtyping import Bool, Float
from torch import Tensor

from polyhead.contracts.score import Columns


class Item(NamedTuple):
    """One thing that a prediction says: an object, a class of the whole input, or the region of a class.

    Attributes:
        number: what :meth:`polyhead.contracts.network.Head.logit` takes.
        caption: class and score, for people.
        score: the score of the item.
        label: index of the class.
        box: xyxy in pixels of the canvas, the bounding box of what is explained; None if it is about the whole input.
        inside: the pixels of the canvas that belong to it; None if those of the box, or all, do.
    """

    number: int
    caption: str
    score: float
    label: int
    box: Float[Tensor, "4"] | None = None
    inside: Bool[Tensor, "h w"] | None = None


class Explainable(ABC):
    """What explanations need of a kind of task (:class:`polyhead.contracts.kind.Kind`)."""

    @abstractmethod
    def columns(self, prediction: Any) -> Columns:
        """Return a prediction as arrays, for tables and JSON."""

    def items(self, prediction: Any, names: Sequence[str]) -> list[Item]:
        """Return what a prediction says, most important first, each of which can be explained.

        By default these are its columns: one for each class or number.

        Args:
            prediction: a decoded prediction, on the canvas.
            names: class names, or names of the predicted numbers.
        """
        scores, classes, _, _ = self.columns(prediction)
        return [
            Item(label, f"{names[label]} {score:.2f}", score, label)
            for score, label in zip(scores.tolist(), classes.tolist(), strict=True)
        ]

    # pylint: disable-next=unused-argument  # kinds whose predictions have scores use them
    def agreement(self, prediction: Any, item: Item, other: Any) -> float | None:
        """Return how much of an item is in the prediction for a changed input, 0..1; None, the default, if unknown.

        Args:
            prediction: the prediction that the item is of.
            item: the item.
            other: the prediction for the changed input, on the canvas too.
        """
        return None
