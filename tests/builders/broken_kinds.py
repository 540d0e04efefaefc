"""Kinds of tasks that break their contract, each in one place."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from builders.error_kind import MeanError, Number, Values
from jaxtyping import Float

from polyhead.contracts.explained import Mistake
from polyhead.contracts.kind import Targets
from polyhead.contracts.operating import Conf
from polyhead.contracts.score import Columns, Score
from polyhead.errors import PolyheadError
from polyhead.kinds.statistics import TestedStatistics
from polyhead.types import Marks, ShownClass, Size


class Rounded(MeanError):
    """Stores whole numbers."""

    def save_target(self, target: Number, folder: Path, name: str) -> dict[str, Any]:
        return {"value": round(float(target.value) / 2)}


class UnnamedFile(MeanError):
    """Writes a file that its entry does not name."""

    def save_target(self, target: Number, folder: Path, name: str) -> dict[str, Any]:
        (folder / f"{name}.txt").write_text("more")
        return super().save_target(target, folder, name)


class OtherExample(MeanError):
    """Has an example that is no target."""

    def example(self, names: Sequence[str], size: Size) -> Any:
        return Values(torch.zeros(1))


class OneScore(MeanError):
    """Computes only one of its scores."""

    def score(self, targets: Targets, predictions: Mapping[str, Any]) -> dict[str, float]:
        return {"mae": super().score(targets, predictions)["mae"]}


class OtherMeasure(MeanError):
    """Measures stored predictions in another way."""

    def load(self, path: Path, task: str) -> TestedStatistics:
        tested = super().load(path, task)
        tested.statistics = tested.statistics * np.array([2.0, 2.0, 1.0])
        return tested


class NotMeasured(MeanError):
    """Cannot measure one of its scores."""

    def measure(self, score: str, sums: Float[np.ndarray, "b k"]) -> Float[np.ndarray, " b"]:
        return super().measure(score, sums) if score == "mae" else np.full(len(sums), np.nan)


class OwnOrder(MeanError):
    """Ignores the order of the samples."""

    def load(self, path: Path, task: str) -> TestedStatistics:
        tested = super().load(path, task)
        tested.ids = sorted(tested.ids)
        return tested


class NoInterval(MeanError):
    """Reports a score without its interval."""

    def report(self, *given: Any, **settings: Any) -> dict[str, Any]:
        numbers = super().report(*given, **settings)
        return {key: value for key, value in numbers.items() if key != "interval"}


class OtherBest(MeanError):
    """Has a best score that no prediction reaches."""

    scores = (Score("mae", "MAE", best=-1.0), Score("bias", "bias", best=0.0))


class NoDummy(MeanError):
    """Has a dummy baseline that nothing can beat."""

    def dummy(self, train: Targets, targets: Targets) -> float:
        return 0.0


class ReadsEverything(MeanError):
    """Takes the files of other kinds for its own."""

    def load(self, path: Path, task: str) -> TestedStatistics:
        try:
            return super().load(path, task)
        except PolyheadError:
            return TestedStatistics(self, task, [], [], np.zeros((0, 3)), np.zeros(0))


class Untitled(MeanError):
    """Draws predictions without the title of the task."""

    def marks(
        self, prediction: Values, names: Sequence[str], title: str = "", first: int = 0, by_class: bool = True
    ) -> Marks:
        return Marks(notes=["1"])


class MoreScores(MeanError):
    """Has more scores than classes of a prediction."""

    def columns(self, prediction: Values) -> Columns:
        return Columns(np.zeros(2), np.zeros(1, dtype=np.int64))


class ShowsLess(MeanError):
    """Leaves out the classes of a sample."""

    def shown(self, targets: Targets) -> list[set[ShownClass]]:
        return super().shown(targets)[1:]


class AlwaysWrong(MeanError):
    """Finds a mistake in a perfect prediction."""

    def mistakes(self, target: Number, prediction: Values, names: Sequence[str], conf: Conf) -> list[Mistake]:
        return [Mistake("too high", "too high", 0.5, 0)]


class Unlimited(MeanError):
    """Has mistakes of a severity above 1."""

    def mistakes(self, target: Number, prediction: Values, names: Sequence[str], conf: Conf) -> list[Mistake]:
        return [each._replace(severity=3.5) for each in super().mistakes(target, prediction, names, conf)]


class NothingToExplain(MeanError):
    """Has mistakes with the number of nothing that is predicted."""

    def mistakes(self, target: Number, prediction: Values, names: Sequence[str], conf: Conf) -> list[Mistake]:
        return [each._replace(number=7) for each in super().mistakes(target, prediction, names, conf)]
