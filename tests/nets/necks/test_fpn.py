import torch

from polyhead.nets.necks.fpn import Fpn
from polyhead.types import Pyramid, PyramidSpec


def test_coarse_levels_affect_fine_ones_but_not_vice_versa() -> None:
    neck = Fpn(PyramidSpec([4, 6, 8], [8, 16, 32]), width=10).eval()
    levels = [torch.randn(1, 4, 10, 10), torch.randn(1, 6, 5, 5), torch.randn(1, 8, 3, 3)]
    before = neck(Pyramid(levels, (75, 75))).levels
    coarse = neck(Pyramid([*levels[:2], levels[2] + 1], (75, 75))).levels
    fine = neck(Pyramid([levels[0] + 1, *levels[1:]], (75, 75))).levels
    assert [torch.equal(a, b) for a, b in zip(before, coarse, strict=True)] == [False, False, False]
    assert [torch.equal(a, b) for a, b in zip(before, fine, strict=True)] == [False, True, True]
