"""Building blocks of plots: confusion matrices, evenly spaced indices, largest values."""

from pathlib import Path

import numpy as np
import pytest
from builders.plot_data import pixels

from polyhead.plotting.figures import MAX_BARS, confusion_matrix, evenly_spaced, largest


@pytest.mark.parametrize("classes", [1, 5, 45])
@pytest.mark.filterwarnings("ignore::polyhead.errors.PolyheadWarning")
def test_confusion_with_and_without_background(classes: int, tmp_path: Path) -> None:
    names = [
        "ねこ_$x^2",
        *(f"class {number}" for number in range(1, classes)),
    ]  # not in the font, and not math text
    for size in (classes, classes + 1):
        matrix = np.arange(size * size).reshape(size, size)
        assert pixels(confusion_matrix(matrix, names, tmp_path / "confusion.png")).std() > 1


@pytest.mark.parametrize(("length", "indices"), [(1, [0]), (3, [0, 1, 2]), (100, [0, 33, 66, 99])])
def test_indices_are_evenly_spaced_and_unique(length: int, indices: list[int]) -> None:
    assert evenly_spaced(length, 4) == indices


def test_only_the_largest_values_are_drawn_and_equal_ones_in_their_order() -> None:
    values = np.zeros(MAX_BARS + 5)
    values[-1] = 1
    assert largest(values) == [MAX_BARS + 4, *range(MAX_BARS - 1)]
