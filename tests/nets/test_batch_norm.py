from copy import deepcopy

import pytest
import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn

from polyhead.nets.batch_norm import allow_single_values

NORMS = {"2d": nn.BatchNorm2d, "1d": nn.BatchNorm1d, "timm": BatchNormAct2d}


def inputs(name: str, *shape: int) -> Tensor:
    return torch.randn(shape[:2] if name == "1d" else shape)


@pytest.mark.parametrize("name", NORMS)
def test_one_value_per_channel_is_normalized_as_in_evaluation(name: str) -> None:
    norm = NORMS[name](3)
    allow_single_values(norm)
    norm(inputs(name, 8, 3, 1, 1))
    before = deepcopy(norm.state_dict())
    single = inputs(name, 1, 3, 1, 1)
    in_training = norm(single)
    assert norm.training
    assert all(torch.equal(value, before[key]) for key, value in norm.state_dict().items())
    assert torch.equal(in_training, norm.eval()(single))


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("shape", [(2, 3, 1, 1), (5, 3, 4, 4)])
def test_other_inputs_are_normalized_as_before(name: str, shape: tuple[int, ...]) -> None:
    norm = NORMS[name](3)
    twin = deepcopy(norm)
    allow_single_values(norm)
    allow_single_values(norm)
    values = inputs(name, *shape)
    assert torch.equal(norm(values), twin(values))
    assert all(torch.equal(value, twin.state_dict()[key]) for key, value in norm.state_dict().items())
