"""Mixed pictures: every object is where its colour is; what is unknown in one part is unknown in the whole."""

from typing import Any

import pytest
import torch
from builders.colored_images import COLOURS, coloured, copied, extent, painted, same, scenes
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from torchvision import tv_tensors as tv

from polyhead import rng
from polyhead.boxes.postprocess import restore
from polyhead.data.augment.mixing import alone, cutmix, draw_hole, mixup, mosaic
from polyhead.data.geometry.affine import camera
from polyhead.data.geometry.visible import SEEN
from polyhead.types import IGNORED, Detections, Sample

SIZE = (100, 120)
FOUR = st.tuples(*(scenes(label) for label in range(4)))
CENTRES = st.tuples(st.floats(-60, 60), st.floats(-50, 50))
CAMERAS = st.fixed_dictionaries(
    {
        "scale": st.floats(0.5, 1.5),
        "shift": st.tuples(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1)),
        "mirror": st.tuples(st.booleans(), st.booleans()),
    }
)
STILL = camera(SIZE)


def boxes(sample: Sample) -> Tensor:
    plain: Tensor = sample.boxes.as_subclass(Tensor)
    return plain


@settings(max_examples=40, deadline=None)
@given(FOUR, CENTRES, CAMERAS)
def test_mosaic_boxes_are_where_their_colours_are(
    samples: tuple[Sample, ...], centre: tuple[float, float], how: dict[str, Any]
) -> None:
    before = [copied(sample) for sample in samples]
    seen = mosaic(samples, SIZE, centre, camera(SIZE, **how))
    assert all(same(sample, old) for sample, old in zip(samples, before, strict=True))
    assert seen.input.shape == (3, *SIZE)
    assert seen.mask is not None
    for box, label, ignored in zip(boxes(seen), seen.labels.tolist(), seen.ignore.tolist(), strict=True):
        if not ignored:
            for shown in (coloured(seen, label), seen.mask.as_subclass(Tensor) == label + 1):
                found = extent(shown)
                assert found is not None
                height, width = samples[label].size
                scale = how["scale"] * min(SIZE[0] / height, SIZE[1] / width)
                assert (found - box).abs().max() <= 1.5 + 0.5 * max(0.0, scale - 1)
    for label in set(range(4)) - set(seen.labels.tolist()):
        assert coloured(seen, label).sum() <= 2 * max(SIZE)


@settings(max_examples=40, deadline=None)
@given(FOUR, CENTRES, st.floats(-10, 10), st.floats(-5, 5))
def test_turned_mosaic_boxes_hold_their_colours(
    samples: tuple[Sample, ...], centre: tuple[float, float], degrees: float, shear: float
) -> None:
    seen = mosaic(samples, SIZE, centre, camera(SIZE, degrees, (shear, -shear), 0.8))
    for box, label in zip(boxes(seen), seen.labels.tolist(), strict=True):
        found = extent(coloured(seen, label))
        if found is not None:
            assert (box[:2] - found[:2]).max() <= 2.5
            assert (found[2:] - box[2:]).max() <= 2.5


def test_the_four_meet_in_the_point() -> None:
    samples = [painted(SIZE, (0, 0, SIZE[1], SIZE[0]), COLOURS[label], label) for label in range(4)]
    seen = mosaic(samples, SIZE, (10.0, -20.0), STILL)
    x, y = 70, 30
    for label, box in enumerate([(0, 0, x, y), (x, 0, 120, y), (0, y, x, 100), (x, y, 120, 100)]):
        assert extent(coloured(seen, label)).tolist() == list(box)  # type: ignore[union-attr]  # it is there
        assert boxes(seen)[label].tolist() == list(box)
    assert seen.id == "painted 0"
    assert seen.value == 0


@settings(max_examples=30, deadline=None)
@given(FOUR, CENTRES, CAMERAS)
def test_the_frame_of_a_mosaic_leads_back_to_its_first_picture(
    samples: tuple[Sample, ...], centre: tuple[float, float], how: dict[str, Any]
) -> None:
    seen = mosaic(samples, SIZE, centre, camera(SIZE, **how))
    first = seen.labels == 0
    if first.any():
        found = Detections(boxes(seen)[first], torch.ones(1), seen.labels[first])
        back = restore(found, seen.frame, seen.size).boxes
        truth = boxes(samples[0])
        assert (back[:, :2] >= truth[:, :2] - 0.05).all()
        assert (back[:, 2:] <= truth[:, 2:] + 0.05).all()


def test_a_class_unknown_in_one_part_is_unknown_in_the_whole() -> None:
    samples = [painted((60, 60), (5, 5, 50, 50), COLOURS[label], label) for label in range(4)]
    samples[2] = samples[2]._replace(annotated=torch.tensor([True, False, True, True]))
    assert mosaic(samples, SIZE, (0.0, 0.0), STILL).annotated.tolist() == [True, False, True, True]
    assert mixup(samples[1], samples[2], 0.5).annotated.tolist() == [True, False, True, True]
    assert cutmix(samples[1], samples[2], (0, 0, 30, 30)).annotated.tolist() == [True, False, True, True]


