"""Mapping predictions from the canvas back to the original image."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.boxes.postprocess import to_original
from polyhead.types import Detections, Labels, Mask, Values

SIZE = (60, 100)
SIDES = st.floats(1, 3000)


def frame_of(matrix: torch.Tensor, origin: torch.Tensor) -> torch.Tensor:
    corners = torch.tensor([[0.0, 0.0], [SIZE[1], 0.0], [0.0, SIZE[0]]], dtype=torch.float64)
    return (corners @ matrix.T.double() + origin.double()).float()


def detections(boxes: torch.Tensor) -> Detections:
    return Detections(boxes, torch.rand(len(boxes)), torch.arange(len(boxes)))


def random_boxes(seed: int, count: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(count, 2, 2, generator=generator) * torch.tensor([SIZE[1], SIZE[0]])
    return torch.cat([points.amin(1), points.amax(1) + 0.1], 1).minimum(torch.tensor([SIZE[1], SIZE[0]]).repeat(2))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.floats(0.05, 8), st.floats(0.05, 8), st.floats(-500, 500), st.booleans())
def test_transforms_without_rotation_are_inverted_exactly(
    seed: int, x: float, y: float, shift: float, mirrored: bool
) -> None:
    scale = torch.tensor([-x if mirrored else x, y])
    origin = torch.tensor([shift, -shift / 2])
    boxes = random_boxes(seed)
    moved = (boxes.reshape(-1, 2, 2) * scale + origin).float()
    canvas = torch.cat([moved.amin(1), moved.amax(1)], 1)
    back = to_original(detections(canvas), frame_of(torch.diag(scale), origin), SIZE)
    assert len(back.boxes) == len(boxes)
    assert (back.boxes - boxes).abs().max() <= 5e-3
    assert back.labels.tolist() == list(range(len(boxes)))


def test_a_rotated_frame_gives_the_axis_aligned_bounding_box() -> None:
    quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]])  # right becomes down, down becomes left
    back = to_original(
        detections(torch.tensor([[40.0, 10, 50, 30]])), frame_of(quarter, torch.tensor([60.0, 0.0])), SIZE
    )
    assert torch.allclose(back.boxes, torch.tensor([[10.0, 10, 30, 20]]), atol=1e-4)


def test_boxes_are_clipped_and_those_outside_are_dropped() -> None:
    frame = frame_of(torch.eye(2), torch.tensor([0.0, 20.0]))
    boxes = torch.tensor([[-5.0, 10, 30, 40], [0, 0, 50, 19], [90, 70, 200, 200]])
    back = to_original(detections(boxes), frame, SIZE)
    assert back.boxes.tolist() == [[0, 0, 30, 20], [90, 50, 100, 60]]
    assert back.labels.tolist() == [0, 2]
    assert len(back.scores) == 2


def test_an_image_without_boxes() -> None:
    assert to_original(detections(torch.zeros(0, 4)), frame_of(torch.eye(2), torch.zeros(2)), SIZE).boxes.shape == (
        0,
        4,
    )


def test_half_precision_boxes_keep_their_dtype() -> None:
    back = to_original(detections(torch.tensor([[2.0, 2, 8, 8]]).half()), frame_of(torch.eye(2), torch.zeros(2)), SIZE)
    assert back.boxes.dtype == torch.float16


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_an_enlarged_and_padded_mask_is_restored(scale: int) -> None:
    classes = torch.randint(0, 9, SIZE, generator=torch.Generator().manual_seed(scale))
    canvas = classes.repeat_interleave(scale, 0).repeat_interleave(scale, 1)
    bordered = torch.nn.functional.pad(canvas, (4, 4, 6, 6), value=7)
    back = to_original(Mask(bordered), frame_of(torch.eye(2) * scale, torch.tensor([4.0, 6.0])), SIZE)
    assert torch.equal(back.classes, classes)


def test_mask_pixels_beyond_the_canvas_are_255() -> None:
    back = to_original(Mask(torch.ones(60, 50, dtype=torch.int64)), frame_of(torch.eye(2), torch.zeros(2)), SIZE)
    assert (back.classes[:, :50] == 1).all()
    assert (back.classes[:, 50:] == 255).all()


def test_labels_and_values_stay_unchanged() -> None:
    for prediction in (Labels(torch.rand(3)), Values(torch.rand(2))):
        assert to_original(prediction, torch.zeros(3, 2), SIZE) is prediction


@pytest.mark.parametrize("right", [(0.0, 0.0), (9.0, 9.0), (float("nan"), 0.0)])
def test_a_frame_without_area_raises_an_error(right: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"has no area\. Its three corners must not lie on one line"):
        to_original(detections(random_boxes(0)), torch.tensor([(0.0, 0.0), right, (5.0, 5.0)]), SIZE)
