"""The contract of a kind of task: everything that depends on what a task predicts.

The engine, evaluation, comparison and drawing ask the kind of a task and never look at the type of a prediction. A kind
knows no input: :class:`polyhead.types.Meta` maps its predictions back to the original sample.

Shapes: ``n`` samples, ``b`` resamples of them (row 0 is the full sample), ``k`` numbers of a sample.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from polyhead.contracts.analyzed import Analyzable
from polyhead.contracts.card import InCard
from polyhead.contracts.explained import Explainable
from polyhead.contracts.label_errors import ChecksLabels
from polyhead.contracts.operating import Operated
from polyhead.contracts.reader import Reader
from polyhead.contracts.score import Bootstrap, Counts, Score
from polyhead.errors import Finding, PolyheadError
from polyhead.types import Marks, Meta, ShownClass, Size, TaskInfo


class Tested(ABC):
    """The stored predictions of one run for one task together with their targets, ready to be scored on resamples.

    Attributes:
        kind: the kind of the task.
        task: task name.
        names: class names, or names of the predicted numbers.
        ids: ids of the samples.
    """

    kind: "Kind"
    task: str
    names: list[str]
    ids: list[str]

    @abstractmethod
    def counts(self) -> Counts:
        """Return how much was tested."""

    @abstractmethod
    def bootstrap(self, reference: "Tested") -> Bootstrap:
        """Prepare scoring on resamples of the samples, which are in the order of the reference."""

    @abstractmethod
    def join(self, others: Sequence["Tested"]) -> "Tested":
        """Return one test of the samples of all: the folds of a task, or tasks that the kind can pool.

        Raises:
            PolyheadError: when they cannot be joined.
        """

    @abstractmethod
    def differences(self, other: "Tested") -> list[str]:
        """Return the ids of the samples whose targets differ from those in ``other``; both have the same ids."""


class Targets:
    """The targets of a split, which are read when they are needed.

    Args:
        kind: the kind of the task.
        names: class names, or names of the predicted numbers.
        ids: ids of the samples, in order.
        read: returns the target of the sample with an index.
    """

    def __init__(self, kind: "Kind", names: Sequence[str], ids: Sequence[str], read: Callable[[int], Any]) -> None:
        self.kind, self.names, self.ids, self.read = kind, list(names), list(ids), read

    @classmethod
    def of(cls, kind: "Kind", reader: Reader) -> "Targets":
        """Return the targets of all samples of a reader."""
        return cls(kind, reader.names, [reader.entry(index).id for index in range(len(reader))], reader.target)

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.ids)

    def __getitem__(self, sample_id: str) -> Any:
        """Return the target of one sample."""
        return self.read(self._index[sample_id])

    @cached_property
    def gathered(self) -> Any:
        """What the kind needs of all targets of the split together (:meth:`Kind.gather`)."""
        return self.kind.gather(dict(zip(self.ids, map(self.read, range(len(self))), strict=True)), self.names)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {sample_id: index for index, sample_id in enumerate(self.ids)}


def reduced(targets: Targets, sample_id: str, prediction: Any) -> Any:
    """Return what is needed of one prediction for scores and plots (:meth:`Kind.reduce`)."""
    return targets.kind.reduce(prediction, partial(targets.__getitem__, sample_id), targets.names)


class Kind(Explainable, Operated, Analyzable, ChecksLabels, InCard):
    """What a task predicts: its targets, predictions, scores, files and drawings.

    Targets and predictions are named tuples of tensors. A kind has no settings and no state.

    Attributes:
        title: the word for a head of this kind, such as ``detection``.
        annotations: what its data needs, for messages, such as ``box annotations``.
        target: type of one target.
        prediction: type of one prediction.
        extras: names of numbers of a report that are printed after the main score.
        counted: what the ``classes`` of a report count: the key of the number.
        uses_frequencies: whether the dummy baseline depends on how frequent classes or values are in training.
        unmatched: what is left out where a model lacks a class, for messages.
        counts_objects: whether tables show the number of objects.
        mixes: whether the content of several samples may be mixed in one (mosaic and similar).
        background: whether the first class is the background of masks.
        scores: the scores on val during training; the first one is the main score, which selects the best weights.
        measures: the scores that runs are compared by; differences are of the first one by default.
    """

    title: ClassVar[str]
    annotations: ClassVar[str]
    target: ClassVar[Any]
    prediction: ClassVar[Any]
    extras: ClassVar[tuple[str, ...]] = ()
    counted: ClassVar[str] = "images"
    uses_frequencies: ClassVar[bool] = True
    unmatched: ClassVar[str] = "images left out"
    counts_objects: ClassVar[bool] = False
    mixes: ClassVar[bool] = False
    background: ClassVar[bool] = False
    scores: ClassVar[tuple[Score, ...]]
    measures: ClassVar[tuple[Score, ...]]

    @property
    def name(self) -> str:
        """The short name of a kind of ours, else its class path; runs and weights files store it."""
        return f"{type(self).__module__}.{type(self).__qualname__}"

    @property
    def main(self) -> Score:
        """The main score."""
        return self.scores[0]

    # Targets and predictions of single samples

    def collate(self, targets: Sequence[Any]) -> Any:
        """Return the targets of a batch; by default each field is stacked, ``[b, ...]``."""
        return self.target(*(torch.stack(list(column)) for column in zip(*targets, strict=True)))

    # pylint: disable-next=unused-argument  # kinds with positions use the size
    def as_target(self, value: Any, size: Size | None, names: Sequence[str]) -> Any:
        """Return the target for what a plain data set gives: a target, or by default the tensor of its only field.

        Args:
            value: what the data set gives.
            size: height and width of the raw input; None where it has none.
            names: class names, or names of the predicted numbers.

        Raises:
            SampleError: when it is not a valid target.
        """
        return value if isinstance(value, self.target) else self.target(torch.as_tensor(value))

    @abstractmethod
    def example(self, names: Sequence[str], size: Size) -> Any:
        """Return a valid target, to time a training step and to check the parts of a network.

        ``names`` are as in :class:`Targets`; ``size`` is that of the input, which kinds without positions ignore.
        """

    def match(self, target: Any, labels: Tensor, classes: int) -> tuple[Any, list[int]]:
        """Return a target among the classes of a model, None if nothing is left, and the labels of what is left out.

        ``labels`` has the new label of each class, -1 where the model has none. By default this is not possible.
        """
        del target, labels, classes
        raise PolyheadError(f"targets of {self.title} cannot be matched by class names. Use data like the run's own.")

    # pylint: disable-next=unused-argument  # kinds with positions use it
    def restore(self, prediction: Any, meta: Meta) -> Any:
        """Map a decoded prediction to the space of the original sample; by default it has none. All on the CPU.

        By default, numbers become float32: under automatic mixed precision a head may return bfloat16.
        """
        columns = (column.cpu() for column in prediction)
        return self.prediction(*(each.float() if each.is_floating_point() else each for each in columns))

    # pylint: disable-next=unused-argument  # kinds with large targets use the folder
    def save_target(self, target: Any, folder: Path, name: str) -> dict[str, Any]:
        """Return a target as plain types; what is too large for JSON is written to files named ``NAME.*``.

        The entry's ``files`` names them; :meth:`load_target` opens no other. By default each field becomes a list.
        """
        return {key: value.tolist() for key, value in target._asdict().items()}

    # pylint: disable-next=unused-argument  # as above
    def load_target(self, entry: Mapping[str, Any], folder: Path) -> Any:
        """Return the target that :meth:`save_target` has written."""
        return self.target(*(torch.tensor(entry[key]) for key in self.target._fields))

    # All targets of a split

    @abstractmethod
    def gather(self, targets: Mapping[str, Any], names: Sequence[str]) -> Any:
        """Return what scores, statistics and plots need of all targets of a split.

        Args:
            targets: the targets by sample id, in order.
            names: class names, or names of the predicted numbers.
        """

    @abstractmethod
    def shown(self, targets: Targets) -> list[set[ShownClass]]:
        """Return the classes that each sample shows; splits and exemplars are balanced by them."""

    def has_content(self, targets: Targets) -> list[bool]:
        """Return whether each sample has something to predict; by default, every sample has."""
        return [True] * len(targets)

    # pylint: disable-next=unused-argument  # other kinds use them
    def peers(self, targets: Targets) -> Sequence[Sequence[int]] | None:
        """Return, for each sample, the indices of those that may be mixed with it; None, the default, for all."""
        return None

    def info(self, targets: Targets, categories: Sequence[int | str]) -> TaskInfo:
        """Return what a head is built from: names, the data's own ids of the classes, and statistics of the targets."""
        return TaskInfo(targets.names, list(categories))

    # pylint: disable-next=unused-argument  # kinds with positions use them
    def check(self, targets: Targets, places: Sequence[str]) -> list[Finding]:
        """Return what is odd about targets; by default nothing. ``places`` are the files or ids of the samples."""
        return []

    # Scores

    def can_be_scored(self, targets: Targets) -> bool:
        """Return whether a split has anything that a score can be computed from."""
        return any(self.has_content(targets))

    # pylint: disable-next=unused-argument  # kinds with large predictions use the target
    def reduce(self, prediction: Any, target: Callable[[], Any], names: Sequence[str]) -> Any:
        """Return what is needed of a prediction for scores and plots, by default all; ``target`` returns its target."""
        return prediction

    @abstractmethod
    def score(self, targets: Targets, predictions: Mapping[str, Any]) -> dict[str, float]:
        """Compute :attr:`scores` by name, of all samples of a split with their reduced predictions by sample id."""

    @abstractmethod
    def dummy(self, train: Targets, targets: Targets) -> float:
        """Return the main score of the dummy baseline, which is fitted to the training targets and sees no input."""

    @abstractmethod
    def report(
        self, targets: Targets, predictions: Mapping[str, Any], train: Targets, source: str = "in training"
    ) -> dict[str, Any]:
        """Return the entries of a task for ``results.json``: scores, intervals, the dummy baseline, mistakes.

        Required are ``metric`` (title of the main score), ``score``, ``interval``, ``level``, ``protocol``, ``classes``
        and ``dummy_baseline`` (``{"name", "score"}``).

        Args:
            targets: all samples of the split.
            predictions: reduced predictions by sample id.
            train: the training targets; those of another split where the training data is not available.
            source: where ``train`` comes from, for the name of the dummy baseline.
        """

    # Files

    @abstractmethod
    def save(self, path: Path, targets: Targets, predictions: Mapping[str, Any]) -> None:
        """Write reduced predictions and their targets as ``.npz`` (:mod:`polyhead.metrics.store`)."""

    @abstractmethod
    def load(self, path: Path, task: str) -> Tested:
        """Read what :meth:`save` wrote.

        Raises:
            PolyheadError: when a file does not exist or is damaged.
        """

    # One prediction, for people

    @abstractmethod
    def describe(self, prediction: Any, names: Sequence[str]) -> str:
        """Return a prediction as a short text."""

    @abstractmethod
    def marks(
        self, prediction: Any, names: Sequence[str], title: str = "", first: int = 0, by_class: bool = True
    ) -> Marks:
        """Return what to draw for a prediction.

        Args:
            prediction: a prediction in the space of the original sample.
            names: class names, or names of the predicted numbers.
            title: the task, for the legend.
            first: index of the first color to use.
            by_class: give each class a color of its own.
        """

    @abstractmethod
    def target_marks(self, target: Any, names: Sequence[str]) -> Marks:
        """Return what to draw for a target."""

    def colors(self, names: Sequence[str]) -> int:
        """Return how many colors :meth:`marks` uses where each class has none of its own."""
        del names
        return 1

    # pylint: disable-next=unused-argument  # detectors use the indices
    def take(self, prediction: Any, index: Any) -> Any:
        """Return the objects of a prediction with these indices; by default all of it."""
        return prediction

    # pylint: disable-next=unused-argument  # other kinds use them
    def save_prediction(self, prediction: Any, names: Sequence[str], path: Path) -> Path | None:
        """Write what neither a table nor JSON can hold, next to ``path``; return the file, by default None."""
        return None

    def to_supervision(self, prediction: Any, names: Sequence[str]) -> Any:
        """Convert a prediction to the classes of the library supervision; by default, it has none and this raises."""
        del prediction, names
        raise PolyheadError(f"supervision has no class for predictions of {self.title}. Use to_json or to_df.")

    # Texts and plots

    def facts(self, numbers: Mapping[str, Any]) -> list[str]:
        """Return sentences of the verdict about the mistakes that a report (:meth:`report`) shows."""
        del numbers
        return []

    # pylint: disable-next=unused-argument  # other kinds use them
    def plot_data(self, targets: Targets, task: str, path: Path) -> Path | None:
        """Plot statistics of the training targets; return the file, or None where there is nothing to plot."""
        return None

    # pylint: disable-next=unused-argument  # as above
    def plot_results(self, tested: Tested, subject: str, file: Callable[[str], Path]) -> list[Path]:
        """Plot a test into ``file(PLOT)``; return the files. ``subject`` is the run, task, split and n, for titles."""
        return []
