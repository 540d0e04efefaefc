"""Properties of every training preset and of the evaluation transform."""

import pickle

import pytest
import torch
from builders.colored_images import meta_of, same, size_of
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import tv_tensors as tv

from polyhead import rng
from polyhead.data.augment.transforms import (
    FITS,
    PRESETS,
    Eval,
    Train,
    area_crop,
    fit_of,
    iou_crop,
    scale_jitter,
    train_transform,
    zoom_out,
)
from polyhead.data.geometry.crop import GRAY, crop_resize, full_window
from polyhead.data.geometry.plane import ImageSample
from polyhead.errors import PolyheadError
from polyhead.kinds.detection import Detection
from polyhead.types import Detections

SIZE = (48, 64)
KEYS = st.integers(0, 10_000)
presets = pytest.mark.parametrize("preset", sorted(PRESETS))


def noisy(seed: int, count: int = 4) -> ImageSample:
    """Return an image of noise with random boxes; the last one is ignored."""
    generator = torch.Generator().manual_seed(seed)
    height, width = torch.randint(30, 120, (2,), generator=generator).tolist()
    limit = torch.tensor([width, height])
    low = torch.rand(count, 2, generator=generator) * (limit - 8)
    high = low + 4 + torch.rand(count, 2, generator=generator) * (limit - low - 4)
    ignore = torch.zeros(count, dtype=torch.bool)
    ignore[-1:] = True
    canvas = (height, width)
    return ImageSample(
        input=tv.Image(torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)),
        boxes=tv.BoundingBoxes(torch.cat([low, high], 1), format="XYXY", canvas_size=canvas),
        labels=torch.arange(count),
        ignore=ignore,
        annotated=torch.ones(count + 1, dtype=torch.bool),
        frame=tv.KeyPoints(torch.tensor([[0.0, 0.0], [width, 0.0], [0.0, height]]), canvas_size=canvas),
        mask=tv.Mask(torch.zeros(height, width, dtype=torch.uint8)),
    )


def drawn(transform: Train, sample: ImageSample, key: int) -> ImageSample:
    """Return the sample after a random transform with a fixed seed."""
    with rng.fork_rng(key):
        return transform(sample)


@presets
@settings(max_examples=40, deadline=None)
@given(seed=KEYS, count=st.integers(0, 6))
def test_boxes_are_inside_the_canvas_and_labels_match_them(preset: str, seed: int, count: int) -> None:
    sample = noisy(seed, count)
    result = drawn(train_transform(preset, SIZE), sample, seed)
    boxes = result.boxes.as_subclass(torch.Tensor)
    assert len(boxes) == len(result.labels) == len(result.ignore) <= count
    assert (boxes >= 0).all()
    assert (boxes[:, [0, 2]] <= SIZE[1]).all()
    assert (boxes[:, [1, 3]] <= SIZE[0]).all()
    assert ((boxes[:, 2:] - boxes[:, :2]) > 0).all()
    assert sample.ignore[result.labels[~result.ignore]].any().item() is False
    for name in ("input", "boxes", "frame", "mask"):
        assert type(getattr(result, name)) is type(getattr(sample, name))
    assert result.input.dtype == torch.uint8
    assert result.input.shape == (3, *SIZE)
    assert torch.equal(result.annotated, sample.annotated)


@presets
@settings(max_examples=40, deadline=None)
@given(seed=KEYS)
def test_frame_maps_back_to_the_original(preset: str, seed: int) -> None:
    sample = noisy(seed)
    result = drawn(train_transform(preset, SIZE), sample, seed)
    origin, right, down = result.frame.as_subclass(torch.Tensor)
    step = torch.stack([(right - origin)[0] / sample.input.shape[2], (down - origin)[1] / sample.input.shape[1]])
    back = (result.boxes.as_subclass(torch.Tensor).reshape(-1, 2, 2) - origin) / step
    low, high = back.amin(1), back.amax(1)
    target = sample.boxes.as_subclass(torch.Tensor)[result.labels]
    margin = 2  # pixels: windows are rounded to whole pixels of image and canvas
    limit = torch.tensor([SIZE[1], SIZE[0]]).repeat(2) - margin
    inside = ((result.boxes > margin) & (result.boxes < limit)).all(1)
    assert (low >= target[:, :2] - 1).all()
    assert (high <= target[:, 2:] + 1).all()
    assert ((torch.cat([low, high], 1) - target)[inside].abs() <= 1).all()


