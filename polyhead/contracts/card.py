"""What a kind of task and a modality contribute to data and model cards (:mod:`polyhead.workflows.card`)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple


class CardFacts(NamedTuple):
    """What is found out about a data set. Sentences have the data set's own numbers.

    Attributes:
        rows: numbers of the table of features: what, and its value.
        biases: what is frequent or rare in the data, one sentence each.
        limitations: what the data cannot show, one sentence each.
        privacy: what the data says about people, one sentence each.
        plots: files of plots, each with a caption.
    """

    rows: Sequence[tuple[str, str]] = ()
    biases: Sequence[str] = ()
    limitations: Sequence[str] = ()
    privacy: Sequence[str] = ()
    plots: Sequence[tuple[Path, str]] = ()

    def joined(self, other: "CardFacts") -> "CardFacts":
        """Return both together."""
        return CardFacts(
            [*self.rows, *other.rows],
            [*self.biases, *other.biases],
            [*self.limitations, *other.limitations],
            [*self.privacy, *other.privacy],
            [*self.plots, *other.plots],
        )


class InCard:
    """What cards need of a kind of task (:class:`polyhead.contracts.kind.Kind`).

    Attributes:
        croissant_columns: columns of the table of annotations, each with its Croissant data types.
        croissant_types: what Croissant calls the content of a target's own file, such as ``cr:SegmentationMask``; empty
            if targets have no files of their own.
        hub_task: the Hub's name of the task, such as ``{modality}-classification``, where ``{modality}`` stands for the
            name of the modality; empty if the Hub has none.
    """

    croissant_columns: ClassVar[Mapping[str, Sequence[str]]] = MappingProxyType({})
    croissant_types: ClassVar[Sequence[str]] = ()
    hub_task: ClassVar[str] = ""

    # pylint: disable-next=unused-argument  # kinds with columns use them
    def croissant_rows(self, target: Any, names: Sequence[str]) -> list[list[Any]]:
        """Return the rows of one sample in the table of annotations; by default none."""
        return []

    # pylint: disable-next=unused-argument  # kinds with more than classes use it
    def card_facts(self, targets: Mapping[str, Any]) -> CardFacts:
        """Return what a data card says of targets besides their classes; by default nothing.

        Args:
            targets: the :class:`polyhead.contracts.kind.Targets` of each split.
        """
        return CardFacts()
