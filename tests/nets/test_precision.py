from copy import deepcopy

import pytest
import torch
from torch import nn

from polyhead.nets.precision import spare_depthwise


@pytest.mark.parametrize(
    ("conv", "spared"),
    [
        (nn.Conv2d(8, 8, 3, stride=2, groups=8), True),
        (nn.Conv2d(8, 8, 5, groups=8), True),
        (nn.Conv2d(8, 8, 3, groups=8), False),
        (nn.Conv2d(8, 8, 5), False),
        (nn.Conv2d(1, 8, 5), False),
    ],
)
def test_only_slow_depthwise_convolutions_train_in_float32(conv: nn.Conv2d, spared: bool) -> None:
    inputs = torch.randn(1, conv.in_channels, 9, 9)
    expected = conv(inputs).detach()
    spare_depthwise(nn.Sequential(conv))
    with torch.autocast("cpu", torch.bfloat16):
        learning = conv(inputs)
        with torch.no_grad():
            using = conv(inputs)
    assert (learning.dtype is torch.float32) is spared
    assert using.dtype is torch.bfloat16
    if spared:
        assert torch.equal(learning, expected)


def test_a_copy_uses_its_own_weights() -> None:
    model = nn.Sequential(nn.Conv2d(8, 8, 5, groups=8))
    spare_depthwise(model)
    twin = deepcopy(model)
    for parameter in twin.parameters():
        nn.init.zeros_(parameter)
    assert not twin(torch.randn(1, 8, 9, 9)).any()
    assert model(torch.randn(1, 8, 9, 9)).any()
    assert list(model.state_dict()) == ["0.weight", "0.bias"]
