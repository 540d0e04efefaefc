"""Random erasing and grid mask: only what is hidden changes, and objects that are nearly gone become ignored."""

import numpy as np
import torch
from builders.colored_images import COLOURS, copied, painted, same
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from polyhead import rng
from polyhead.data.augment.erasing import erase, grid_mask, hide
from polyhead.data.geometry.crop import GREY
from polyhead.types import IGNORED, Sample

SAMPLE = painted((60, 90), (10, 10, 50, 50), COLOURS[0])


def changed(before: Sample, after: Sample) -> Tensor:
    """Which pixels ``[h, w]`` are not what they were."""
    hit: Tensor = (before.input != after.input).as_subclass(Tensor).any(0)
    return hit


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_erasing_puts_noise_in_one_rectangle(key: int) -> None:
    before = copied(SAMPLE)
    with rng.seeded(key):
        seen = erase(SAMPLE)
    assert same(SAMPLE, before)
    hit = changed(SAMPLE, seen)
    rows, columns = hit.any(1), hit.any(0)
    assert 0.015 <= float(rows.sum() * columns.sum()) / (60 * 90) <= 0.21
    assert hit.sum() >= 0.98 * rows.sum() * columns.sum()
    assert seen.mask is not None
    assert ((seen.mask == IGNORED) >= hit).all()
    assert seen.boxes.tolist() == SAMPLE.boxes.tolist()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_a_grid_hides_about_a_quarter(key: int) -> None:
    with rng.seeded(key):
        seen = grid_mask(SAMPLE)
    hidden = (seen.input == GREY).as_subclass(Tensor).all(0)
    assert 0.08 <= float(hidden.float().mean()) <= 0.4
    assert torch.equal(seen.input[:, ~hidden], SAMPLE.input[:, ~hidden])
    assert torch.equal(hidden, hidden.any(1)[:, None] & hidden.any(0))


def test_objects_nearly_gone_are_ignored_and_hidden_ones_go() -> None:
    rows = np.ones(60, np.bool_)
    for stop, labels, ignore in ((45, [0], [False]), (47, [0], [True]), (50, [], [])):
        seen = hide(SAMPLE, rows, np.arange(90) < stop)
        assert (seen.labels.tolist(), seen.ignore.tolist()) == (labels, ignore)


def test_a_rectangle_larger_than_the_picture_is_cut() -> None:
    strip = painted((3, 300), (10, 0, 50, 3), COLOURS[0])
    with rng.seeded("strip"):
        for _ in range(30):
            assert erase(strip).input.shape == (3, 3, 300)
            assert grid_mask(strip).input.shape == (3, 3, 300)
