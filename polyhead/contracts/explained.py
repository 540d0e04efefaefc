"""What an explanation explains: one item of a prediction, or a mistake; and what a kind of task tells for that."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxtyping import Bool, Float
from torch import Tensor

from polyhead.contracts.operating import Conf
from polyhead.contracts.score import Columns
from polyhead.types import Meta

SIDES = ("left", "top", "right", "bottom")
"""The sides of a box, in the order of its corners."""


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


class Mistake(NamedTuple):
    """One thing in which a prediction differs from the target.

    Attributes:
        type: mistakes of one type are counted and ranked together; a few words in lower case, such as ``wrong class``.
        caption: what was mistaken for what, for people: ``missed cat``.
        severity: how bad it is compared with others of its type, 0..1.
        number: the :attr:`Item.number` of what an explanation explains; None if nothing is predicted there.
        box: xyxy in the original input, of the target or prediction concerned; None if it is about the whole input.
    """

    type: str
    caption: str
    severity: float
    number: int | None = None
    box: Float[Tensor, "4"] | None = None


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

    # pylint: disable-next=unused-argument  # kinds with positions use it
    def visible(self, prediction: Any, meta: Meta) -> Any:
        """Return what of a decoded prediction, on the canvas, is inside the original input; by default all of it.

        What is left has the same order and numbers as what :meth:`polyhead.contracts.kind.Kind.restore` returns.
        """
        return prediction

    # pylint: disable-next=unused-argument  # other kinds use them
    def mistakes(self, target: Any, prediction: Any, names: Sequence[str], conf: Conf) -> list[Mistake]:
        """Return in what a prediction differs from its target; by default nothing is compared.

        Args:
            target: the target, in the original input.
            prediction: the whole prediction there, also what has a lower score than ``conf``.
            names: class names, or names of the predicted numbers.
            conf: lowest score of what counts as predicted.
        """
        return []

    @property
    def finds_mistakes(self) -> bool:
        """Whether the kind compares predictions with targets (:meth:`mistakes`)."""
        return type(self).mistakes is not Explainable.mistakes