def test_masks_need_every_picture_to_have_one() -> None:
    one, other = (painted((60, 60), (5, 5, 50, 50), COLOURS[label], label) for label in range(2))
    bare = other._replace(mask=None)
    assert mosaic([one, other, other, bare], SIZE, (0.0, 0.0), STILL).mask is None
    assert mixup(one, bare, 0.5).mask is None
    assert cutmix(one, bare, (0, 0, 30, 30)).mask is None


def test_mixup_is_a_weighted_mean_with_all_objects() -> None:
    one, other = painted((50, 50), (0, 0, 30, 50), COLOURS[0]), painted((50, 50), (20, 0, 50, 50), COLOURS[1], 1)
    seen = mixup(one, other, 0.6)
    assert seen.input[:, 0, [10, 25, 40]].T.tolist() == [[150, 0, 0], [150, 100, 0], [0, 100, 0]]
    assert seen.labels.tolist() == [0, 1]
    assert boxes(seen).tolist() == [[0, 0, 30, 50], [20, 0, 50, 50]]
    assert seen.mask is not None
    assert seen.mask[0, [10, 25, 40]].tolist() == [IGNORED] * 3
    assert mixup(one, one, 0.5).mask[0, [10, 40]].tolist() == [1, 0]  # type: ignore[index]  # both have masks
    assert (seen.id, seen.value) == (one.id, one.value)


def thick(shown: Tensor) -> Tensor:
    """Without lines of one pixel: a rest of less than a pixel beside a hole is nothing, but may colour them."""
    whole = -F.max_pool2d(-shown[None].float(), 2, stride=1)
    return F.max_pool2d(F.pad(whole, (1, 1, 1, 1)), 2, stride=1)[0] > 0


@settings(max_examples=40, deadline=None)
@given(scenes(0), scenes(1), st.integers(0, 10_000))
@example(painted((112, 30), (0, 55, 14, 69), COLOURS[0]), painted((30, 30), (0, 0, 14, 14), COLOURS[1], 1), 61)
def test_cutmix_boxes_are_where_their_colours_are(one: Sample, other: Sample, key: int) -> None:
    first, second = (alone(sample, SIZE, camera(SIZE, scale=0.9)) for sample in (one, other))
    before = copied(first), copied(second)
    with rng.seeded(key):
        hole = draw_hole(SIZE)
    assert 0 <= hole[0] <= hole[2] <= SIZE[1]
    assert 0 <= hole[1] <= hole[3] <= SIZE[0]
    seen = cutmix(first, second, hole)
    assert same(first, before[0])
    assert same(second, before[1])
    for box, label, ignored in zip(boxes(seen), seen.labels.tolist(), seen.ignore.tolist(), strict=True):
        shown = coloured(seen, label)
        found = [extent(pixels) for pixels in (shown, thick(shown))]
        assert ignored or any(around is not None and (around - box).abs().max() <= 3 for around in found)
    total = boxes(first)[0]
    if 0 not in seen.labels:
        assert extent(thick(coloured(seen, 0))) is None or (total[2:] - total[:2]).min() < 3


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
def test_a_hole_shrinks_a_box_where_it_takes_an_end(
    hole: tuple[int, int, int, int], expected: list[int] | None
) -> None:
    first, second = painted((60, 60), (10, 10, 50, 50), COLOURS[0]), painted((60, 60), (0, 0, 1, 1), COLOURS[1], 1)
    seen = cutmix(first, second, hole)
    assert boxes(seen)[seen.labels == 0].tolist() == ([] if expected is None else [expected])
    assert not seen.ignore[seen.labels == 0].any()


def test_what_a_hole_leaves_of_less_than_a_pixel_is_nothing() -> None:
    first, second = painted((60, 60), (10, 10, 50, 50), COLOURS[0]), painted((60, 60), (0, 0, 1, 1), COLOURS[1], 1)
    warped = first._replace(boxes=tv.wrap(torch.tensor([[9.8, 9.8, 50.0, 50.05]]), like=first.boxes))
    (box,) = boxes(cutmix(warped, second, (30, 10, 60, 50)))[:1].tolist()
    assert box == pytest.approx([9.8, 9.8, 30, 50.05])
    (box,) = boxes(cutmix(warped, second, (10, 0, 30, 60)))[:1].tolist()
    assert box == pytest.approx([30, 9.8, 50, 50.05])
    (box,) = boxes(cutmix(first, second, (30, 11, 60, 50)))[:1].tolist()
    assert box == [10, 10, 50, 50]


def test_nearly_covered_objects_are_ignored() -> None:
    first, second = painted((60, 60), (10, 10, 50, 50), COLOURS[0]), painted((60, 60), (0, 0, 60, 60), COLOURS[1], 1)
    inside = round(40 * (1 - SEEN)) + 11
    seen = cutmix(first, second, (0, 0, inside, 60))
    assert seen.ignore[seen.labels == 0].tolist() == [True]
    assert seen.ignore[seen.labels == 1].tolist() == [False]
    assert seen.mask is not None
    assert seen.mask[30, [5, 30, inside - 1, inside]].tolist() == [2, 2, 2, 1]
