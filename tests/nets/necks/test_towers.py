import torch

from polyhead.nets.heads.decoupled import DecoupledTower, OutputTower
from polyhead.nets.necks.towers import Towers
from polyhead.types import Pyramid, PyramidSpec

SPEC = PyramidSpec([8, 16, 24], [8, 16, 32])
WIDTH = 4


def pyramid() -> Pyramid:
    levels = [torch.rand(2, width, 64 // stride, 64 // stride) for width, stride in zip(*SPEC, strict=True)]
    return Pyramid(levels, (64, 64))


def test_each_level_has_the_features_of_classes_and_boxes_and_the_level_itself() -> None:
    neck = Towers(SPEC, width=WIDTH).eval()
    assert neck.channels == [16, 24, 32]
    assert neck.strides == SPEC.strides
    given = pyramid()
    result = neck(given)
    assert result.canvas == given.canvas
    for (classes, boxes), level, joined in zip(
        neck.layers.features(given.levels), given.levels, result.levels, strict=True
    ):
        assert torch.equal(joined, torch.cat([classes, boxes, level], dim=1))


def test_neck_and_outputs_compute_what_the_whole_tower_computes() -> None:
    torch.manual_seed(0)
    whole = DecoupledTower(SPEC.channels, [1, 1, 1], 3, width=WIDTH).eval()
    neck = Towers(SPEC, width=WIDTH).eval()
    outputs = OutputTower(neck.channels, [1, 1, 1], 3, width=WIDTH)
    state = whole.state_dict()
    own = {name: state.pop(name) for name in outputs.state_dict()}
    outputs.load_state_dict(own)
    neck.layers.load_state_dict(state)
    given = pyramid()
    for one, other in zip(whole(given.levels), outputs(neck(given).levels), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)
