"""A kind of task that predicts a number; its main score, the mean absolute error, is better when lower."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from polyhead.contracts.explained import Mistake
from polyhead.contracts.kind import Targets
from polyhead.contracts.operating import Conf
from polyhead.contracts.score import Columns, Score
from polyhead.kinds.statistics import StatisticsKind, TestedStatistics
from polyhead.metrics import store
from polyhead.types import Marks, ShownClass, Size

MAE = Score("mae", "MAE", best=0.0)


class Values(NamedTuple):
    """Predicted numbers of one sample."""

    values: Float[Tensor, " k"]


class Number(NamedTuple):
    """The number of one sample."""

    value: Float[Tensor, ""]


class MeanError(StatisticsKind):
    """Predicts one number; everything that a kind need not define is left as it is."""

    title = "regression"
    annotations = "a number"
    target = Number
    prediction = Values
    scores = (MAE, Score("bias", "bias", best=0.0))
    measures = scores

    def example(self, names: Sequence[str], size: Size) -> Number:
        return Number(torch.tensor(0.5))

    def gather(self, targets: Mapping[str, Number], names: Sequence[str]) -> dict[str, float]:
        return {sample_id: float(target.value) for sample_id, target in targets.items()}

    def shown(self, targets: Targets) -> list[set[ShownClass]]:
        return [{("value", int(value))} for value in targets.gathered.values()]

    def statistics(self, targets: Targets, predictions: Mapping[str, Values]) -> Float[np.ndarray, "n k"]:
        """Return the error, its absolute value and 1 for each sample."""
        return _errors(
            [predictions[sample_id].values[0] - value for sample_id, value in targets.gathered.items()],
        )

    def measure(self, score: str, sums: Float[np.ndarray, "b k"]) -> Float[np.ndarray, " b"]:
        mean: np.ndarray = sums[:, {"bias": 0, "mae": 1}[score]] / sums[:, 2]
        return mean

    def dummy(self, train: Targets, targets: Targets) -> float:
        mean = np.mean([*train.gathered.values()])
        return float(np.mean([abs(value - mean) for value in targets.gathered.values()]))

    def save(self, path: Path, targets: Targets, predictions: Mapping[str, Values]) -> None:
        columns = {
            "values": np.array([float(predictions[sample_id].values[0]) for sample_id in targets.ids]),
            "numbers": np.array([targets.gathered[sample_id] for sample_id in targets.ids]),
        }
        store.write(path, self.name, targets.names, targets.ids, **columns)

    def load(self, path: Path, task: str) -> TestedStatistics:
        table = store.read(path, {"values": ("f", ()), "numbers": ("f", ())})
        statistics = _errors(table["values"] - table["numbers"])
        return TestedStatistics(
            self, task, table["names"].tolist(), table["ids"].tolist(), statistics, table["numbers"]
        )

    def columns(self, prediction: Values) -> Columns:
        return Columns(prediction.values.numpy(), np.zeros(1, dtype=np.int64))

    def describe(self, prediction: Values, names: Sequence[str]) -> str:
        return f"{names[0]} {float(prediction.values[0]):.2f}"

    def marks(
        self, prediction: Values, names: Sequence[str], title: str = "", first: int = 0, by_class: bool = True
    ) -> Marks:
        return Marks(title, notes=[self.describe(prediction, names)])

    def mistakes(self, target: Number, prediction: Values, names: Sequence[str], conf: Conf) -> list[Mistake]:
        error = float(prediction.values[0] - target.value)
        kind = "too high" if error > 0 else "too low"
        return [Mistake(kind, f"{names[0]} is {kind}", abs(error) / (1 + abs(error)), 0)] if error else []

    def target_marks(self, target: Number, names: Sequence[str]) -> Marks:
        return Marks(notes=[f"{names[0]} {float(target.value):.2f}"])


def _errors(differences: Sequence[float] | Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 3"]:
    error = np.array(differences, dtype=np.float64)
    return np.stack([error, np.abs(error), np.ones_like(error)], axis=1)
