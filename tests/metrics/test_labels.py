import math

import pytest
import torch

from polyhead.errors import PolyheadError
from polyhead.metrics.labels import labels
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
