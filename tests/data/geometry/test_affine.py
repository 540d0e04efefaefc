"""Warps: pixels, boxes, mask and frame of every picture go to the same place, and nothing leaves the canvas."""

from typing import Any

import numpy as np
import pytest
import torch
from builders.colored_images import COLOURS, coloured, copied, extent, painted, same, scenes
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from polyhead.boxes.postprocess import restore
from polyhead.data.augment.mixing import alone
from polyhead.data.geometry.affine import Patch, camera, collage, moved, placed
from polyhead.data.geometry.crop import GREY
from polyhead.data.geometry.visible import LEAST, SEEN, join
from polyhead.types import IGNORED, Detections, Sample

SIZE = (90, 70)
SHARES = st.floats(-0.3, 0.3)
UPRIGHT = st.fixed_dictionaries(
    {
        "scale": st.floats(0.4, 1.8),
        "shift": st.tuples(SHARES, SHARES),
        "mirror": st.tuples(st.booleans(), st.booleans()),
    }
)
TURNED = st.fixed_dictionaries(
    {
        "degrees": st.floats(-40, 40),
        "shear": st.tuples(st.floats(-15, 15), st.floats(-15, 15)),
        "scale": st.floats(0.4, 1.8),
        "shift": st.tuples(SHARES, SHARES),
        "mirror": st.tuples(st.booleans(), st.booleans()),
    }
)


def steepness(sample: Sample) -> float:
    """Pixels of the canvas for one of the picture."""
    origin, right, _ = sample.frame.as_subclass(Tensor)
    return float((right - origin).norm()) / sample.size[1]


@settings(max_examples=40, deadline=None)
@given(scenes(), UPRIGHT)
def test_upright_boxes_are_where_the_colour_is(sample: Sample, how: dict[str, Any]) -> None:
    before = copied(sample)
    seen = alone(sample, SIZE, camera(SIZE, **how))
    assert same(sample, before)
    assert seen.input.shape == (3, *SIZE)
    assert seen.mask is not None
    allowed = 1.5 + 0.5 * max(0.0, steepness(seen) - 1)
    for shown in (coloured(seen, 0), seen.mask.as_subclass(Tensor) == 1):
        found = extent(shown)
        if len(seen.boxes) and not seen.ignore[0]:
            assert found is not None
            assert (found - seen.boxes[0].as_subclass(Tensor)).abs().max() <= allowed


@settings(max_examples=40, deadline=None)
@given(scenes(), TURNED)
def test_turned_boxes_hold_the_colour(sample: Sample, how: dict[str, Any]) -> None:
    before = copied(sample)
    seen = alone(sample, SIZE, camera(SIZE, **how))
    assert same(sample, before)
    found = extent(coloured(seen, 0))
    if found is not None:
        assert len(seen.boxes) == 1
        box = seen.boxes[0].as_subclass(Tensor)
        allowed = 1.5 + 0.5 * max(0.0, steepness(seen) - 1)
        assert (box[:2] - found[:2]).max() <= allowed
        assert (found[2:] - box[2:]).max() <= allowed


@settings(max_examples=40, deadline=None)
@given(scenes(), TURNED)
def test_nothing_lies_outside_and_hardly_seen_objects_are_ignored(sample: Sample, how: dict[str, Any]) -> None:
    matrix = camera(SIZE, **how)
    seen = alone(sample, SIZE, matrix)
    boxes = seen.boxes.as_subclass(Tensor)
    assert boxes.dtype == torch.float32
    assert (boxes >= 0).all()
    assert (boxes <= torch.tensor([SIZE[1], SIZE[0]]).repeat(2)).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert seen.boxes.canvas_size == seen.frame.canvas_size == SIZE
    if len(boxes):
        left, top, right, bottom = sample.boxes[0].tolist()
        size = torch.tensor([sample.size[1], sample.size[0]])
        origin, across, down = seen.frame.as_subclass(Tensor)
        turn = torch.stack([across - origin, down - origin], 1) / size
        corners = torch.tensor([[left, top], [right, top], [left, bottom], [right, bottom]]) @ turn.T + origin
        hull = (corners.amax(0) - corners.amin(0)).prod()
        sides = boxes[0, 2:] - boxes[0, :2]
        share = sides.prod() / hull
        if abs(float(share) - SEEN) > 1e-3 and abs(float(sides.min()) - LEAST) > 1e-3:
            assert bool(seen.ignore[0]) == bool(share < SEEN or sides.min() <= LEAST)


