import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torchvision.ops import box_iou

from polyhead.boxes.overlap import box_area, fraction_inside, intersection, pairwise_iou


def draw(seed: int, count: int, *, whole: bool = False) -> Tensor:
    """Return random boxes ``[2, count, 4]``; ``whole`` ones have whole coordinates, and some have no area."""
    generator = torch.Generator().manual_seed(seed)
    corner, sides = torch.rand(2, 2, count, 2, generator=generator) * torch.tensor([100.0, 3.0])[:, None, None, None]
    boxes = torch.cat([corner, corner + sides], -1)
    return boxes.floor() if whole else boxes * 10


@given(st.integers(0, 2**31), st.booleans())
def test_iou_is_bit_for_bit_that_of_torchvision_and_0_without_area(seed: int, whole: bool) -> None:
    boxes, others = draw(seed, 7, whole=whole), draw(seed + 1, 5, whole=whole)
    expected = box_iou(boxes[0], others[0]).nan_to_num(nan=0.0)  # torchvision divides 0 by 0
    assert torch.equal(pairwise_iou(boxes[0], others[0]), expected)
    assert torch.equal(pairwise_iou(boxes, boxes)[1], box_iou(boxes[1], boxes[1]).nan_to_num(nan=0.0))


@given(st.integers(0, 2**31))
def test_the_second_set_may_lack_the_leading_axes(seed: int) -> None:
    boxes, others = draw(seed, 7), draw(seed + 1, 5)[0]
    for function in (intersection, pairwise_iou, fraction_inside):
        both = function(boxes, others)
        assert both.shape == (2, 7, 5)
        assert torch.equal(both[1], function(boxes[1], others))


@given(st.integers(0, 2**31))
def test_the_intersection_of_whole_boxes_is_a_number_of_pixels(seed: int) -> None:
    boxes, others = draw(seed, 7, whole=True)[0], draw(seed + 1, 5, whole=True)[0]
    for i, (x1, y1, x2, y2) in enumerate(boxes.int().tolist()):
        cells = {(x, y) for x in range(x1, x2) for y in range(y1, y2)}
        assert box_area(boxes)[i] == len(cells)
        for j, (left, top, right, bottom) in enumerate(others.int().tolist()):
            shared = cells & {(x, y) for x in range(left, right) for y in range(top, bottom)}
            assert intersection(boxes, others)[i, j] == len(shared)


def test_the_fraction_is_of_the_second_set() -> None:
    crowd, inside, half = [0.0, 0, 10, 10], [2.0, 2, 4, 4], [8.0, 0, 12, 10]
    empty = [3.0, 3, 3, 3]
    assert fraction_inside(torch.tensor([crowd]), torch.tensor([inside, half, empty])).tolist() == [[1.0, 0.5, 0.0]]
    assert fraction_inside(torch.tensor([inside]), torch.tensor([crowd])).item() == torch.tensor(0.04).item()


def test_boxes_without_width_or_height_have_no_area() -> None:
    """Also those whose corners are swapped, as those of a box are that was cut to an area outside of it."""
    boxes = torch.tensor([[0.0, 0, 2, 3], [2, 0, 2, 3], [0, 3, 2, 3], [2, 3, 0, 0], [2, 0, 0, 3]])
    assert box_area(boxes).tolist() == [6, 0, 0, 0, 0]
    assert pairwise_iou(boxes, boxes).diagonal().tolist() == [1, 0, 0, 0, 0]
