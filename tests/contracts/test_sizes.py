"""The size of a step is a function of the run's seed, the stage and the step."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from polyhead.contracts.sizes import side_at

SIDES = list(range(320, 609, 32))


@given(st.lists(st.integers(1, 8192), min_size=1, max_size=12), st.integers(0, 2**62), st.integers(0, 5))
def test_each_step_has_one_of_the_sizes_whatever_was_drawn_before(sizes: list[int], seed: int, stage: int) -> None:
    one, other = side_at(sizes, seed, stage), side_at(sizes, seed, stage)
    assert one is not None
    assert other is not None
    forward = [one(step) for step in range(20)]
    assert [other(step) for step in reversed(range(20))] == forward[::-1]
    assert set(forward) <= set(sizes)


def test_all_sizes_are_drawn_about_equally_often() -> None:
    side = side_at(SIDES, 0, 0)
    assert side is not None
    counts = Counter(map(side, range(5000)))
    assert sorted(counts) == SIDES
    assert all(400 < count < 600 for count in counts.values())


def test_seeds_and_stages_draw_other_sizes() -> None:
    drawn = []
    for seed, stage in ((0, 0), (1, 0), (0, 1)):
        side = side_at(SIDES, seed, stage)
        assert side is not None
        drawn.append([side(step) for step in range(20)])
    assert len({tuple(each) for each in drawn}) == 3


def test_without_sizes_there_is_no_function() -> None:
    assert side_at(None, 0, 0) is None
