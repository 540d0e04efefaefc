"""Means over several processes equal those of one."""

from pathlib import Path

import pytest
import torch
from builders.half_batches import IMAGES, gradients, mean_gradients
from torch import Tensor
from torch.multiprocessing.spawn import spawn

from polyhead.engine.reduce import Totals, add_stats, loss_values, mean_stats
from polyhead.types import LossTerm


@pytest.mark.parametrize("count", [7, 16 / 3, torch.tensor(7)])
def test_in_one_process_a_value_is_the_weighted_mean_bit_for_bit(count: Tensor | float) -> None:
    total, weight = torch.tensor(0.7, requires_grad=True), 0.3
    value = loss_values({"a": {"box": LossTerm(total, count, weight)}})["a"]["box"]
    assert torch.equal(value, weight * (total / count))
    (gradient,) = torch.autograd.grad(value, total)
    assert float(gradient) == pytest.approx(weight / float(count))


@pytest.mark.parametrize("count", [0, 0.3, torch.tensor(0), torch.tensor(0.3)])
def test_a_count_below_1_counts_as_1(count: Tensor | float) -> None:
    values = loss_values({"a": {"box": LossTerm(torch.tensor(0.5), count)}})
    assert values == {"a": {"box": torch.tensor(0.5)}}


def test_values_are_in_the_order_of_the_terms() -> None:
    """The order of a sum changes its last bits."""
    terms = {task: {name: LossTerm(torch.ones(()), 1) for name in "zab"} for task in ("det", "cls")}
    assert {task: list(named) for task, named in loss_values(terms).items()} == {"det": [*"zab"], "cls": [*"zab"]}


def test_the_mean_of_a_statistic_is_weighted_by_its_counts() -> None:
    totals: Totals = {}
    for total, count in ((3, 4), (torch.tensor(1), torch.tensor(1)), (0, 0)):
        add_stats(totals, "det", {"recall": (torch.as_tensor(total), count), "none": (torch.zeros(()), 0)})
    assert mean_stats(totals) == {"det/recall": 4 / 5}


@pytest.mark.slow
def test_the_mean_gradient_of_two_processes_is_that_of_one_with_all_images(tmp_path: Path) -> None:
    """The images of the second process have no object, and few pixels that count."""
    spawn(mean_gradients, (tmp_path,), nprocs=2)  # type: ignore[no-untyped-call]  # torch has no types here
    found = torch.load(tmp_path / "gradients.pt", weights_only=True)
    expected = gradients(slice(None))
    halves = [gradients(slice(0, IMAGES // 2)), gradients(slice(IMAGES // 2, None))]
    alone = [(first + second) / 2 for first, second in zip(*halves, strict=True)]
    assert distance(found, expected) < 1e-6
    assert distance(alone, expected) > 1e-2, "the counts of the halves are too similar for a test"


def distance(found: list[Tensor], expected: list[Tensor]) -> float:
    """Return the norm of the difference of two gradients, relative to that of the expected one."""
    one, other = (torch.cat([each.flatten() for each in tensors]) for tensors in (found, expected))
    return float((one - other).norm() / other.norm())
