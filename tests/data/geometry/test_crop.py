"""Crops and flips move pixels, boxes, mask and frame together."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import tv_tensors as tv

from polyhead.data.geometry.crop import GRAY, crop_resize, flip, full_window
from polyhead.data.geometry.plane import ImageSample
from polyhead.types import IGNORED, Size

SIDES = st.integers(20, 90)


def painted(height: int, width: int, box: tuple[int, int, int, int], *, ignore: bool = False) -> ImageSample:
    """Return a black image with one white rectangle, whose mask is class 1."""
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    mask = torch.zeros(height, width, dtype=torch.uint8)
    left, top, right, bottom = box
    image[:, top:bottom, left:right] = 255
    mask[top:bottom, left:right] = 1
    canvas = (height, width)
    return ImageSample(
        input=tv.Image(image),
        boxes=tv.BoundingBoxes(torch.tensor([box]).float(), format="XYXY", canvas_size=canvas),
        labels=torch.tensor([3]),
        ignore=torch.tensor([ignore]),
        annotated=torch.ones(5, dtype=torch.bool),
        frame=tv.KeyPoints(torch.tensor([[0.0, 0.0], [width, 0.0], [0.0, height]]), canvas_size=canvas),
        mask=tv.Mask(mask),
    )


@st.composite
def scenes(draw: st.DrawFn) -> ImageSample:
    """Draw an image of any aspect ratio with one rectangle."""
    height, width = draw(SIDES), draw(SIDES)
    left, top = draw(st.integers(0, width - 12)), draw(st.integers(0, height - 12))
    right, bottom = draw(st.integers(left + 10, width)), draw(st.integers(top + 10, height))
    return painted(height, width, (left, top, right, bottom))


def extent(shown: torch.Tensor) -> torch.Tensor:
    """Return the box around the true pixels of ``[h, w]``."""
    rows, columns = shown.any(1).nonzero(), shown.any(0).nonzero()
    return torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()


def assert_aligned(sample: ImageSample, size: Size) -> None:
    """Assert that the box encloses the white pixels and the mask, up to rounding and interpolation.

    Args:
        sample: a transformed image.
        size: height and width of the original image.
    """
    origin, right, down = sample.frame.as_subclass(torch.Tensor)
    steps = float((right - origin).abs().max()) / size[1], float((down - origin).abs().max()) / size[0]
    allowed = 1.5 + 0.25 * max(0.0, max(steps) - 1)
    assert sample.mask is not None
    for shown in (sample.input[0].as_subclass(torch.Tensor) > 180, sample.mask.as_subclass(torch.Tensor) == 1):
        assert (extent(shown) - sample.boxes[0].as_subclass(torch.Tensor)).abs().max() <= allowed


@settings(max_examples=30, deadline=None)
@given(scenes())
def test_flip_twice_is_identity(sample: ImageSample) -> None:
    once = flip(sample)
    assert not torch.equal(once.frame, sample.frame)
    twice = flip(once)
    for name in ("input", "boxes", "frame", "mask"):
        assert torch.equal(getattr(twice, name), getattr(sample, name)), name
        assert type(getattr(twice, name)) is type(getattr(sample, name)), name


@settings(max_examples=30, deadline=None)
@given(scenes())
def test_flip_maps_borders_to_borders(sample: ImageSample) -> None:
    flipped = flip(sample)
    _, height, width = sample.input.shape
    assert_aligned(flipped, (height, width))
    assert flipped.frame[:, 0].tolist() == [width, 0, width]


@settings(max_examples=60, deadline=None)
@given(scenes(), SIDES, SIDES, st.tuples(*[st.floats(-1, 0.2)] * 2, *[st.floats(0.8, 2)] * 2))
def test_pixels_mask_and_box_stay_together(
    sample: ImageSample, height: int, width: int, window: tuple[float, float, float, float]
) -> None:
    _, _, w, h = full_window(sample)
    result = crop_resize(sample, (window[0] * w, window[1] * h, window[2] * w, window[3] * h), (height, width))
    assert result.input.shape == (3, height, width)
    assert result.mask is not None
    assert result.mask.shape == (height, width)
    sides = result.boxes[:, 2:] - result.boxes[:, :2]
    if result.labels.tolist() and (sides > 3).all():
        assert_aligned(result, (sample.input.shape[1], sample.input.shape[2]))


@settings(max_examples=30, deadline=None)
@given(scenes(), SIDES, SIDES)
def test_frame_follows_the_boxes(sample: ImageSample, height: int, width: int) -> None:
    result = crop_resize(sample, (-10.0, -5.0, 60.0, 70.0), (height, width))
    origin, right, down = result.frame.as_subclass(torch.Tensor)
    if len(result.boxes):
        step = torch.stack([(right - origin)[0] / sample.input.shape[2], (down - origin)[1] / sample.input.shape[1]])
        back = (result.boxes.as_subclass(torch.Tensor).reshape(2, 2) - origin) / step
        limit = sample.boxes.as_subclass(torch.Tensor).reshape(2, 2).clamp(max=torch.tensor([60.0, 70.0]))
        assert (back - limit).abs().max() <= 1e-3


def test_border_is_gray_and_masked_as_ignored() -> None:
    result = crop_resize(painted(20, 20, (5, 5, 15, 15)), (-20.0, 0.0, 20.0, 20.0), (20, 40))
    assert (result.input[:, :, :20] == GRAY).all()
    assert (result.mask[:, :20] == IGNORED).all()  # type: ignore[index]
    assert result.boxes.tolist() == [[25, 5, 35, 15]]
    assert result.boxes.canvas_size == result.frame.canvas_size == (20, 40)


def test_same_size_changes_nothing() -> None:
    sample = painted(31, 47, (3, 4, 20, 30))
    result = crop_resize(sample, full_window(sample), (31, 47))
    assert torch.equal(result.input, sample.input)
    assert torch.equal(result.boxes, sample.boxes)
    assert result.input.dtype == torch.uint8
    assert torch.equal(result.frame, sample.frame)
    assert torch.equal(result.annotated, sample.annotated)


def test_objects_with_their_center_outside_are_removed_and_ignored_ones_remain() -> None:
    window = (30.0, 0.0, 60.0, 60.0)
    assert crop_resize(painted(60, 60, (0, 0, 40, 60)), window, (30, 30)).labels.tolist() == []
    ignored = crop_resize(painted(60, 60, (0, 0, 40, 60), ignore=True), window, (30, 30))
    assert ignored.ignore.tolist() == [True]
    assert ignored.boxes.tolist() == [[0, 0, 10, 30]]
    assert crop_resize(painted(60, 60, (0, 0, 29, 60), ignore=True), window, (30, 30)).labels.tolist() == []


def test_objects_under_one_pixel_become_ignored() -> None:
    sample = painted(80, 80, (10, 10, 18, 18))
    assert crop_resize(sample, full_window(sample), (10, 10)).ignore.tolist() == [False]
    assert crop_resize(sample, full_window(sample), (9, 9)).ignore.tolist() == [True]


def test_thin_images_have_at_least_one_pixel() -> None:
    sample = painted(1, 500, (0, 0, 500, 1))._replace(mask=None)
    result = crop_resize(sample, (0.0, -250.0, 500.0, 250.0), (20, 20))
    assert (result.input == 255).any()
    assert result.input.shape == (3, 20, 20)
