import pytest
import torch

from polyhead.nets.necks.ssd_extras import SsdExtras
from polyhead.types import Pyramid, PyramidSpec


@pytest.mark.parametrize(
    ("size", "sides"),
    [
        (300, [38, 19, 10, 5, 3, 2, 1]),
        (320, [40, 20, 10, 5, 3, 2, 1]),
        (512, [64, 32, 16, 8, 4, 2, 1]),
        (32, [4, 2, 1]),
    ],
)
def test_the_last_level_has_a_single_cell(size: int, sides: list[int]) -> None:
    neck = SsdExtras(PyramidSpec([4, 6, 8], [8, 16, 32]), size=(size, size), width=10)
    levels = [torch.randn(2, width, side, side) for width, side in zip([4, 6, 8], sides[:3], strict=True)]
    out = neck(Pyramid(levels, (size, size)))
    assert [level.shape[-1] for level in out.levels] == sides
    assert neck.strides == [8 * 2**i for i in range(len(sides))]
