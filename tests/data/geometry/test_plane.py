"""Mapping predictions from the canvas back to the original image."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.data.geometry.plane import Frame, ImageMeta
from polyhead.kinds.classification import Classification
from polyhead.kinds.detection import Detection
from polyhead.kinds.segmentation import Segmentation
from polyhead.types import Detections, Labels, Mask

SIZE = (60, 100)
SIDES = st.floats(1, 3000)


def moved(matrix: torch.Tensor, origin: torch.Tensor) -> ImageMeta:
    """Return the inverse of an affine transform; the corners are in float32 as transforms leave them."""
    corners = torch.tensor([[0.0, 0.0], [SIZE[1], 0.0], [0.0, SIZE[0]]], dtype=torch.float64)
    found: list[list[float]] = (corners @ matrix.T.double() + origin.double()).float().tolist()
    return ImageMeta("a", SIZE, tuple((x, y) for x, y in found))


def restored(boxes: torch.Tensor, meta: ImageMeta) -> Detections:
    return Detection().restore(detections(boxes), meta)


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
    points = (boxes.reshape(-1, 2, 2) * scale + origin).float()
    canvas = torch.cat([points.amin(1), points.amax(1)], 1)
    back = restored(canvas, moved(torch.diag(scale), origin))
    assert len(back.boxes) == len(boxes)
    assert (back.boxes - boxes).abs().max() <= 5e-3
    assert back.labels.tolist() == list(range(len(boxes)))


def test_a_rotated_frame_gives_the_axis_aligned_bounding_box() -> None:
    quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]])  # right becomes down, down becomes left
    back = restored(torch.tensor([[40.0, 10, 50, 30]]), moved(quarter, torch.tensor([60.0, 0.0])))
    assert torch.allclose(back.boxes, torch.tensor([[10.0, 10, 30, 20]]), atol=1e-4)


def test_boxes_are_clipped_and_those_outside_are_dropped() -> None:
    meta = moved(torch.eye(2), torch.tensor([0.0, 20.0]))
    boxes = torch.tensor([[-5.0, 10, 30, 40], [0, 0, 50, 19], [90, 70, 200, 200]])
    back = restored(boxes, meta)
    assert back.boxes.tolist() == [[0, 0, 30, 20], [90, 50, 100, 60]]
    assert back.labels.tolist() == [0, 2]
    assert len(back.scores) == 2


def test_scores_labels_and_anchors_stay_with_their_boxes() -> None:
    boxes = torch.tensor([[-5.0, 10, 30, 40], [0, 0, 50, 19], [90, 70, 200, 200]])  # the second is outside
    given = detections(boxes)._replace(anchors=torch.tensor([7, 8, 9]))
    back = Detection().restore(given, moved(torch.eye(2), torch.tensor([0.0, 20.0])))
    assert back.anchors is not None
    assert back.anchors.tolist() == [7, 9]
    assert torch.equal(back.scores, given.scores[[0, 2]])


def test_an_image_without_boxes() -> None:
    assert restored(torch.zeros(0, 4), moved(torch.eye(2), torch.zeros(2))).boxes.shape == (0, 4)


def test_half_precision_boxes_keep_their_dtype() -> None:
    back = restored(torch.tensor([[2.0, 2, 8, 8]]).half(), moved(torch.eye(2), torch.zeros(2)))
    assert back.boxes.dtype == torch.float16


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_an_enlarged_and_padded_mask_is_restored(scale: int) -> None:
    classes = torch.randint(0, 9, SIZE, generator=torch.Generator().manual_seed(scale))
    canvas = classes.repeat_interleave(scale, 0).repeat_interleave(scale, 1)
    bordered = torch.nn.functional.pad(canvas, (4, 4, 6, 6), value=7)
    back = Segmentation().restore(Mask(bordered), moved(torch.eye(2) * scale, torch.tensor([4.0, 6.0])))
    assert torch.equal(back.classes, classes)


def test_mask_pixels_beyond_the_canvas_are_255() -> None:
    back = Segmentation().restore(Mask(torch.ones(60, 50, dtype=torch.uint8)), moved(torch.eye(2), torch.zeros(2)))
    assert (back.classes[:, :50] == 1).all()
    assert (back.classes[:, 50:] == 255).all()


def test_labels_and_values_stay_unchanged() -> None:
    meta, scores = moved(2 * torch.eye(2), torch.ones(2)), torch.rand(3)
    assert torch.equal(Classification().restore(Labels(scores), meta).scores, scores)
    assert torch.equal(meta.values(scores), scores)


def test_without_transforms_nothing_moves() -> None:
    meta = ImageMeta("a", SIZE)
    boxes = random_boxes(3)
    assert list(meta.extent) == [100, 60]
    assert torch.equal(restored(boxes, meta).boxes, boxes)
    classes = torch.randint(0, 9, SIZE, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert torch.equal(meta.raster(classes, 255), classes)


@pytest.mark.parametrize("right", [(0.0, 0.0), (9.0, 9.0), (float("nan"), 0.0)])
def test_a_frame_without_area_raises_an_error(right: tuple[float, float]) -> None:
    frame: Frame = ((0.0, 0.0), right, (5.0, 5.0))
    message = r"has no area\. Its three corners must not lie on one line"
    with pytest.raises(ValueError, match=message):
        restored(random_boxes(0), ImageMeta("a", SIZE, frame))
    with pytest.raises(ValueError, match=message):
        ImageMeta("a", SIZE, frame).raster(torch.zeros(9, 9, dtype=torch.uint8), 255)
