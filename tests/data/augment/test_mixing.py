"""Mosaic, MixUp and CutMix: boxes and masks match the colors, and only classes annotated in every image count."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from builders.colored_images import COLORS, colored, extent, meta_of, painted, same, scenes, size_of
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from torchvision import tv_tensors as tv

from polyhead import rng
from polyhead.data.augment.mixing import cutmix, draw_hole, mixup, mosaic, single
from polyhead.data.geometry.affine import affine_matrix
from polyhead.data.geometry.plane import ImageSample
from polyhead.data.geometry.visible import MIN_VISIBLE
from polyhead.kinds.detection import Detection
from polyhead.types import IGNORED, Detections

SIZE = (100, 120)
FOUR = st.tuples(*(scenes(label) for label in range(4)))
CENTERS = st.tuples(st.floats(-60, 60), st.floats(-50, 50))
AFFINES = st.fixed_dictionaries(
    {
        "scale": st.floats(0.5, 1.5),
        "shift": st.tuples(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1)),
        "mirror": st.tuples(st.booleans(), st.booleans()),
    }
)
IDENTITY = affine_matrix(SIZE)


def boxes(sample: ImageSample) -> Tensor:
    """Return the boxes as a plain tensor."""
    plain: Tensor = sample.boxes.as_subclass(Tensor)
    return plain


@settings(max_examples=40, deadline=None)
@given(FOUR, CENTERS, AFFINES)
def test_mosaic_boxes_are_where_their_colors_are(
    samples: tuple[ImageSample, ...], center: tuple[float, float], affine: dict[str, Any]
) -> None:
    before = [deepcopy(sample) for sample in samples]
    result = mosaic(samples, SIZE, center, affine_matrix(SIZE, **affine))
    assert all(same(sample, old) for sample, old in zip(samples, before, strict=True))
    assert result.input.shape == (3, *SIZE)
    assert result.mask is not None
    for box, label, ignored in zip(boxes(result), result.labels.tolist(), result.ignore.tolist(), strict=True):
        if not ignored:
            for shown in (colored(result, label), result.mask.as_subclass(Tensor) == label + 1):
                found = extent(shown)
                assert found is not None
                height, width = size_of(samples[label])
                scale = affine["scale"] * min(SIZE[0] / height, SIZE[1] / width)
                assert (found - box).abs().max() <= 1.5 + 0.5 * max(0.0, scale - 1)
    for label in set(range(4)) - set(result.labels.tolist()):
        assert colored(result, label).sum() <= 2 * max(SIZE)


@settings(max_examples=40, deadline=None)
@given(FOUR, CENTERS, st.floats(-10, 10), st.floats(-5, 5))
def test_rotated_mosaic_boxes_contain_their_colors(
    samples: tuple[ImageSample, ...], center: tuple[float, float], degrees: float, shear: float
) -> None:
    result = mosaic(samples, SIZE, center, affine_matrix(SIZE, degrees, (shear, -shear), 0.8))
    for box, label in zip(boxes(result), result.labels.tolist(), strict=True):
        found = extent(colored(result, label))
        if found is not None:
            assert (box[:2] - found[:2]).max() <= 2.5
            assert (found[2:] - box[2:]).max() <= 2.5


def test_the_four_images_meet_in_the_center() -> None:
    samples = [painted(SIZE, (0, 0, SIZE[1], SIZE[0]), COLORS[label], label) for label in range(4)]
    result = mosaic(samples, SIZE, (10.0, -20.0), IDENTITY)
    x, y = 70, 30
    for label, box in enumerate([(0, 0, x, y), (x, 0, 120, y), (0, y, x, 100), (x, y, 120, 100)]):
        assert extent(colored(result, label)).tolist() == list(box)  # type: ignore[union-attr]  # it exists
        assert boxes(result)[label].tolist() == list(box)


@settings(max_examples=30, deadline=None)
@given(FOUR, CENTERS, AFFINES)
def test_the_frame_of_a_mosaic_maps_back_to_its_first_image(
    samples: tuple[ImageSample, ...], center: tuple[float, float], affine: dict[str, Any]
) -> None:
    result = mosaic(samples, SIZE, center, affine_matrix(SIZE, **affine))
    first = result.labels == 0
    if first.any():
        found = Detections(boxes(result)[first], torch.ones(1), result.labels[first])
        back = Detection().restore(found, meta_of(result, size_of(samples[0]))).boxes
        target = boxes(samples[0])
        assert (back[:, :2] >= target[:, :2] - 0.05).all()
        assert (back[:, 2:] <= target[:, 2:] + 0.05).all()


def test_a_class_not_annotated_in_one_image_is_not_annotated_in_the_result() -> None:
    samples = [painted((60, 60), (5, 5, 50, 50), COLORS[label], label) for label in range(4)]
    samples[2] = samples[2]._replace(annotated=torch.tensor([True, False, True, True]))
    assert mosaic(samples, SIZE, (0.0, 0.0), IDENTITY).annotated.tolist() == [True, False, True, True]
    assert mixup(samples[1], samples[2], 0.5).annotated.tolist() == [True, False, True, True]
    assert cutmix(samples[1], samples[2], (0, 0, 30, 30)).annotated.tolist() == [True, False, True, True]


def test_the_result_has_a_mask_only_if_every_image_has_one() -> None:
    one, other = (painted((60, 60), (5, 5, 50, 50), COLORS[label], label) for label in range(2))
    unmasked = other._replace(mask=None)
    assert mosaic([one, other, other, unmasked], SIZE, (0.0, 0.0), IDENTITY).mask is None
    assert mixup(one, unmasked, 0.5).mask is None
    assert cutmix(one, unmasked, (0, 0, 30, 30)).mask is None


def test_mixup_is_a_weighted_mean_with_all_objects() -> None:
    one, other = painted((50, 50), (0, 0, 30, 50), COLORS[0]), painted((50, 50), (20, 0, 50, 50), COLORS[1], 1)
    result = mixup(one, other, 0.6)
    assert result.input[:, 0, [10, 25, 40]].T.tolist() == [[150, 0, 0], [150, 100, 0], [0, 100, 0]]
    assert result.labels.tolist() == [0, 1]
    assert boxes(result).tolist() == [[0, 0, 30, 50], [20, 0, 50, 50]]
    assert result.mask is not None
    assert result.mask[0, [10, 25, 40]].tolist() == [IGNORED] * 3
    assert mixup(one, one, 0.5).mask[0, [10, 40]].tolist() == [1, 0]  # type: ignore[index]  # both have masks
    assert torch.equal(result.frame, one.frame)


def without_thin_lines(shown: Tensor) -> Tensor:
    """Remove lines of one pixel: strips of less than a pixel next to a hole may color them, but do not count."""
    eroded = -F.max_pool2d(-shown[None].float(), 2, stride=1)
    return F.max_pool2d(F.pad(eroded, (1, 1, 1, 1)), 2, stride=1)[0] > 0


@settings(max_examples=40, deadline=None)
@given(scenes(0), scenes(1), st.integers(0, 10_000))
@example(painted((112, 30), (0, 55, 14, 69), COLORS[0]), painted((30, 30), (0, 0, 14, 14), COLORS[1], 1), 61)
def test_cutmix_boxes_are_where_their_colors_are(one: ImageSample, other: ImageSample, key: int) -> None:
    first, second = (single(sample, SIZE, affine_matrix(SIZE, scale=0.9)) for sample in (one, other))
    before = deepcopy(first), deepcopy(second)
    with rng.fork_rng(key):
        hole = draw_hole(SIZE)
    assert 0 <= hole[0] <= hole[2] <= SIZE[1]
    assert 0 <= hole[1] <= hole[3] <= SIZE[0]
    result = cutmix(first, second, hole)
    assert same(first, before[0])
    assert same(second, before[1])
    for box, label, ignored in zip(boxes(result), result.labels.tolist(), result.ignore.tolist(), strict=True):
        shown = colored(result, label)
        found = [extent(pixels) for pixels in (shown, without_thin_lines(shown))]
        assert ignored or any(hull is not None and (hull - box).abs().max() <= 3 for hull in found)
    total = boxes(first)[0]
    if 0 not in result.labels:
        assert extent(without_thin_lines(colored(result, 0))) is None or (total[2:] - total[:2]).min() < 3


@pytest.mark.parametrize(
    ("hole", "expected"),
    [
        ((0, 0, 30, 60), [30, 10, 50, 50]),
        ((0, 0, 60, 30), [10, 30, 50, 50]),
        ((20, 0, 40, 60), [10, 10, 50, 50]),
        ((0, 0, 30, 30), [10, 10, 50, 50]),
        ((0, 30, 60, 60), [10, 10, 50, 30]),
        ((40, 10, 60, 50), [10, 10, 40, 50]),
        ((5, 5, 55, 55), None),
    ],
)
def test_a_hole_shrinks_a_box_if_it_covers_one_end(hole: tuple[int, int, int, int], expected: list[int] | None) -> None:
    first, second = painted((60, 60), (10, 10, 50, 50), COLORS[0]), painted((60, 60), (0, 0, 1, 1), COLORS[1], 1)
    result = cutmix(first, second, hole)
    assert boxes(result)[result.labels == 0].tolist() == ([] if expected is None else [expected])
    assert not result.ignore[result.labels == 0].any()


def test_strips_of_less_than_a_pixel_next_to_a_hole_do_not_count() -> None:
    first, second = painted((60, 60), (10, 10, 50, 50), COLORS[0]), painted((60, 60), (0, 0, 1, 1), COLORS[1], 1)
    warped = first._replace(boxes=tv.wrap(torch.tensor([[9.8, 9.8, 50.0, 50.05]]), like=first.boxes))
    (box,) = boxes(cutmix(warped, second, (30, 10, 60, 50)))[:1].tolist()
    assert box == pytest.approx([9.8, 9.8, 30, 50.05])
    (box,) = boxes(cutmix(warped, second, (10, 0, 30, 60)))[:1].tolist()
    assert box == pytest.approx([30, 9.8, 50, 50.05])
    (box,) = boxes(cutmix(first, second, (30, 11, 60, 50)))[:1].tolist()
    assert box == [10, 10, 50, 50]


def test_almost_covered_objects_are_ignored() -> None:
    first, second = painted((60, 60), (10, 10, 50, 50), COLORS[0]), painted((60, 60), (0, 0, 60, 60), COLORS[1], 1)
    inside = round(40 * (1 - MIN_VISIBLE)) + 11
    result = cutmix(first, second, (0, 0, inside, 60))
    assert result.ignore[result.labels == 0].tolist() == [True]
    assert result.ignore[result.labels == 1].tolist() == [False]
    assert result.mask is not None
    assert result.mask[30, [5, 30, inside - 1, inside]].tolist() == [2, 2, 2, 1]
