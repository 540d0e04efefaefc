import pytest
import torch
from builders.subclasses import concrete_subclasses
from torch import Tensor
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.image_list import ImageList

from polyhead import boxes as package
from polyhead.boxes.anchors import Anchors, Cells, DefaultBoxes, Priors, ScaledAnchors, cell_centers, cxcywh_to_xyxy
from polyhead.types import Size

CPU = torch.device("cpu")
SHAPES = [(38, 38), (19, 19), (10, 10), (5, 5), (3, 3), (1, 1)]
STRIDES = [8, 16, 32, 64, 100, 300]
RATIOS = [[2.0], [2.0, 3.0], [2.0, 3.0], [2.0, 3.0], [2.0], [2.0]]


def test_default_boxes_equal_those_of_torchvision_with_the_scales_of_the_paper() -> None:
    anchors = DefaultBoxes(RATIOS)
    scales = [0.075, 0.15, 0.3375, 0.525, 0.7125, 0.9, 1.0875]
    reference = DefaultBoxGenerator(RATIOS, scales=scales)
    images = ImageList(torch.zeros(1, 3, 300, 300), [(300, 300)])
    expected = reference(images, [torch.zeros(1, 8, *shape) for shape in SHAPES])[0]
    boxes, strides = anchors(SHAPES, STRIDES, (300, 300), CPU)
    assert boxes.shape[0] == 8732
    torch.testing.assert_close(cxcywh_to_xyxy(boxes), expected, atol=1e-3, rtol=0)
    assert strides[[0, -1]].tolist() == [8, 300]


def test_boxes_follow_the_shape_of_the_canvas() -> None:
    boxes, _ = DefaultBoxes([[2.0]])([(2, 4)], [50], (100, 200), CPU)
    centers = sorted({(float(x), float(y)) for x, y in boxes[:, :2]})
    assert centers == [(x, y) for x in (25, 75, 125, 175) for y in (25, 75)]
    assert boxes[0, 2] == 2 * boxes[0, 3]


