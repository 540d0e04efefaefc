"""Any module is a backbone."""

import pytest
import torch
from torch import nn

from polyhead.errors import PolyheadError
from polyhead.nets.backbones.plain import Plain
from polyhead.types import InputSpec

VALUES = InputSpec("tensor", info={"shape": [1, 64], "dtype": "torch.float32"})


def test_channels_and_strides_are_those_of_the_output() -> None:
    image = Plain(nn.Conv2d(3, 8, 3, stride=4, padding=1), InputSpec(size=(32, 48)))
    assert (image.channels, image.strides) == ([8], [4])
    pyramid = image(torch.full((2, 3, 32, 48), 255, dtype=torch.uint8))
    assert pyramid.canvas == (32, 48)
    assert torch.equal(pyramid.levels[0], image.net(torch.ones(2, 3, 32, 48)))
    series = Plain(nn.Conv1d(1, 5, 3, stride=2, padding=1), VALUES)
    assert (series.channels, series.strides) == ([5], [2])
    assert series(torch.zeros(3, 1, 64)).canvas is None
    flat = Plain(nn.Sequential(nn.Flatten(), nn.Linear(64, 7)), VALUES)
    assert (flat.channels, flat.strides) == ([7], [1])


def test_building_changes_no_statistics_and_no_mode() -> None:
    net = nn.Sequential(nn.Conv1d(1, 4, 3, padding=1), nn.BatchNorm1d(4)).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    Plain(net, VALUES)
    assert net.training
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in before.items())


@pytest.mark.parametrize(
    ("module", "spec", "message"),
    [
        (nn.Linear(3, 4), VALUES, r"backbone Linear: it does not take a batch of inputs \[1, 1, 64\]"),
        (nn.Unflatten(2, (4, 4, 2, 2)), VALUES, r"expected features \[b, c\], \[b, c, t\] or \[b, c, h, w\]"),
        (nn.Identity(), InputSpec("words"), r"cannot be a backbone for inputs of 'words'\. Derive it from"),
    ],
)
def test_what_cannot_be_a_backbone_is_refused(module: nn.Module, spec: InputSpec, message: str) -> None:
    with pytest.raises(PolyheadError, match=message):
        Plain(module, spec)
