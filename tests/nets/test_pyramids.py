"""Levels are found by stride and pooled without padding; pyramids are split with their masks."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.errors import PolyheadError
from polyhead.nets.heads.classify import Classify
from polyhead.nets.heads.segment import Segment
from polyhead.nets.pyramids import canvas_of, level_at, pool, real_cells, split
from polyhead.types import Pyramid, PyramidSpec, TaskInfo


@pytest.mark.parametrize(("strides", "index"), [([8, 16, 32, 64], 2), ([16], 0), ([8, 16], 1), ([32], 0), ([1], 0)])
def test_a_level_is_found_by_its_stride_else_it_is_the_last(strides: list[int], index: int) -> None:
    assert level_at(PyramidSpec([4] * len(strides), strides), 32) == index


def test_maps_sequences_and_vectors_are_pooled_over_their_cells() -> None:
    maps, sequences, vectors = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 6), torch.randn(2, 3)
    assert torch.equal(pool(maps), maps.mean(dim=(2, 3)))
    assert torch.equal(pool(sequences), sequences.mean(dim=2))
    assert torch.equal(pool(vectors), vectors)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(0, 30), st.floats(-1e3, 1e3))
def test_padding_does_not_change_what_a_head_computes(lengths: list[int], more: int, filling: float) -> None:
    generator = torch.Generator().manual_seed(0)
    head = Classify(PyramidSpec([8], [1]), TaskInfo(["a", "b", "c"])).eval()
    sequences = [torch.randn(1, 8, length, generator=generator) for length in lengths]
    longest = max(lengths) + more
    padded = torch.cat(
        [torch.nn.functional.pad(each, (0, longest - each.shape[2]), value=filling) for each in sequences]
    )
    mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
    with torch.no_grad():
        together = head(Pyramid([padded], mask=mask)).logits
        for row, alone in zip(together, sequences, strict=True):
            torch.testing.assert_close(row, head(Pyramid([alone])).logits[0], atol=1e-6, rtol=0)


def test_a_sequence_that_is_all_padding_has_the_mean_0() -> None:
    mask = torch.tensor([[True, False], [False, False]])
    assert torch.equal(pool(torch.ones(2, 3, 2), mask), torch.tensor([[1.0] * 3, [0.0] * 3]))


def test_padding_is_left_out() -> None:
    level = torch.arange(12.0).reshape(2, 2, 3)  # [b, c, t]
    mask = torch.tensor([[True, True, False], [True, False, False]])
    assert torch.equal(real_cells(level, mask), torch.tensor([[0.0, 3.0], [1.0, 4.0], [6.0, 9.0]]))
    assert real_cells(level, None) is level
    vectors = level[..., 0]
    assert real_cells(vectors, mask) is vectors


def test_a_pyramid_is_split_with_its_mask() -> None:
    pyramid = Pyramid([torch.randn(5, 3, 4), torch.randn(5, 2)], mask=torch.rand(5, 4) > 0.5)
    parts = split(pyramid, [2, 3])
    assert [part.levels[0].shape[0] for part in parts] == [2, 3]
    masks = [part.mask for part in parts if part.mask is not None]
    assert torch.equal(torch.cat(masks), pyramid.mask)  # type: ignore[arg-type]  # it is not None
    assert torch.equal(torch.cat([part.levels[1] for part in parts]), pyramid.levels[1])
    assert [part.mask for part in split(Pyramid([torch.randn(5, 3)]), [2, 3])] == [None, None]


def test_a_head_that_needs_an_image_says_so() -> None:
    head = Segment(PyramidSpec([3], [1]), TaskInfo(["background", "cat"]))
    with pytest.raises(PolyheadError, match=r"its backbone does not read images. Use another head for this task"):
        head(Pyramid([torch.randn(1, 3, 4, 4)]))
    assert canvas_of(Pyramid([], (4, 6))) == (4, 6)
