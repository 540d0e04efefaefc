import pytest
import torch
from torch import nn

from polyhead.nets.necks.bifpn import Bifpn, WeightedFusion
from polyhead.types import Pyramid, PyramidSpec, Size


def features(shapes: list[Size], count: int = 1) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(count, 4 + 2 * i, *shape, generator=generator) for i, shape in enumerate(shapes)]


@pytest.mark.parametrize(
    ("shapes", "more"),
    [
        ([(40, 40), (20, 20), (10, 10)], [(5, 5), (3, 3)]),
        ([(64, 64), (32, 32), (16, 16)], [(8, 8), (4, 4)]),
        ([(63, 38), (31, 19), (15, 10)], [(8, 5), (4, 3)]),  # backbones that round some sides down
        ([(4, 3), (2, 2), (1, 1)], [(1, 1), (1, 1)]),
    ],
)
def test_levels_of_any_shape(shapes: list[Size], more: list[Size]) -> None:
    neck = Bifpn(PyramidSpec([4, 6, 8], [8, 16, 32]), width=10, repeats=2)
    out = neck(Pyramid(features(shapes, 2), (1, 1))).levels
    assert [tuple(level.shape) for level in out] == [(2, 10, *shape) for shape in shapes + more]
    assert neck.strides == [8, 16, 32, 64, 128]


def test_one_layer_connects_every_level_with_every_other() -> None:
    torch.manual_seed(0)
    neck = Bifpn(PyramidSpec([4, 6, 8], [8, 16, 32]), width=10, repeats=1).eval()
    levels = features([(12, 12), (6, 6), (3, 3)])
    before = neck(Pyramid(levels, (96, 96))).levels
    for changed in range(3):
        other = [level + (i == changed) for i, level in enumerate(levels)]
        after = neck(Pyramid(other, (96, 96))).levels
        assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_maps_are_weighted_and_those_of_negative_weight_are_left_out() -> None:
    fuse = WeightedFusion(4, 4, 3)
    fuse.after = nn.Sequential()
    maps = [torch.randn(1, 4, 5, 5) for _ in range(3)]
    torch.testing.assert_close(fuse(*maps), (maps[0] + maps[1] + maps[2]) / 3.0001)
    fuse.weights.data = torch.tensor([2.0, -5.0, 0.5])
    torch.testing.assert_close(fuse(*maps), (2 * maps[0] + 0.5 * maps[2]) / 2.5001)


def test_each_node_of_the_first_layer_that_needs_it_has_its_own_lateral_convolution() -> None:
    neck = Bifpn(PyramidSpec([4, 10, 8], [8, 16, 32]), width=10, repeats=2)
    sides = {name for name, part in neck.named_modules() if "side" in name and isinstance(part, nn.Conv2d)}
    # down: strides 32 and 8 (16 has the right width already); up: stride 32
    assert sides == {"layers.0.down.1.side.0", "layers.0.down.3.side.0", "layers.0.up.1.side.0"}
