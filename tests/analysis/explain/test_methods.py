"""Class activation maps, against formulas written another way, and on maps whose answer is known."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from polyhead.analysis.explain.methods import METHODS, grad_cam_pp, method_of, normalized
from polyhead.errors import PolyheadError


def maps(seed: int, *cells: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(5, *cells, generator=generator), torch.randn(5, *cells, generator=generator)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_the_weighted_methods_equal_sums_over_channels_and_cells(seed: int) -> None:
    activation, gradient = maps(seed, 3, 4)
    expected = {name: torch.zeros(3, 4) for name in ("gradcam", "layercam", "hirescam")}
    for channel in range(5):
        mean = gradient[channel].sum() / 12
        for row in range(3):
            for column in range(4):
                here, slope = activation[channel, row, column], gradient[channel, row, column]
                expected["gradcam"][row, column] += mean * here
                expected["layercam"][row, column] += max(slope, torch.tensor(0.0)) * here
                expected["hirescam"][row, column] += slope * here
    for name, values in expected.items():
        torch.testing.assert_close(METHODS[name](activation, gradient), values.clamp(min=0), atol=1e-5, rtol=1e-4)


def test_grad_cam_pp_weighs_a_small_object_like_a_large_one() -> None:
    """Both channels fire with a gradient of 1 where they are active; the first at one cell, the second at eight."""
    activation, gradient = torch.zeros(2, 4, 4), torch.zeros(2, 4, 4)
    activation[0, 0, 0] = gradient[0, 0, 0] = 1
    activation[1, 2:] = gradient[1, 2:] = 1
    found = grad_cam_pp(activation, gradient)
    plain = METHODS["gradcam"](activation, gradient)
    assert plain[0, 0] < plain[3, 0] / 7
    assert found[0, 0] > found[3, 0] / 3


def test_eigen_cam_does_not_depend_on_what_is_explained() -> None:
    activation, gradient = maps(0, 3, 4)
    assert torch.equal(METHODS["eigencam"](activation, gradient), METHODS["eigencam"](activation, -gradient))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("cells", [(3, 4), (7,)])
def test_maps_have_a_value_for_each_cell_and_none_is_negative(name: str, cells: tuple[int, ...]) -> None:
    activation, gradient = maps(1, *cells)
    values = METHODS[name](activation, gradient)
    assert values.shape == cells
    assert values.min() >= 0
    assert METHODS[name](torch.zeros(5, *cells), torch.zeros(5, *cells)).abs().max() == 0


def test_a_map_is_divided_by_its_largest_value() -> None:
    assert normalized(torch.tensor([0.0, 2.0, 4.0])).tolist() == [0.0, 0.5, 1.0]
    assert normalized(torch.zeros(3)).tolist() == [0.0, 0.0, 0.0]


def test_an_unknown_method_names_the_nearest_one() -> None:
    with pytest.raises(
        PolyheadError, match=r"method: there is no method 'gradcma'; did you mean 'gradcam'\?\. Choose "
    ):
        method_of("gradcma")