@presets
def test_the_same_seed_gives_the_same_sample(preset: str) -> None:
    transform = train_transform(preset, SIZE)
    sample = noisy(1)
    samples = [drawn(transform, sample, key) for key in range(8)]
    assert all(same(other, drawn(transform, sample, key)) for key, other in enumerate(samples))
    assert not all(same(samples[0], other) for other in samples)


@presets
def test_the_input_is_not_modified_and_transforms_pickle(preset: str) -> None:
    sample, before = noisy(5), noisy(5)
    transform = pickle.loads(pickle.dumps(train_transform(preset, SIZE)))
    assert same(drawn(transform, sample, 3), drawn(train_transform(preset, SIZE), before, 3))
    assert same(sample, before)


@pytest.mark.parametrize("fit", FITS)
def test_eval_is_deterministic_and_uses_no_random_numbers(fit: str) -> None:
    transform, sample = Eval(SIZE, fit), noisy(2)
    state = torch.random.get_rng_state()
    first = transform(sample)
    assert same(first, transform(sample))
    assert torch.equal(state, torch.random.get_rng_state())
    assert first.labels.tolist() == sample.labels.tolist()
    assert same(first, pickle.loads(pickle.dumps(transform))(sample))


@pytest.mark.parametrize("fit", FITS)
@settings(max_examples=20, deadline=None)
@given(seed=KEYS)
def test_restoring_inverts_eval(fit: str, seed: int) -> None:
    sample = noisy(seed)
    result = Eval((300, 200), fit)(sample)
    found = Detections(result.boxes.as_subclass(torch.Tensor), torch.rand(4), result.labels)
    back = Detection().restore(found, meta_of(result, size_of(sample)))
    assert back.labels.tolist() == sample.labels.tolist()
    assert (back.boxes - sample.boxes.as_subclass(torch.Tensor)).abs().max() <= 1e-3


def test_corner_pads_on_the_right_or_below_only() -> None:
    sample = noisy(3)._replace(input=tv.Image(torch.full((3, 50, 50), 200, dtype=torch.uint8)), mask=None)
    wide, high = Eval((60, 90), "corner")(sample).input, Eval((90, 60), "corner")(sample).input
    for shown, padded in ((wide[:, :, :60], wide[:, :, 60:]), (high[:, :60], high[:, 60:])):
        assert (shown == 200).all()
        assert (padded == GRAY).all()


def test_stretch_fills_and_letterbox_pads() -> None:
    flat = tv.Image(torch.full((3, 40, 80), 200, dtype=torch.uint8))
    sample = noisy(3)._replace(input=flat, mask=None)
    stretched, boxed = Eval((60, 60))(sample), Eval((60, 60), "letterbox")(sample)
    assert (stretched.input == 200).all()
    assert (boxed.input[:, :15] == GRAY).all()
    assert (boxed.input[:, 15:45] == 200).all()
    assert (boxed.input[:, 45:] == GRAY).all()


def test_unknown_names_raise_with_the_nearest_name() -> None:
    with pytest.raises(PolyheadError, match="unknown fit 'letterbx'; did you mean 'letterbox'"):
        Eval(SIZE, "letterbx")
    for function in (fit_of, lambda name: train_transform(name, SIZE)):
        with pytest.raises(PolyheadError, match="unknown transforms 'sdd'; did you mean 'ssd'"):
            function("sdd")
    assert {fit_of(preset) for preset in PRESETS} == {*FITS}


