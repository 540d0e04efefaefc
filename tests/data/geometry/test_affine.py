"""Affine transforms move pixels, boxes, mask and frame of an image together, and boxes stay on the canvas."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from builders.colored_images import COLORS, colored, extent, meta_of, painted, same, scenes, size_of
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from polyhead.data.augment.mixing import single
from polyhead.data.geometry.affine import Placement, affine_matrix, compose, paste, transform_points
from polyhead.data.geometry.crop import GRAY
from polyhead.data.geometry.plane import ImageSample
from polyhead.data.geometry.visible import MIN_SIDE, MIN_VISIBLE, concat
from polyhead.kinds.detection import Detection
from polyhead.types import IGNORED, Detections, Size

SIZE = (90, 70)
SHIFTS = st.floats(-0.3, 0.3)
UPRIGHT = st.fixed_dictionaries(
    {
        "scale": st.floats(0.4, 1.8),
        "shift": st.tuples(SHIFTS, SHIFTS),
        "mirror": st.tuples(st.booleans(), st.booleans()),
    }
)
ROTATED = st.fixed_dictionaries(
    {
        "degrees": st.floats(-40, 40),
        "shear": st.tuples(st.floats(-15, 15), st.floats(-15, 15)),
        "scale": st.floats(0.4, 1.8),
        "shift": st.tuples(SHIFTS, SHIFTS),
        "mirror": st.tuples(st.booleans(), st.booleans()),
    }
)


def canvas_scale(result: ImageSample, size: Size) -> float:
    """Return canvas pixels per pixel of the original image, which has this size."""
    origin, right, _ = result.frame.as_subclass(Tensor)
    return float((right - origin).norm()) / size[1]


@settings(max_examples=40, deadline=None)
@given(scenes(), UPRIGHT)
def test_upright_boxes_match_the_color(sample: ImageSample, affine: dict[str, Any]) -> None:
    before = deepcopy(sample)
    result = single(sample, SIZE, affine_matrix(SIZE, **affine))
    assert same(sample, before)
    assert result.input.shape == (3, *SIZE)
    assert result.mask is not None
    allowed = 1.5 + 0.5 * max(0.0, canvas_scale(result, size_of(sample)) - 1)
    for shown in (colored(result, 0), result.mask.as_subclass(Tensor) == 1):
        found = extent(shown)
        if len(result.boxes) and not result.ignore[0]:
            assert found is not None
            assert (found - result.boxes[0].as_subclass(Tensor)).abs().max() <= allowed


@settings(max_examples=40, deadline=None)
@given(scenes(), ROTATED)
def test_rotated_boxes_contain_the_color(sample: ImageSample, affine: dict[str, Any]) -> None:
    before = deepcopy(sample)
    result = single(sample, SIZE, affine_matrix(SIZE, **affine))
    assert same(sample, before)
    found = extent(colored(result, 0))
    if found is not None:
        assert len(result.boxes) == 1
        box = result.boxes[0].as_subclass(Tensor)
        allowed = 1.5 + 0.5 * max(0.0, canvas_scale(result, size_of(sample)) - 1)
        assert (box[:2] - found[:2]).max() <= allowed
        assert (found[2:] - box[2:]).max() <= allowed


@settings(max_examples=40, deadline=None)
@given(scenes(), ROTATED)
def test_boxes_are_on_the_canvas_and_barely_visible_objects_are_ignored(
    sample: ImageSample, affine: dict[str, Any]
) -> None:
    matrix = affine_matrix(SIZE, **affine)
    result = single(sample, SIZE, matrix)
    boxes = result.boxes.as_subclass(Tensor)
    assert boxes.dtype == torch.float32
    assert (boxes >= 0).all()
    assert (boxes <= torch.tensor([SIZE[1], SIZE[0]]).repeat(2)).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert result.boxes.canvas_size == result.frame.canvas_size == SIZE
    if len(boxes):
        left, top, right, bottom = sample.boxes[0].tolist()
        size = torch.tensor([sample.input.shape[2], sample.input.shape[1]])
        origin, across, down = result.frame.as_subclass(Tensor)
        linear = torch.stack([across - origin, down - origin], 1) / size
        corners = torch.tensor([[left, top], [right, top], [left, bottom], [right, bottom]]) @ linear.T + origin
        hull = (corners.amax(0) - corners.amin(0)).prod()
        sides = boxes[0, 2:] - boxes[0, :2]
        fraction = sides.prod() / hull
        if abs(float(fraction) - MIN_VISIBLE) > 1e-3 and abs(float(sides.min()) - MIN_SIDE) > 1e-3:
            assert bool(result.ignore[0]) == bool(fraction < MIN_VISIBLE or sides.min() <= MIN_SIDE)


@settings(max_examples=40, deadline=None)
@given(scenes(), ROTATED)
def test_the_frame_maps_back_to_the_original(sample: ImageSample, affine: dict[str, Any]) -> None:
    result = single(sample, (400, 400), affine_matrix((400, 400), **{**affine, "shift": (0.0, 0.0), "scale": 0.4}))
    found = Detections(result.boxes.as_subclass(Tensor), torch.ones(1), result.labels)
    back = Detection().restore(found, meta_of(result, size_of(sample))).boxes
    target = sample.boxes.as_subclass(Tensor)
    assert (back[:, :2] <= target[:, :2] + 0.01).all()
    assert (back[:, 2:] >= target[:, 2:] - 0.01).all()
    if not affine["degrees"] and affine["shear"] == (0, 0):
        assert (back - target).abs().max() <= 0.01


def test_a_rotation_by_90_degrees_maps_right_to_down() -> None:
    sample = painted((40, 40), (20, 10, 40, 20), COLORS[0])
    result = single(sample, (40, 40), affine_matrix((40, 40), degrees=90.0))
    assert result.boxes.as_subclass(Tensor).round().tolist() == [[20, 20, 30, 40]]
    assert extent(colored(result, 0)).tolist() == [20, 20, 30, 40]  # type: ignore[union-attr]  # it exists


def test_the_empty_canvas_is_gray_and_ignored() -> None:
    sample = painted((40, 20), (0, 0, 20, 40), COLORS[1])
    result = single(sample, (40, 40), affine_matrix((40, 40)))
    assert (result.input[:, :, :10] == GRAY).all()
    assert (result.input[1, :, 10:30] == 250).all()
    assert (result.input[:, :, 30:] == GRAY).all()
    assert result.mask is not None
    assert (result.mask[:, :10] == IGNORED).all()
    assert (result.mask[:, 10:30] == 1).all()
    assert result.boxes.tolist() == [[10, 0, 30, 40]]


def test_ignored_objects_remain_and_invisible_ones_are_removed() -> None:
    sample = painted((40, 40), (0, 0, 10, 10), COLORS[1])._replace(ignore=torch.tensor([True]))
    matrix = np.array([[1.0, 0.0, -5.0], [0.0, 1.0, 0.0]])
    assert paste([Placement(sample, matrix)], (40, 40)).ignore.tolist() == [True]
    matrix[0, 2] = -10.0
    assert paste([Placement(sample, matrix)], (40, 40)).labels.tolist() == []
    matrix[0, 2] = 500.0
    away = paste([Placement(sample, matrix)], (40, 40))
    assert (away.input == GRAY).all()
    assert away.labels.tolist() == []


@pytest.mark.parametrize("degrees", [0.0, 3.0])
def test_shrinking_averages_every_pixel(degrees: float) -> None:
    sample = painted((800, 800), (0, 0, 800, 800), COLORS[0])
    lines = sample.input.clone()
    lines[:, :, ::2] = 0
    result = single(sample._replace(input=lines), (40, 40), affine_matrix((40, 40), degrees))
    inner = result.input[0, 8:32, 8:32].float()
    assert (inner - 125).abs().max() <= 6


def test_compose_scales_and_shifts_before_the_matrix() -> None:
    matrix = affine_matrix((40, 60), 20.0, (5.0, -3.0), 1.5, (0.1, 0.2), (True, False))
    points = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    chained = transform_points(points, compose(matrix, 2.0, (7.0, -1.0)))
    assert torch.allclose(chained, transform_points(2 * points + torch.tensor([7.0, -1.0]), matrix), atol=1e-4)
    assert torch.allclose(transform_points(torch.zeros(1, 2), matrix), torch.tensor([[36.0, 28.0]]))


def test_concat_counts_a_class_as_annotated_only_if_it_is_in_every_sample() -> None:
    one, other = painted((30, 30), (0, 0, 9, 9), COLORS[0]), painted((30, 30), (5, 5, 20, 20), COLORS[1], 1)
    other = other._replace(annotated=torch.tensor([True, True, False, True]), ignore=torch.tensor([True]))
    both = concat([one, other])
    assert both.annotated.tolist() == [True, True, False, True]
    assert both.labels.tolist() == [0, 1]
    assert both.ignore.tolist() == [False, True]
    assert torch.equal(both.frame, one.frame)
    assert type(both.boxes) is type(one.boxes)
