"""Kinds whose scores are functions of sums over the samples, such as accuracy, mean IoU or a mean error.

Every score, its interval and every comparison come from a few numbers of each sample, which can be summed over any
resample. Average precision is no such score: it ranks the predictions of all samples together.

Shapes: ``n`` samples, ``b`` resamples (row 0 is the full sample), ``k`` statistics of a sample.
"""

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from polyhead.contracts.kind import Kind, Targets, Tested
from polyhead.contracts.score import Bootstrap, Counts
from polyhead.errors import PolyheadError
from polyhead.metrics.intervals import LEVEL, Interval, bootstrap_weights, percentile_interval


class TestedStatistics(Tested):
    """The statistics of each sample of a test.

    Args:
        kind: the kind of the task.
        task: task name.
        names: class names, or names of the predicted numbers.
        ids: ids of the samples.
        statistics: the numbers that scores are computed from.
        targets: what must be equal for two tests to be compared.
    """

    __test__ = False  # not a test case of pytest
    kind: "StatisticsKind"

    def __init__(
        self,
        kind: "StatisticsKind",
        task: str,
        names: Sequence[str],
        ids: Sequence[str],
        statistics: Float[np.ndarray, "n k"],
        targets: np.ndarray,
    ) -> None:
        self.kind, self.task, self.names, self.ids = kind, task, list(names), list(ids)
        self.statistics, self.targets = statistics, targets

    def counts(self) -> Counts:
        """Return how much was tested."""
        return self.kind.count(self.statistics.sum(axis=0), len(self.ids))

    def bootstrap(self, reference: Tested) -> Bootstrap:
        """Prepare scoring on resamples of the samples, which are in the order of the reference."""
        index_of = {sample_id: index for index, sample_id in enumerate(self.ids)}
        statistics = self.statistics[[index_of[sample_id] for sample_id in reference.ids]]
        return lambda score, weights: self.kind.measure(score, weights @ statistics)

    def join(self, others: Sequence[Tested]) -> "TestedStatistics":
        """Concatenate the tests of one task on different samples (the folds of a cross-validation).

        Raises:
            PolyheadError: when a sample is in two of them, or they have different classes or tasks.
        """
        folds = [self, *(other for other in others if isinstance(other, TestedStatistics))]
        if len({fold.task for fold in folds}) > 1:
            tasks = ", ".join(dict.fromkeys(f"{fold.task} ({fold.kind.title})" for fold in folds))
            raise PolyheadError(
                f"tasks of these kinds cannot be pooled: {tasks}. Choose one with --task NAME (in a study: tables: "
                "tasks)."
            )
        ids = [sample_id for fold in folds for sample_id in fold.ids]
        duplicates = [sample_id for sample_id, count in Counter(ids).items() if count > 1]
        if duplicates:
            raise PolyheadError(
                f"image {duplicates[0]!r} of task {self.task!r} was tested twice. Give runs that were tested on "
                "different folds of the task."
            )
        for fold in folds:
            if fold.names != self.names:
                raise PolyheadError(
                    f"folds of task {self.task!r} have different classes: {self.names} and {fold.names}"
                )
        statistics = np.concatenate([fold.statistics for fold in folds])
        targets = np.concatenate([fold.targets for fold in folds])
        return TestedStatistics(self.kind, self.task, self.names, ids, statistics, targets)

    def differences(self, other: Tested) -> list[str]:
        """Return the ids of the samples whose targets differ from those in ``other``."""
        assert isinstance(other, TestedStatistics)
        theirs = dict(zip(other.ids, other.targets, strict=True))
        pairs = zip(self.ids, self.targets, strict=True)
        return [each for each, target in pairs if not np.array_equal(target, theirs[each])]


class StatisticsKind(Kind):
    """A kind whose scores are functions of sums over the samples."""

    @abstractmethod
    def statistics(self, targets: Targets, predictions: Mapping[str, Any]) -> Float[np.ndarray, "n k"]:
        """Return the numbers of each sample that scores are computed from, in float64."""

    @abstractmethod
    def measure(self, score: str, sums: Float[np.ndarray, "b k"]) -> Float[np.ndarray, " b"]:
        """Compute a score of :attr:`scores` or :attr:`measures` from the sums of each resample."""

    def count(self, sums: Float[np.ndarray, " k"], samples: int) -> Counts:
        """Return how much was tested, from the sums of all samples; by default, each sample is one object."""
        del sums
        return Counts(samples, samples, 0)

    def score(self, targets: Targets, predictions: Mapping[str, Any]) -> dict[str, float]:
        """Compute the scores from the sums of all samples."""
        sums = self.statistics(targets, predictions).sum(axis=0, keepdims=True)  # [1, k]
        return {each.name: float(self.measure(each.name, sums)[0]) for each in self.scores}

    def intervals(self, statistics: Float[np.ndarray, "n k"], names: Sequence[str]) -> dict[str, Interval]:
        """Compute scores with their intervals: bootstrap over the samples (:mod:`polyhead.metrics.intervals`)."""
        sums = bootstrap_weights(len(statistics)) @ statistics  # [b, n] @ [n, k] -> [b, k]
        return {name: percentile_interval(self.measure(name, sums)) for name in names}

    def report(
        self, targets: Targets, predictions: Mapping[str, Any], train: Targets, source: str = "in training"
    ) -> dict[str, Any]:
        """Return the scores with their intervals, and the dummy baseline."""
        bounds = self.intervals(self.statistics(targets, predictions), [each.name for each in self.scores])
        main = bounds[self.main.name]
        return {
            "metric": self.main.title,
            "score": main.value,
            "interval": [main.low, main.high],
            "level": LEVEL,
            "protocol": f"{self.main.title} over all samples",
            "intervals": {name: list(value) for name, value in bounds.items()},
            "classes": {},
            "dummy_baseline": {"name": f"fitted to the targets {source}", "score": self.dummy(train, targets)},
        }

    @abstractmethod
    def save(self, path: Path, targets: Targets, predictions: Mapping[str, Any]) -> None:
        """Write the predictions and targets, or what scores are computed from."""
