"""The worst mistakes of each type are chosen from a stream, and all are counted."""

import weakref
from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st

from polyhead.analysis.mistakes import Placed, rank
from polyhead.contracts.explained import Mistake

rows = st.lists(st.tuples(st.sampled_from(["missed", "both"]), st.integers(0, 4)))


@given(rows, st.integers(1, 4))
def test_the_worst_are_the_first_of_all_sorted(found: list[tuple[str, int]], most: int) -> None:
    placed = [Placed(number, Mistake(kind, "cat", level / 4)) for number, (kind, level) in enumerate(found)]
    ranking = rank(iter(placed), most)
    assert ranking.counts == Counter(kind for kind, _ in found)
    assert list(ranking.worst) == list(ranking.counts)
    assert list(ranking.counts.values()) == sorted(ranking.counts.values(), reverse=True)
    for kind, worst in ranking.worst.items():
        alike = [each for each in placed if each.mistake.type == kind]
        assert worst == sorted(alike, key=lambda each: -each.mistake.severity)[:most], "of equal ones, the first"


def test_the_memory_does_not_grow_with_the_split() -> None:
    alive: list[Any] = []

    def stream() -> Iterator[Placed]:
        for number in range(200):
            box = torch.zeros(4)
            alive.append(weakref.ref(box))
            yield Placed(number, Mistake("missed", "cat", number % 7 / 7, None, box))
            assert sum(each() is not None for each in alive) <= 5

    assert len(rank(stream(), 3).worst["missed"]) == 3


def test_nothing_is_found_in_nothing() -> None:
    assert rank([], 3) == ({}, {})
