import pytest
import torch

from polyhead.errors import SettingError
from polyhead.nets.necks.trunk import SharedStem
from polyhead.types import Pyramid, PyramidSpec


def test_a_residual_stem_adds_its_convolutions_to_each_level() -> None:
    plain, residual = (
        SharedStem(PyramidSpec([4, 6], [8, 16]), depth=2).eval(),
        SharedStem(PyramidSpec([4, 6], [8, 16]), depth=2, residual=True).eval(),
    )
    residual.load_state_dict(plain.state_dict())
    pyramid = Pyramid([torch.randn(2, 4, 8, 8), torch.randn(2, 6, 4, 4)], (64, 64))
    for level, made, added in zip(pyramid.levels, plain(pyramid).levels, residual(pyramid).levels, strict=True):
        torch.testing.assert_close(added, level + made)


def test_depth_must_be_positive() -> None:
    with pytest.raises(SettingError, match=r"^depth must be 1 or more, got 0$"):
        SharedStem(PyramidSpec([4], [8]), depth=0)