@pytest.mark.parametrize("canvas", [(512, 512), (320, 511), (300, 640)])
def test_scaled_anchors_equal_those_of_efficientdet(canvas: tuple[int, int]) -> None:
    """The order is that of the paper's code: all shapes of one octave, then those of the next."""
    strides = [8, 16, 32, 64, 128]
    shapes = [(-(-canvas[0] // stride), -(-canvas[1] // stride)) for stride in strides]
    expected = []
    for rows, columns in shapes:
        high, wide = canvas[0] / rows, canvas[1] / columns
        for cell in range(rows * columns):
            for octave in (2**0, 2 ** (1 / 3), 2 ** (2 / 3)):
                for x, y in ((1.0, 1.0), (1.4, 0.7), (0.7, 1.4)):
                    center = (cell % columns + 0.5) * wide, (cell // columns + 0.5) * high
                    expected.append([*center, 4 * wide * octave * x, 4 * high * octave * y])
    boxes, steps = ScaledAnchors(5)(shapes, strides, canvas, CPU)
    torch.testing.assert_close(boxes, torch.tensor(expected), atol=1e-3, rtol=0)
    assert sorted(set(steps.tolist())) == strides
    assert canvas != (512, 512) or boxes.shape[0] == 49104


def test_scale_octaves_and_ratios_can_be_set() -> None:
    anchors = ScaledAnchors(1, scale=1.0, octaves=2, ratios=[(1.0, 2.0)])
    boxes, _ = anchors([(1, 1)], [10], (10, 10), CPU)
    torch.testing.assert_close(boxes, torch.tensor([[5.0, 5, 10, 20], [5, 5, 10 * 2**0.5, 20 * 2**0.5]]))
    assert anchors.per_cell == [2]


def test_cell_centers_are_ordered_row_by_row() -> None:
    assert cell_centers((2, 3)).tolist() == [[0.5, 0.5], [1.5, 0.5], [2.5, 0.5], [0.5, 1.5], [1.5, 1.5], [2.5, 1.5]]


@pytest.mark.parametrize("anchors", [DefaultBoxes([[2.0]]), ScaledAnchors(1)])
def test_boxes_are_cached_by_canvas(anchors: Anchors) -> None:
    first, _ = anchors([(4, 4)], [8], (32, 32), CPU)
    again, _ = anchors([(4, 4)], [8], (32, 32), CPU)
    other, _ = anchors([(4, 4)], [8], (30, 30), CPU)
    assert first is again
    assert not torch.equal(first, other)


def test_boxes_cached_in_inference_mode_can_be_used_in_training() -> None:
    anchors = DefaultBoxes([[2.0]])
    with torch.inference_mode():
        boxes, strides = anchors([(4, 4)], [8], (32, 32), CPU)
    assert not boxes.is_inference()
    assert not strides.is_inference()


EXAMPLES: dict[type[Anchors], Anchors] = {
    Cells: Cells(6),
    DefaultBoxes: DefaultBoxes(RATIOS),
    Priors: Priors([[(8.0, 8.0), (20.0, 10.0)]] * 6),
    ScaledAnchors: ScaledAnchors(6),
}
WHOLE_CELLS = (Cells, Priors)
"""Sets whose cells have exactly the stride's size, also where the canvas is no multiple of it."""


def check_anchors(anchors: Anchors) -> None:
    """Check the contract of an anchor set."""
    boxes, strides = anchors(SHAPES, STRIDES, (300, 300), CPU)
    counts = [rows * columns * each for (rows, columns), each in zip(SHAPES, anchors.per_cell, strict=True)]
    assert boxes.shape == (sum(counts), 4), "the number of boxes does not match per_cell"
    assert boxes.dtype == strides.dtype == torch.float32
    assert (boxes[:, 2:] > 0).all(), "a box without area"
    steps = torch.tensor(STRIDES, dtype=torch.float32).repeat_interleave(torch.tensor(counts))
    assert torch.equal(strides, steps)
    centers_in_cells = [
        cell_centers(shape).repeat_interleave(each, 0) for shape, each in zip(SHAPES, anchors.per_cell, strict=True)
    ]
    sides = [
        torch.tensor([stride, stride] if isinstance(anchors, WHOLE_CELLS) else [300 / columns, 300 / rows])
        for stride, (rows, columns) in zip(STRIDES, SHAPES, strict=True)
    ]
    centers = torch.cat([center * side for center, side in zip(centers_in_cells, sides, strict=True)])
    if isinstance(anchors, Cells):  # the upper left corners of the cells
        centers -= steps[:, None] / 2
    torch.testing.assert_close(boxes[:, :2], centers, msg="boxes are not centered on their cells, row by row")


def test_every_anchor_set_fulfills_the_contract() -> None:
    found = concrete_subclasses(Anchors, package)  # type: ignore[type-abstract]  # its subclasses are listed
    assert found == list(EXAMPLES)
    for kind in found:
        check_anchors(EXAMPLES[kind])


class Shifted(DefaultBoxes):
    """Shifts its boxes by half a pixel, as bfloat16 would."""

    def boxes(self, level: int, shape: Size, stride: int, canvas: Size) -> Tensor:
        return super().boxes(level, shape, stride, canvas) + torch.tensor([0.5, 0, 0, 0])


class Fewer(DefaultBoxes):
    """Leaves out one box."""

    def boxes(self, level: int, shape: Size, stride: int, canvas: Size) -> Tensor:
        return super().boxes(level, shape, stride, canvas)[1:]


@pytest.mark.parametrize(
    ("broken", "message"), [(Shifted, "not centered on their cells"), (Fewer, "does not match per_cell")]
)
def test_a_broken_anchor_set_is_found(broken: type[DefaultBoxes], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_anchors(broken(RATIOS))


def test_bfloat16_shifts_the_anchors_of_torchvision_by_half_a_pixel_but_not_ours() -> None:
    """Its generator uses the dtype of the features (bfloat16 under autocast); ours does not use the features."""
    images = ImageList(torch.zeros(1, 3, 300, 300), [(300, 300)])
    reference = DefaultBoxGenerator(RATIOS)
    plain, moved = (
        reference(images, [torch.zeros(1, 8, *shape, dtype=dtype) for shape in SHAPES])[0].float()
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert (moved - plain).abs().max() > 0.4
    expected, _ = DefaultBoxes(RATIOS)(SHAPES, STRIDES, (300, 300), CPU)
    with torch.autocast("cpu", torch.bfloat16):
        boxes, _ = DefaultBoxes(RATIOS)(SHAPES, STRIDES, (300, 300), CPU)
    assert torch.equal(boxes, expected)