@settings(max_examples=40, deadline=None)
@given(scenes(), TURNED)
def test_the_frame_leads_back(sample: Sample, how: dict[str, Any]) -> None:
    seen = alone(sample, (400, 400), camera((400, 400), **{**how, "shift": (0.0, 0.0), "scale": 0.4}))
    found = Detections(seen.boxes.as_subclass(Tensor), torch.ones(1), seen.labels)
    back = restore(found, seen.frame, seen.size).boxes
    truth = sample.boxes.as_subclass(Tensor)
    assert (back[:, :2] <= truth[:, :2] + 0.01).all()
    assert (back[:, 2:] >= truth[:, 2:] - 0.01).all()
    if not how["degrees"] and how["shear"] == (0, 0):
        assert (back - truth).abs().max() <= 0.01


def test_a_quarter_turn_takes_right_to_down() -> None:
    sample = painted((40, 40), (20, 10, 40, 20), COLOURS[0])
    seen = alone(sample, (40, 40), camera((40, 40), degrees=90.0))
    assert seen.boxes.as_subclass(Tensor).round().tolist() == [[20, 20, 30, 40]]
    assert extent(coloured(seen, 0)).tolist() == [20, 20, 30, 40]  # type: ignore[union-attr]  # it is there


def test_what_no_picture_covers_is_grey_and_ignored() -> None:
    sample = painted((40, 20), (0, 0, 20, 40), COLOURS[1])
    seen = alone(sample, (40, 40), camera((40, 40)))
    assert (seen.input[:, :, :10] == GREY).all()
    assert (seen.input[1, :, 10:30] == 250).all()
    assert (seen.input[:, :, 30:] == GREY).all()
    assert seen.mask is not None
    assert (seen.mask[:, :10] == IGNORED).all()
    assert (seen.mask[:, 10:30] == 1).all()
    assert seen.boxes.tolist() == [[10, 0, 30, 40]]


def test_ignored_objects_stay_and_unseen_ones_go() -> None:
    sample = painted((40, 40), (0, 0, 10, 10), COLOURS[1])._replace(ignore=torch.tensor([True]))
    beside = np.array([[1.0, 0.0, -5.0], [0.0, 1.0, 0.0]])
    assert collage([Patch(sample, beside)], (40, 40)).ignore.tolist() == [True]
    beside[0, 2] = -10.0
    assert collage([Patch(sample, beside)], (40, 40)).labels.tolist() == []
    beside[0, 2] = 500.0
    away = collage([Patch(sample, beside)], (40, 40))
    assert (away.input == GREY).all()
    assert away.labels.tolist() == []


@pytest.mark.parametrize("degrees", [0.0, 3.0])
def test_shrinking_looks_at_every_pixel(degrees: float) -> None:
    sample = painted((800, 800), (0, 0, 800, 800), COLOURS[0])
    lines = sample.input.clone()
    lines[:, :, ::2] = 0
    seen = alone(sample._replace(input=lines), (40, 40), camera((40, 40), degrees))
    inner = seen.input[0, 8:32, 8:32].float()
    assert (inner - 125).abs().max() <= 6


def test_matrices_chain() -> None:
    matrix = camera((40, 60), 20.0, (5.0, -3.0), 1.5, (0.1, 0.2), (True, False))
    points = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    chained = moved(points, placed(matrix, 2.0, (7.0, -1.0)))
    assert torch.allclose(chained, moved(2 * points + torch.tensor([7.0, -1.0]), matrix), atol=1e-4)
    assert torch.allclose(moved(torch.zeros(1, 2), matrix), torch.tensor([[36.0, 28.0]]))


def test_joined_samples_know_only_what_all_know() -> None:
    one, other = painted((30, 30), (0, 0, 9, 9), COLOURS[0]), painted((30, 30), (5, 5, 20, 20), COLOURS[1], 1)
    other = other._replace(annotated=torch.tensor([True, True, False, True]), ignore=torch.tensor([True]))
    both = join([one, other])
    assert both.annotated.tolist() == [True, True, False, True]
    assert both.labels.tolist() == [0, 1]
    assert both.ignore.tolist() == [False, True]
    assert (both.id, both.size, both.value) == (one.id, one.size, one.value)
    assert type(both.boxes) is type(one.boxes)
