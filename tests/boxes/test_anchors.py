import pytest
import torch
from builders.subclasses import finished
from torch import Tensor
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.image_list import ImageList

from polyhead import boxes as package
from polyhead.boxes.anchors import Anchors, DefaultBoxes, ScaledAnchors, cells, corners
from polyhead.types import Size

CPU = torch.device("cpu")
SHAPES = [(38, 38), (19, 19), (10, 10), (5, 5), (3, 3), (1, 1)]
STRIDES = [8, 16, 32, 64, 100, 300]
RATIOS = [[2.0], [2.0, 3.0], [2.0, 3.0], [2.0, 3.0], [2.0], [2.0]]


def test_default_boxes_are_those_of_the_paper() -> None:
    anchors = DefaultBoxes(RATIOS)
    scales = [0.075, 0.15, 0.3375, 0.525, 0.7125, 0.9, 1.0875]
    rival = DefaultBoxGenerator(RATIOS, scales=scales)
    pictures = ImageList(torch.zeros(1, 3, 300, 300), [(300, 300)])
    expected = rival(pictures, [torch.zeros(1, 8, *shape) for shape in SHAPES])[0]
    boxes, strides = anchors(SHAPES, STRIDES, (300, 300), CPU)
    assert boxes.shape[0] == 8732
    torch.testing.assert_close(corners(boxes), expected, atol=1e-3, rtol=0)
    assert strides[[0, -1]].tolist() == [8, 300]


def test_boxes_follow_the_shape_of_the_canvas() -> None:
    boxes, _ = DefaultBoxes([[2.0]])([(2, 4)], [50], (100, 200), CPU)
    centres = sorted({(float(x), float(y)) for x, y in boxes[:, :2]})
    assert centres == [(x, y) for x in (25, 75, 125, 175) for y in (25, 75)]
    assert boxes[0, 2] == 2 * boxes[0, 3]


