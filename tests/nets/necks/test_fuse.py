import pytest
import torch

from polyhead.errors import SettingError
from polyhead.nets.necks.fuse import Fuse
from polyhead.types import Pyramid, PyramidSpec


def test_a_shortcut_does_not_change_the_initial_network() -> None:
    made = []
    for shortcut in (False, True):
        torch.manual_seed(0)
        fuse = Fuse(PyramidSpec([4, 6], [16, 32]), middle=8, width=5, shortcut=shortcut).eval()
        after = torch.rand(1)
        pyramid = Pyramid([torch.ones(2, 4, 8, 8), torch.ones(2, 6, 4, 4)], (128, 128))
        made.append((fuse(pyramid).levels[0], after))
    torch.testing.assert_close(made[0], made[1], rtol=0, atol=0)


def test_the_shortcut_adds_a_convolution_of_both_levels() -> None:
    fuse = Fuse(PyramidSpec([4, 6], [16, 32]), middle=8, width=5, shortcut=True).eval()
    pyramid = Pyramid([torch.randn(2, 4, 8, 8), torch.ones(2, 6, 4, 4)], (128, 128))
    before = fuse(pyramid).levels[0]
    assert fuse.shortcut is not None
    weight = next(fuse.shortcut.parameters())
    with torch.no_grad():
        weight[3, 2], weight[3, 7] = 1.0, 2.0  # of the fine level, and of the coarse one
    expected = torch.zeros_like(before)
    expected[:, 3] = pyramid.levels[0][:, 2] + 2.0
    torch.testing.assert_close(fuse(pyramid).levels[0] - before, expected)


@pytest.mark.parametrize(("middle", "width"), [(0, 8), (8, -3)])
def test_numbers_of_channels_must_be_positive(middle: int, width: int) -> None:
    with pytest.raises(SettingError, match=f"^middle and width must be 1 or more, got {middle} and {width}$"):
        Fuse(PyramidSpec([4, 6], [16, 32]), middle=middle, width=width)
