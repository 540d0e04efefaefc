"""Mistakes in a head of one's own are named, with what was expected."""

from typing import Any

import pytest
import torch
from torch import Tensor

from polyhead.contracts.network import Head
from polyhead.errors import PolyheadError
from polyhead.kinds import kind_of
from polyhead.nets.checked import decoded, losses_of, stats_of
from polyhead.types import Batch, Labels, LossTerm, Meta, Pyramid

BATCH = Batch(torch.zeros(2, 1), None, [Meta("a"), Meta("b")])
RAW = torch.tensor([[0.2, 0.8], [0.6, 0.4]])
TERM = LossTerm(RAW.sum(), 2)


class Given(Head):
    """Returns what it is given, whatever it is asked for."""

    kind = "classification"

    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result

    def forward(self, pyramid: Pyramid) -> Tensor:
        return pyramid.levels[0]

    def losses(self, raw: Any, batch: Batch, progress: float = 0.0) -> Any:
        return self.result

    def stats(self, raw: Any, batch: Batch) -> Any:
        return self.result

    def decode(self, raw: Any) -> Any:
        return self.result


def test_what_fits_the_contract_is_returned() -> None:
    assert losses_of(Given({"class": TERM}), RAW, BATCH, 0.0, ["accuracy"]) == {"class": TERM}
    assert stats_of(Given({"hits": (RAW.sum(), 2)}), RAW, BATCH).keys() == {"hits"}
    assert stats_of(Given({}), RAW, BATCH) == {}
    assert len(decoded(Given([Labels(row) for row in RAW]), RAW, kind_of("classification"), BATCH)) == 2


@pytest.mark.parametrize(
    ("found", "got"),
    [
        (RAW.sum(), "Tensor []"),
        ({}, "{}"),
        ({"class": RAW.sum()}, "{'class': Tensor []}"),
        ({"class": (RAW.sum(), 2)}, "{'class': tuple}"),
        ({"class": LossTerm(RAW.sum(1), 2)}, "{'class': LossTerm(Tensor [2], ...)}"),
    ],
)
def test_losses_are_terms_by_name(found: Any, got: str) -> None:
    with pytest.raises(PolyheadError) as caught:
        losses_of(Given(found), RAW, BATCH, 0.0, [])
    assert str(caught.value) == (
        "Given.losses: expected {name: LossTerm(sum, count)}, where each sum is a scalar tensor, got "
        f"{got}. See docs/own_parts.md."
    )


def test_a_loss_has_not_the_name_of_a_score() -> None:
    with pytest.raises(PolyheadError, match=r"Given\.losses: 'accuracy' is the name of a score\. Rename the loss\."):
        losses_of(Given({"accuracy": TERM}), RAW, BATCH, 0.0, ["accuracy"])


def test_stats_are_pairs() -> None:
    with pytest.raises(
        PolyheadError, match=r"Given\.stats: expected {name: \(sum, count\)}, got {'hits': Tensor \[\]}"
    ):
        stats_of(Given({"hits": RAW.sum()}), RAW, BATCH)


@pytest.mark.parametrize(
    ("found", "got"), [(RAW, "Tensor [2, 2]"), ([Labels(RAW[0])], "1 of Labels"), ([*RAW], "2 of Tensor [2]")]
)
def test_there_is_one_prediction_for_each_sample(found: Any, got: str) -> None:
    with pytest.raises(PolyheadError) as caught:
        decoded(Given(found), RAW, kind_of("classification"), BATCH)
    expected = f"Given.decode: expected a list of 2 Labels, one for each sample, got {got}. See docs/own_parts.md."
    assert str(caught.value) == expected