def test_zoom_out_contains_the_window_and_is_up_to_four_times_larger() -> None:
    window = (3.0, 4.0, 33.0, 24.0)
    with rng.fork_rng("zoom"):
        zooms = [zoom_out(window) for _ in range(200)]
    assert all(a <= 3 and b <= 4 and c >= 32.5 and d >= 23.5 for a, b, c, d in zooms)
    ratios = torch.tensor([(c - a) / 30 for a, b, c, d in zooms])
    assert ratios.max() <= 4 + 1e-6
    assert ratios.max() > 3.5
    assert 70 <= int((ratios == 1).sum()) <= 130


def test_iou_crop_always_contains_a_center_and_crops_often() -> None:
    sample = noisy(7, 3)
    sample = sample._replace(ignore=torch.zeros(3, dtype=torch.bool))
    centers = (sample.boxes[:, :2] + sample.boxes[:, 2:]).as_subclass(torch.Tensor) / 2
    with rng.fork_rng("crop"):
        windows = torch.tensor([iou_crop(sample, full_window(sample)) for _ in range(100)])
    inside = ((centers[None] > windows[:, None, :2]) & (centers[None] < windows[:, None, 2:])).all(2)
    assert inside.any(1).all()
    cropped = (windows != torch.tensor(full_window(sample))).any(1)
    assert 60 <= int(cropped.sum()) < 100
    ignored = sample._replace(ignore=torch.ones(3, dtype=torch.bool))
    assert iou_crop(ignored, full_window(sample)) == full_window(sample)


def test_scale_jitter_shows_most_of_the_image_and_boxes_follow() -> None:
    sample = noisy(10, 0)
    _, _, width, height = full_window(sample)
    image = torch.zeros_like(sample.input)
    left, top, right, bottom = (round(side) for side in (0.4 * width, 0.4 * height, 0.7 * width, 0.7 * height))
    image[:, top:bottom, left:right] = 255
    boxes = tv.BoundingBoxes([[left, top, right, bottom]], format="XYXY", canvas_size=size_of(sample)).float()
    sample = sample._replace(input=image, boxes=boxes, labels=torch.tensor([0]), ignore=torch.tensor([False]))
    with rng.fork_rng("jitter"):
        windows = [scale_jitter(sample) for _ in range(100)]
    sides = torch.tensor([((x2 - x1) / width, (y2 - y1) / height) for x1, y1, x2, y2 in windows])
    assert 0.75 / 1.1 <= float(sides.min()) < 0.8
    assert 1.25 < float(sides.max()) <= 4 / 3 * 1.1
    centers = torch.tensor([((x1 + x2) / 2 / width, (y1 + y2) / 2 / height) for x1, y1, x2, y2 in windows])
    assert (centers - 0.5).abs().max() <= 0.1 + 1e-6
    for window in windows:
        result = crop_resize(sample, window, (200, 200))
        mask = (result.input[0] > 184).as_subclass(torch.Tensor)
        rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
        found = torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert (found - result.boxes[0].as_subclass(torch.Tensor)).abs().max() <= 3


def test_area_crop_stays_inside() -> None:
    sample = noisy(8)
    _, _, width, height = full_window(sample)
    with rng.fork_rng("area"):
        windows = torch.tensor([area_crop(sample) for _ in range(100)])
    assert (windows[:, :2] >= 0).all()
    assert (windows[:, 2:] <= torch.tensor([width, height])).all()
    fractions = (windows[:, 2:] - windows[:, :2]).prod(1) / (width * height)
    assert fractions.min() > 0.05
    assert fractions.max() - fractions.min() > 0.5


def test_area_crop_of_a_strip_is_the_whole_strip() -> None:
    strip = noisy(9)._replace(input=tv.Image(torch.zeros(3, 2, 400, dtype=torch.uint8)))
    with rng.fork_rng("strip"):
        assert area_crop(strip) == (0, 0, 400, 2)
