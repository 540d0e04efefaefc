"""What figures share: confusion and places in a set."""

from pathlib import Path

import numpy as np
import pytest
from builders.plot_data import pixels

from polyhead.plotting.figures import LISTED, confusion_matrix, evenly, longest


@pytest.mark.parametrize("classes", [1, 5, 45])
def test_confusion_with_and_without_background(classes: int, tmp_path: Path) -> None:
    names = [
        "ねこ_$x^2",
        *(f"class {number}" for number in range(1, classes)),
    ]  # no font has it, and it is no mathematics
    for size in (classes, classes + 1):
        matrix = np.arange(size * size).reshape(size, size)
        assert pixels(confusion_matrix(matrix, names, tmp_path / "confusion.png")).std() > 1


@pytest.mark.parametrize(("length", "places"), [(1, [0]), (3, [0, 1, 2]), (100, [0, 33, 66, 99])])
def test_places_are_evenly_taken_and_none_twice(length: int, places: list[int]) -> None:
    assert evenly(length, 4) == places


def test_only_the_longest_bars_are_drawn_and_equal_ones_in_their_order() -> None:
    values = np.zeros(LISTED + 5)
    values[-1] = 1
    assert longest(values) == [LISTED + 4, *range(LISTED - 1)]
