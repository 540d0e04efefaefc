import math
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.errors import PolyheadError
from polyhead.metrics.labels import calibration_error, labels
from polyhead.types import Annotation, Labels

NAMES = ["cat", "dog", "cow", "hen"]


def picture(name: str, label: int | None) -> Annotation:
    none = torch.zeros(0)
    value = None if label is None else torch.tensor(label)
    return Annotation(name, "", (9, 9), none.reshape(0, 4), none.long(), none.bool(), none, torch.ones(4).bool(), value)


def said(label: int) -> Labels:
    return Labels(torch.nn.functional.one_hot(torch.tensor(label), 4).float())


def test_scores_by_hand() -> None:
    truths = [picture("a", 0), picture("b", 0), picture("c", 1), picture("d", 2)]
    own = labels(truths, {"a": said(0), "b": said(1), "c": said(1), "d": said(3)}, NAMES)
    assert own.accuracy == 0.5
    assert own.f1["cat"] == own.f1["dog"] == pytest.approx(2 / 3)
    assert own.f1["cow"] == 0.0
    assert math.isnan(own.f1["hen"])
    assert own.macro_f1 == pytest.approx(4 / 9)
    assert own.pictures == {"cat": 2, "dog": 1, "cow": 1, "hen": 0}


def test_confusion_by_hand() -> None:
    truths = [picture("a", 0), picture("b", 0), picture("c", 1), picture("d", 2)]
    own = labels(truths, {"a": said(0), "b": said(1), "c": said(1), "d": said(3)}, NAMES)
    assert own.confusion.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert math.isnan(own.top5)
    assert own.calibration == 0.5  # sure of everything, and right in half


@settings(deadline=None)
@given(st.lists(st.floats(0, 1, width=32), min_size=1), st.randoms(use_true_random=False))
def test_calibration_error_is_the_mean_distance_of_the_bins(confidence: list[float], dice: Random) -> None:
    right = [dice.random() < 0.5 for _ in confidence]
    wanted = 0.0
    for place in range(15):
        inside = [
            (share, hit)
            for share, hit in zip(confidence, right, strict=True)
            if place / 15 <= share < (place + 1) / 15 or (place == 14 and share == 1)
        ]
        wanted += abs(sum(share - hit for share, hit in inside)) / len(confidence)
    found = calibration_error(np.array(confidence), np.array(right))
    assert found == pytest.approx(wanted, abs=1e-9)
    assert 0 <= found <= 1


@pytest.mark.parametrize("classes", [6, 11])
def test_top5_and_calibration_are_equal_to_torchmetrics(classes: int) -> None:
    from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error

    generator = torch.Generator().manual_seed(classes)
    scores = (3 * torch.randn(80, classes, generator=generator)).softmax(1)
    true = torch.randint(classes, (80,), generator=generator)
    own = labels(
        [picture(str(index), int(label)) for index, label in enumerate(true)],
        {str(index): Labels(row) for index, row in enumerate(scores)},
        [str(label) for label in range(classes)],
    )
    five = multiclass_accuracy(scores, true, classes, average="micro", top_k=5)
    assert own.top5 == pytest.approx(float(five), abs=1e-6)
    assert own.calibration == pytest.approx(float(multiclass_calibration_error(scores, true, classes)), abs=1e-6)
    assert own.confusion.sum() == 80


def test_equal_to_torchmetrics() -> None:
    from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score

    generator = torch.Generator().manual_seed(0)
    scores, true = torch.rand(60, 4, generator=generator), torch.randint(4, (60,), generator=generator)
    own = labels(
        [picture(str(index), int(label)) for index, label in enumerate(true)],
        {str(index): Labels(row) for index, row in enumerate(scores)},
        NAMES,
    )
    assert own.accuracy == pytest.approx(float(multiclass_accuracy(scores, true, 4, average="micro")))
    assert own.macro_f1 == pytest.approx(float(multiclass_f1_score(scores, true, 4, average="macro")))


@pytest.mark.parametrize(
    ("truths", "message"),
    [
        ([], "the truth has no picture"),
        ([picture("a", None)], "picture 'a' has no class"),
        ([picture("b", 0)], "picture 'b' has no prediction"),
    ],
)
def test_what_cannot_be_measured_is_named(truths: list[Annotation], message: str) -> None:
    with pytest.raises(PolyheadError, match=message):
        labels(truths, {"a": said(0)}, NAMES)
