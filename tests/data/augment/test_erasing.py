"""Random erasing and grid mask: only hidden pixels change, and almost fully hidden objects become ignored."""

from copy import deepcopy

import numpy as np
import torch
from builders.colored_images import COLORS, painted, same
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from polyhead import rng
from polyhead.data.augment.erasing import erase, grid_mask, hide
from polyhead.data.geometry.crop import GRAY
from polyhead.data.geometry.plane import ImageSample
from polyhead.types import IGNORED

SAMPLE = painted((60, 90), (10, 10, 50, 50), COLORS[0])


def changed(before: ImageSample, after: ImageSample) -> Tensor:
    """Return which pixels ``[h, w]`` differ."""
    hit: Tensor = (before.input != after.input).as_subclass(Tensor).any(0)
    return hit


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_erase_fills_one_rectangle_with_noise(key: int) -> None:
    before = deepcopy(SAMPLE)
    with rng.fork_rng(key):
        result = erase(SAMPLE)
    assert same(SAMPLE, before)
    hit = changed(SAMPLE, result)
    rows, columns = hit.any(1), hit.any(0)
    assert 0.015 <= float(rows.sum() * columns.sum()) / (60 * 90) <= 0.21
    assert hit.sum() >= 0.98 * rows.sum() * columns.sum()
    assert result.mask is not None
    assert ((result.mask == IGNORED) >= hit).all()
    assert result.boxes.tolist() == SAMPLE.boxes.tolist()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_grid_mask_hides_about_a_quarter(key: int) -> None:
    with rng.fork_rng(key):
        result = grid_mask(SAMPLE)
    hidden = (result.input == GRAY).as_subclass(Tensor).all(0)
    assert 0.08 <= float(hidden.float().mean()) <= 0.4
    assert torch.equal(result.input[:, ~hidden], SAMPLE.input[:, ~hidden])
    assert torch.equal(hidden, hidden.any(1)[:, None] & hidden.any(0))


def test_almost_hidden_objects_are_ignored_and_hidden_ones_removed() -> None:
    rows = np.ones(60, np.bool_)
    for stop, labels, ignore in ((45, [0], [False]), (47, [0], [True]), (50, [], [])):
        result = hide(SAMPLE, rows, np.arange(90) < stop)
        assert (result.labels.tolist(), result.ignore.tolist()) == (labels, ignore)


def test_a_rectangle_larger_than_the_image_is_clipped() -> None:
    strip = painted((3, 300), (10, 0, 50, 3), COLORS[0])
    with rng.fork_rng("strip"):
        for _ in range(30):
            assert erase(strip).input.shape == (3, 3, 300)
            assert grid_mask(strip).input.shape == (3, 3, 300)
