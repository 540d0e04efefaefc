import math
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.errors import PolyheadError
from polyhead.metrics.labels import calibration_error, labels
from polyhead.types import ClassLabel, Labels

NAMES = ["cat", "dog", "cow", "hen"]


def targets_of(**classes: int) -> dict[str, ClassLabel]:
    return {name: ClassLabel(torch.tensor(label)) for name, label in classes.items()}


def predicted(label: int) -> Labels:
    return Labels(torch.nn.functional.one_hot(torch.tensor(label), 4).float())


def test_scores_by_hand() -> None:
    targets = targets_of(a=0, b=0, c=1, d=2)
    own = labels(targets, {"a": predicted(0), "b": predicted(1), "c": predicted(1), "d": predicted(3)}, NAMES)
    assert own.accuracy == 0.5
    assert own.f1["cat"] == own.f1["dog"] == pytest.approx(2 / 3)
    assert own.f1["cow"] == 0.0
    assert math.isnan(own.f1["hen"])
    assert own.macro_f1 == pytest.approx(4 / 9)
    assert own.images == {"cat": 2, "dog": 1, "cow": 1, "hen": 0}


def test_confusion_by_hand() -> None:
    targets = targets_of(a=0, b=0, c=1, d=2)
    own = labels(targets, {"a": predicted(0), "b": predicted(1), "c": predicted(1), "d": predicted(3)}, NAMES)
    assert own.confusion.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert math.isnan(own.top5)
    assert own.calibration == 0.5  # full confidence everywhere, correct in half of the images


@settings(deadline=None)
@given(st.lists(st.floats(0, 1, width=32), min_size=1), st.randoms(use_true_random=False))
def test_calibration_error_is_the_mean_distance_of_the_bins(confidence: list[float], dice: Random) -> None:
    correct = [dice.random() < 0.5 for _ in confidence]
    expected = 0.0
    for bin_index in range(15):
        inside = [
            (value, hit)
            for value, hit in zip(confidence, correct, strict=True)
            if bin_index / 15 <= value < (bin_index + 1) / 15 or (bin_index == 14 and value == 1)
        ]
        expected += abs(sum(value - hit for value, hit in inside)) / len(confidence)
    found = calibration_error(np.array(confidence), np.array(correct))
    assert found == pytest.approx(expected, abs=1e-9)
    assert 0 <= found <= 1


@pytest.mark.parametrize("classes", [6, 11])
def test_top5_and_calibration_are_equal_to_torchmetrics(classes: int) -> None:
    from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error

    generator = torch.Generator().manual_seed(classes)
    scores = (3 * torch.randn(80, classes, generator=generator)).softmax(1)
    target = torch.randint(classes, (80,), generator=generator)
    own = labels(
        {str(index): ClassLabel(label) for index, label in enumerate(target)},
        {str(index): Labels(row) for index, row in enumerate(scores)},
        [str(label) for label in range(classes)],
    )
    five = multiclass_accuracy(scores, target, classes, average="micro", top_k=5)
    assert own.top5 == pytest.approx(float(five), abs=1e-6)
    assert own.calibration == pytest.approx(float(multiclass_calibration_error(scores, target, classes)), abs=1e-6)
    assert own.confusion.sum() == 80


def test_equal_to_torchmetrics() -> None:
    from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score

    generator = torch.Generator().manual_seed(0)
    scores, target = torch.rand(60, 4, generator=generator), torch.randint(4, (60,), generator=generator)
    own = labels(
        {str(index): ClassLabel(label) for index, label in enumerate(target)},
        {str(index): Labels(row) for index, row in enumerate(scores)},
        NAMES,
    )
    assert own.accuracy == pytest.approx(float(multiclass_accuracy(scores, target, 4, average="micro")))
    assert own.macro_f1 == pytest.approx(float(multiclass_f1_score(scores, target, 4, average="macro")))


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ({}, "the split has no images"),
        (targets_of(b=0), "image 'b' has no prediction"),
    ],
)
def test_invalid_input_is_named(targets: dict[str, ClassLabel], message: str) -> None:
    with pytest.raises(PolyheadError, match=message):
        labels(targets, {"a": predicted(0)}, NAMES)


def test_probabilities_that_are_not_finite_are_refused() -> None:
    """The largest of them would be the first class."""
    found = {"a": predicted(0), "b": Labels(torch.tensor([0.1, math.nan, 0.2, 0.3]))}
    with pytest.raises(PolyheadError, match=r"'b' has a score that is not finite\. The training has diverged"):
        labels(targets_of(a=0, b=1), found, NAMES)
