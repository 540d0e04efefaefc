"""Plots of boxes are drawn without warnings; their content is checked where possible."""

from pathlib import Path

import numpy as np
import pytest
from builders.plot_data import pixels
from matplotlib.axes import Axes

from polyhead.plotting import box_plots
from polyhead.plotting.figures import MAX_BARS


@pytest.mark.parametrize("classes", [1, 3, MAX_BARS + 5])
@pytest.mark.parametrize("objects", [0, 50])
def test_objects_of_few_and_many_classes(
    classes: int, objects: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    corners = np.sort(random.random((objects, 2, 2)), axis=1).reshape(objects, 4)
    counts = np.bincount(random.integers(classes, size=objects), minlength=classes)
    names = ["$cost$", *(f"class {number}" for number in range(1, classes))]
    assert pixels(box_plots.objects(counts, corners, names, "food", 9, tmp_path / "labels.png")).std() > 1
    titles: list[str] = []
    monkeypatch.setattr(Axes, "set_title", lambda _, title, **__: titles.append(title))
    box_plots.objects(counts, corners, names, "food", 9, tmp_path / "labels.png")
    more = f" (the {MAX_BARS} most frequent)" if classes > MAX_BARS else ""
    noun = "class" if classes == 1 else "classes"
    expected = [f"food: {objects} objects in 9 images, {classes} {noun}{more}"]
    assert titles == expected + ["box centers", "box sizes"] * bool(objects)


def wavy(classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return thresholds, recall and precision."""
    thresholds = np.linspace(0, 1, 11)
    recall = np.tile(1 - thresholds, (classes, 1))
    precision = np.tile(0.5 + thresholds / 2, (classes, 1))
    precision[:, -1] = np.nan
    if classes:
        recall[0] = np.nan
    return thresholds, recall, precision


@pytest.mark.parametrize("classes", [1, 2, 3, 30])
def test_curves_of_few_and_many_classes(classes: int, tmp_path: Path) -> None:
    """The first class has no objects."""
    names = ["$cost$", *(f"class {number}" for number in range(1, classes))]
    thresholds, recall, precision = wavy(classes)
    assert (
        pixels(box_plots.precision_recall(recall, precision, recall[:, 0], names, "run", tmp_path / "curve.png")).std()
        > 1
    )
    assert pixels(box_plots.f1(thresholds, recall * 0.9, names, "run", tmp_path / "curve.png")).std() > 1
