"""Geometry: boxes, frame, mask and pixels stay together."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import tv_tensors as tv

from polyhead.data.geometry.crop import GREY, flip, view, whole
from polyhead.types import IGNORED, Sample

SIDES = st.integers(20, 90)


def painted(height: int, width: int, box: tuple[int, int, int, int], *, ignore: bool = False) -> Sample:
    """A black picture with one white rectangle, whose mask is class 1."""
    picture = torch.zeros(3, height, width, dtype=torch.uint8)
    mask = torch.zeros(height, width, dtype=torch.uint8)
    left, top, right, bottom = box
    picture[:, top:bottom, left:right] = 255
    mask[top:bottom, left:right] = 1
    canvas = (height, width)
    return Sample(
        input=tv.Image(picture),
        boxes=tv.BoundingBoxes(torch.tensor([box]).float(), format="XYXY", canvas_size=canvas),
        labels=torch.tensor([3]),
        ignore=torch.tensor([ignore]),
        annotated=torch.ones(5, dtype=torch.bool),
        frame=tv.KeyPoints(torch.tensor([[0.0, 0.0], [width, 0.0], [0.0, height]]), canvas_size=canvas),
        id="painted",
        size=canvas,
        mask=tv.Mask(mask),
        value=torch.tensor(2),
    )


@st.composite
def scenes(draw: st.DrawFn) -> Sample:
    height, width = draw(SIDES), draw(SIDES)
    left, top = draw(st.integers(0, width - 12)), draw(st.integers(0, height - 12))
    right, bottom = draw(st.integers(left + 10, width)), draw(st.integers(top + 10, height))
    return painted(height, width, (left, top, right, bottom))


def extent(shown: torch.Tensor) -> torch.Tensor:
    """Box around the true pixels of ``[h, w]``."""
    rows, columns = shown.any(1).nonzero(), shown.any(0).nonzero()
    return torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()


def together(sample: Sample) -> None:
    """The one box lies around the white pixels and the masked ones, but for rounding and the ramp between pixels."""
    origin, right, down = sample.frame.as_subclass(torch.Tensor)
    steps = float((right - origin).abs().max()) / sample.size[1], float((down - origin).abs().max()) / sample.size[0]
    allowed = 1.5 + 0.25 * max(0.0, max(steps) - 1)
    assert sample.mask is not None
    for shown in (sample.input[0].as_subclass(torch.Tensor) > 180, sample.mask.as_subclass(torch.Tensor) == 1):
        assert (extent(shown) - sample.boxes[0].as_subclass(torch.Tensor)).abs().max() <= allowed


@settings(max_examples=30, deadline=None)
@given(scenes())
def test_flip_twice_is_identity(sample: Sample) -> None:
    once = flip(sample)
    assert not torch.equal(once.frame, sample.frame)
    twice = flip(once)
    for name in ("input", "boxes", "frame", "mask"):
        assert torch.equal(getattr(twice, name), getattr(sample, name)), name
        assert type(getattr(twice, name)) is type(getattr(sample, name)), name


@settings(max_examples=30, deadline=None)
@given(scenes())
def test_flip_maps_borders_to_borders(sample: Sample) -> None:
    flipped = flip(sample)
    together(flipped)
    width = sample.input.shape[2]
    assert flipped.frame[:, 0].tolist() == [width, 0, width]


@settings(max_examples=60, deadline=None)
@given(scenes(), SIDES, SIDES, st.tuples(*[st.floats(-1, 0.2)] * 2, *[st.floats(0.8, 2)] * 2))
def test_pixels_mask_and_box_stay_together(
    sample: Sample, height: int, width: int, part: tuple[float, float, float, float]
) -> None:
    _, _, w, h = whole(sample)
    seen = view(sample, (part[0] * w, part[1] * h, part[2] * w, part[3] * h), (height, width))
    assert seen.input.shape == (3, height, width)
    assert seen.mask is not None
    assert seen.mask.shape == (height, width)
    sides = seen.boxes[:, 2:] - seen.boxes[:, :2]
    if seen.labels.tolist() and (sides > 3).all():
        together(seen)


@settings(max_examples=30, deadline=None)
@given(scenes(), SIDES, SIDES)
def test_frame_follows_the_boxes(sample: Sample, height: int, width: int) -> None:
    seen = view(sample, (-10.0, -5.0, 60.0, 70.0), (height, width))
    origin, right, down = seen.frame.as_subclass(torch.Tensor)
    if len(seen.boxes):
        step = torch.stack([(right - origin)[0] / sample.size[1], (down - origin)[1] / sample.size[0]])
        back = (seen.boxes.as_subclass(torch.Tensor).reshape(2, 2) - origin) / step
        limit = sample.boxes.as_subclass(torch.Tensor).reshape(2, 2).clamp(max=torch.tensor([60.0, 70.0]))
        assert (back - limit).abs().max() <= 1e-3


def test_border_is_grey_and_masked_as_ignored() -> None:
    seen = view(painted(20, 20, (5, 5, 15, 15)), (-20.0, 0.0, 20.0, 20.0), (20, 40))
    assert (seen.input[:, :, :20] == GREY).all()
    assert (seen.mask[:, :20] == IGNORED).all()  # type: ignore[index]
    assert seen.boxes.tolist() == [[25, 5, 35, 15]]
    assert seen.boxes.canvas_size == seen.frame.canvas_size == (20, 40)


def test_same_size_changes_nothing() -> None:
    sample = painted(31, 47, (3, 4, 20, 30))
    seen = view(sample, whole(sample), (31, 47))
    assert torch.equal(seen.input, sample.input)
    assert torch.equal(seen.boxes, sample.boxes)
    assert seen.input.dtype == torch.uint8
    assert (seen.id, seen.size, seen.value) == ("painted", (31, 47), torch.tensor(2))


def test_objects_with_unseen_centre_go_and_ignored_ones_stay() -> None:
    window = (30.0, 0.0, 60.0, 60.0)
    assert view(painted(60, 60, (0, 0, 40, 60)), window, (30, 30)).labels.tolist() == []
    stays = view(painted(60, 60, (0, 0, 40, 60), ignore=True), window, (30, 30))
    assert stays.ignore.tolist() == [True]
    assert stays.boxes.tolist() == [[0, 0, 10, 30]]
    assert view(painted(60, 60, (0, 0, 29, 60), ignore=True), window, (30, 30)).labels.tolist() == []


def test_objects_under_one_pixel_become_ignored() -> None:
    sample = painted(80, 80, (10, 10, 18, 18))
    assert view(sample, whole(sample), (10, 10)).ignore.tolist() == [False]
    assert view(sample, whole(sample), (9, 9)).ignore.tolist() == [True]


def test_thin_pictures_keep_a_pixel() -> None:
    sample = painted(1, 500, (0, 0, 500, 1))._replace(mask=None)
    seen = view(sample, (0.0, -250.0, 500.0, 250.0), (20, 20))
    assert (seen.input == 255).any()
    assert seen.input.shape == (3, 20, 20)
