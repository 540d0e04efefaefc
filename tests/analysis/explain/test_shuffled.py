"""Networks with shuffled weights, and the rank correlation of maps."""

import numpy as np
import pytest
import torch
from builders.red_or_blue import predictor
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.analysis.explain.shuffled import VISIBLE, rank_correlation, shuffled


def test_the_values_of_each_tensor_are_in_another_order_and_the_model_is_unchanged() -> None:
    model = predictor().model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    everything, head = shuffled(model, "color", 0), shuffled(model, "color", 0, head_only=True)
    for name, value in before.items():
        assert torch.equal(model.state_dict()[name], value)
        assert torch.equal(everything.state_dict()[name].flatten().sort().values, value.flatten().sort().values)
        assert torch.equal(head.state_dict()[name], value) or name.startswith("heads.color.")
    assert not torch.equal(head.state_dict()["heads.color.linear.weight"], before["heads.color.linear.weight"])
    assert not torch.equal(everything.state_dict()["backbone.unused.weight"], before["backbone.unused.weight"])
    again = shuffled(model, "color", 0).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in everything.state_dict().items())


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_rank_correlation_is_that_of_the_mean_ranks(seed: int, levels: int) -> None:
    """Of maps with many equal values, against ranks that are counted one by one."""
    generator = np.random.default_rng(seed)
    one, other = (generator.integers(1, levels + 2, 30) / (levels + 1) for _ in range(2))

    def ranks(values: np.ndarray) -> np.ndarray:
        return np.array([(values < value).sum() + ((values == value).sum() + 1) / 2 for value in values])

    first, second = ranks(one), ranks(other)
    flat = first.std() == 0 or second.std() == 0
    expected = float((one == other).all()) if flat else np.corrcoef(first, second)[0, 1]
    assert abs(rank_correlation(torch.tensor(one), torch.tensor(other)) - expected) < 1e-9


def test_places_that_neither_map_shows_do_not_count() -> None:
    one, other = torch.zeros(100), torch.zeros(100)
    one[:4], other[:4] = torch.tensor([0.1, 0.4, 0.7, 1.0]), torch.tensor([1.0, 0.7, 0.4, 0.1])
    one[50:] = other[50:] = torch.linspace(0, VISIBLE, 50)
    assert rank_correlation(one, other) == pytest.approx(-1)
    assert rank_correlation(one, one) == pytest.approx(1)
    assert rank_correlation(torch.zeros(9), torch.ones(9)) == 0
    assert rank_correlation(torch.zeros(9), torch.zeros(9)) == 1  # the same map, whatever the weights