@pytest.mark.parametrize("canvas", [(512, 512), (320, 511), (300, 640)])
def test_scaled_anchors_are_those_of_efficientdet(canvas: tuple[int, int]) -> None:
    """Box by box, as the paper's code has them: all shapes of one octave, then those of the next."""
    strides = [8, 16, 32, 64, 128]
    shapes = [(-(-canvas[0] // stride), -(-canvas[1] // stride)) for stride in strides]
    expected = []
    for rows, columns in shapes:
        high, wide = canvas[0] / rows, canvas[1] / columns
        for cell in range(rows * columns):
            for octave in (2**0, 2 ** (1 / 3), 2 ** (2 / 3)):
                for x, y in ((1.0, 1.0), (1.4, 0.7), (0.7, 1.4)):
                    centre = (cell % columns + 0.5) * wide, (cell // columns + 0.5) * high
                    expected.append([*centre, 4 * wide * octave * x, 4 * high * octave * y])
    boxes, steps = ScaledAnchors(5)(shapes, strides, canvas, CPU)
    torch.testing.assert_close(boxes, torch.tensor(expected), atol=1e-3, rtol=0)
    assert sorted(set(steps.tolist())) == strides
    assert canvas != (512, 512) or boxes.shape[0] == 49104


def test_scale_octaves_and_ratios_are_free() -> None:
    anchors = ScaledAnchors(1, scale=1.0, octaves=2, ratios=[(1.0, 2.0)])
    boxes, _ = anchors([(1, 1)], [10], (10, 10), CPU)
    torch.testing.assert_close(boxes, torch.tensor([[5.0, 5, 10, 20], [5, 5, 10 * 2**0.5, 20 * 2**0.5]]))
    assert anchors.per_cell == [2]


def test_centres_go_row_by_row() -> None:
    assert cells((2, 3)).tolist() == [[0.5, 0.5], [1.5, 0.5], [2.5, 0.5], [0.5, 1.5], [1.5, 1.5], [2.5, 1.5]]


@pytest.mark.parametrize("anchors", [DefaultBoxes([[2.0]]), ScaledAnchors(1)])
def test_boxes_are_made_once_and_differ_by_canvas(anchors: Anchors) -> None:
    first, _ = anchors([(4, 4)], [8], (32, 32), CPU)
    again, _ = anchors([(4, 4)], [8], (32, 32), CPU)
    other, _ = anchors([(4, 4)], [8], (30, 30), CPU)
    assert first is again
    assert not torch.equal(first, other)


def test_boxes_made_while_validating_serve_training() -> None:
    anchors = DefaultBoxes([[2.0]])
    with torch.inference_mode():
        boxes, strides = anchors([(4, 4)], [8], (32, 32), CPU)
    assert not boxes.is_inference()
    assert not strides.is_inference()


MADE: dict[type[Anchors], Anchors] = {DefaultBoxes: DefaultBoxes(RATIOS), ScaledAnchors: ScaledAnchors(6)}


def check_anchors(anchors: Anchors) -> None:
    """What every anchor set promises."""
    boxes, strides = anchors(SHAPES, STRIDES, (300, 300), CPU)
    counts = [rows * columns * each for (rows, columns), each in zip(SHAPES, anchors.per_cell, strict=True)]
    assert boxes.shape == (sum(counts), 4), "not as many boxes as per_cell tells"
    assert boxes.dtype == strides.dtype == torch.float32
    assert (boxes[:, 2:] > 0).all(), "a box without area"
    steps = torch.tensor(STRIDES, dtype=torch.float32).repeat_interleave(torch.tensor(counts))
    assert torch.equal(strides, steps)
    places = [cells(shape).repeat_interleave(each, 0) for shape, each in zip(SHAPES, anchors.per_cell, strict=True)]
    sides = [torch.tensor([300 / columns, 300 / rows]) for rows, columns in SHAPES]
    centres = torch.cat([place * side for place, side in zip(places, sides, strict=True)])
    torch.testing.assert_close(boxes[:, :2], centres, msg="boxes are not about the middles of their cells, row by row")


def test_every_anchor_set_keeps_the_contract() -> None:
    found = finished(Anchors, package)  # type: ignore[type-abstract]  # subclasses are asked for
    assert found == list(MADE)
    for kind in found:
        check_anchors(MADE[kind])


class Shifted(DefaultBoxes):
    """Puts its boxes half a pixel aside, as bfloat16 would."""

    def boxes(self, level: int, shape: Size, stride: int, canvas: Size) -> Tensor:
        return super().boxes(level, shape, stride, canvas) + torch.tensor([0.5, 0, 0, 0])


class Fewer(DefaultBoxes):
    """Leaves a box out."""

    def boxes(self, level: int, shape: Size, stride: int, canvas: Size) -> Tensor:
        return super().boxes(level, shape, stride, canvas)[1:]


@pytest.mark.parametrize(
    ("broken", "message"), [(Shifted, "not about the middles of their cells"), (Fewer, "not as many boxes")]
)
def test_a_broken_anchor_set_is_found(broken: type[DefaultBoxes], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_anchors(broken(RATIOS))


def test_anchors_of_torchvision_lose_half_a_pixel_in_bfloat16_and_ours_do_not() -> None:
    """Its generator takes the type of the features, which autocast makes bfloat16; ours never sees them."""
    pictures = ImageList(torch.zeros(1, 3, 300, 300), [(300, 300)])
    rival = DefaultBoxGenerator(RATIOS)
    plain, moved = (
        rival(pictures, [torch.zeros(1, 8, *shape, dtype=dtype) for shape in SHAPES])[0].float()
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert (moved - plain).abs().max() > 0.4
    expected, _ = DefaultBoxes(RATIOS)(SHAPES, STRIDES, (300, 300), CPU)
    with torch.autocast("cpu", torch.bfloat16):
        boxes, _ = DefaultBoxes(RATIOS)(SHAPES, STRIDES, (300, 300), CPU)
    assert torch.equal(boxes, expected)
