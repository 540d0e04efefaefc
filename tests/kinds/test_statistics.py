"""Kinds whose scores are functions of sums, at the example of a mean error, which is better when lower."""

from pathlib import Path

import numpy as np
import pytest
import torch
from builders.error_kind import MeanError, Number, Values

from polyhead.contracts.kind import Targets
from polyhead.errors import PolyheadError
from polyhead.kinds.statistics import TestedStatistics

KIND = MeanError()


def targets_of(*numbers: float, first: int = 0) -> Targets:
    values = [Number(torch.tensor(number)) for number in numbers]
    return Targets(KIND, ["age"], [f"p{first + index}" for index in range(len(values))], values.__getitem__)


def predictions_of(*numbers: float, first: int = 0) -> dict[str, Values]:
    return {f"p{first + index}": Values(torch.tensor([number])) for index, number in enumerate(numbers)}


def make_tested(
    folder: Path, numbers: list[float], errors: list[float], first: int = 0, task: str = "age"
) -> TestedStatistics:
    path = folder / "a.npz"
    predicted = predictions_of(*(number + error for number, error in zip(numbers, errors, strict=True)), first=first)
    KIND.save(path, targets_of(*numbers, first=first), predicted)
    return KIND.load(path, task)


def test_scores_are_of_the_sums_of_all_samples() -> None:
    targets, found = targets_of(1.0, 2.0, 4.0, 8.0), predictions_of(2.0, 1.0, 4.0, 12.0)
    assert KIND.score(targets, found) == {"mae": 1.5, "bias": 1.0}


def test_the_report_has_intervals_and_the_dummy_baseline() -> None:
    targets = targets_of(*map(float, range(20)))
    report = KIND.report(targets, predictions_of(*(value + value % 3 for value in range(20))), targets_of(4.0, 6.0))
    assert (report["metric"], report["score"]) == ("MAE", pytest.approx(0.95))
    value, low, high = report["intervals"]["mae"]
    assert [low, high] == report["interval"]
    assert low < value == report["score"] < high
    assert report["dummy_baseline"] == {"name": "fitted to the targets in training", "score": 6.0}
    assert not report["classes"]


def test_a_resample_has_the_score_of_its_samples(tmp_path: Path) -> None:
    tested = make_tested(tmp_path, [1.0, 2.0, 3.0], [1.0, -2.0, 6.0])
    weights = np.array([[1, 1, 1], [2, 1, 0], [0, 0, 3]])
    measure = tested.bootstrap(tested)
    assert measure("mae", weights) == pytest.approx([3, 4 / 3, 6])
    assert measure("bias", weights) == pytest.approx([5 / 3, 0, 6])
    assert tested.counts() == (3, 3, 0, 0)


def test_folds_are_concatenated(tmp_path: Path) -> None:
    one = make_tested(tmp_path, [1.0, 2.0], [1.0, 1.0])
    two = make_tested(tmp_path, [3.0], [4.0], first=2)
    both = one.join([two])
    assert (both.task, both.ids, both.names) == ("age", ["p0", "p1", "p2"], ["age"])
    assert both.bootstrap(both)("mae", np.ones((1, 3), dtype=np.int64)) == pytest.approx([2])
    assert both.differences(both) == []


def test_folds_that_overlap_or_are_of_other_classes_or_tasks_are_refused(tmp_path: Path) -> None:
    one, two = make_tested(tmp_path, [1.0], [1.0]), make_tested(tmp_path, [1.0], [1.0], first=1)
    with pytest.raises(PolyheadError, match="image 'p0' of task 'age' was tested twice"):
        one.join([two, one])
    two.names = ["height"]
    with pytest.raises(PolyheadError, match=r"folds of task 'age' have different classes: \['age'\] and \['height'\]"):
        one.join([two])
    other = make_tested(tmp_path, [1.0], [1.0], first=1, task="height")
    with pytest.raises(
        PolyheadError, match=r"cannot be pooled: age \(regression\), height \(regression\)\. Choose one with --task"
    ):
        one.join([other])


def test_other_targets_are_differences_and_predictions_are_not(tmp_path: Path) -> None:
    one = make_tested(tmp_path, [1.0, 2.0, 3.0], [0.0, 0.0, 0.0])
    assert one.differences(make_tested(tmp_path, [1.0, 2.0, 3.0], [1.0, 2.0, 3.0])) == []
    assert one.differences(make_tested(tmp_path, [1.0, 5.0, 3.0], [0.0, 0.0, 0.0])) == ["p1"]
