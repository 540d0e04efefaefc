"""Plots of boxes are drawn without warnings; their content is checked where possible."""

from pathlib import Path

import numpy as np
import pytest
import torch
from builders.plot_data import pixels
from builders.toy_parts import Squares, Tints
from matplotlib.axes import Axes

from polyhead.analysis import box_plots
from polyhead.data.synthetic.scenes import Scenes
from polyhead.metrics.curves import Curves
from polyhead.plotting import figures
from polyhead.types import Detections


def test_classes_of_whole_images_are_counted(tmp_path: Path) -> None:
    reader = Tints(9)
    targets = [reader.annotation(index) for index in range(9)]
    assert pixels(box_plots.labels(targets, reader.names, "tints", tmp_path / "labels.png")).std() > 1


def test_objects_are_counted_where_images_also_have_a_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []
    monkeypatch.setattr(Axes, "set_title", lambda _, title, **__: titles.append(title))
    scenes = Scenes(6, size=48)
    targets = [scenes.annotation(index) for index in range(6)]
    box_plots.labels(targets, scenes.names, "scenes", tmp_path / "labels.png")
    objects = sum(int((~target.ignore).sum()) for target in targets)
    assert titles[0].startswith(f"scenes: {objects} objects in 6 images")


def wavy(classes: int) -> Curves:
    thresholds = np.linspace(0, 1, 11)
    recall = np.tile(1 - thresholds, (classes, 1))
    precision = np.tile(0.5 + thresholds / 2, (classes, 1))
    precision[:, -1] = np.nan
    if classes:
        recall[0] = np.nan
    return Curves(thresholds, precision, recall, recall * 0.9)


@pytest.mark.parametrize("classes", [1, 2, 3, 30])
def test_curves_of_few_and_many_classes(classes: int, tmp_path: Path) -> None:
    names = ["$cost$", *(f"class {number}" for number in range(1, classes))]
    for function in (box_plots.precision_recall, box_plots.f1):
        assert pixels(function(wavy(classes), names, tmp_path / "curve.png")).std() > 1


def test_targets_and_predictions_have_two_cells_per_image(tmp_path: Path) -> None:
    reader = Squares(3)
    empty = Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))
    found = {reader.annotation(index).id: empty for index in range(3)}
    path = box_plots.targets_and_predictions(reader, found, reader.names, tmp_path / "val.png", count=8)
    width, height = 4 * (figures.CELL + 8) + 8, 2 * figures.CELL
    assert pixels(path).shape[1] == width
    assert pixels(path).shape[0] > height
