"""Every plot is made, without warnings and global figures; what it shows is checked where it can be."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from PIL import Image
from toys import Squares, Tints

from polyhead.analysis import plots
from polyhead.analysis.draw import GAP
from polyhead.data.source import Source, TaskData
from polyhead.data.synthetic import Scenes
from polyhead.metrics import store
from polyhead.metrics.curves import Curves
from polyhead.metrics.masks import pixels as pixels_of
from polyhead.run import Run, write_rows
from polyhead.types import Detections, Labels, Mask

NAMES = ["bright", "dark"]


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.array(picture.convert("RGB"))


def rows() -> list[dict[str, Any]]:
    return [
        {
            "stage": epoch // 3,
            "epoch": epoch % 3,
            "time": epoch * 2.5,
            "train/loss": 3 - epoch / 2,
            "train/food/box": 2 - epoch / 4,
            "val/food/box": "" if epoch % 2 else 2.0,
            "val/food/ap50": "" if epoch % 2 else epoch / 10,
            "val/food/ap": "nan",
            "lr": 0.001,
        }
        for epoch in range(5)
    ]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path, "run")


@pytest.fixture
def task() -> TaskData:
    return TaskData("squares", Source(Squares(12), split={"val": 0.3, "test": 0.3}, workers=0, batch=4), (32, 32), 0)


def test_panels_put_train_and_val_together_and_leave_gaps_out() -> None:
    panels = plots.group([{key: str(value) for key, value in row.items()} for row in rows()])
    assert set(panels) == {"time / seconds", "loss", "food/box", "food: average precision", "lr"}
    assert panels["food/box"] == {
        "train": ([1, 2, 3, 4, 5], [2.0, 1.75, 1.5, 1.25, 1.0]),
        "val": ([1, 3, 5], [2.0] * 3),
    }
    assert panels["food: average precision"] == {"ap50": ([1, 3, 5], [0.0, 0.2, 0.4])}
    assert plots.place("lr/heads.food") == ("lr", "heads.food")


def test_a_run_gets_all_its_plots(run: Run, task: TaskData) -> None:
    loaded = "matplotlib.pyplot" in sys.modules
    made = plots.data(run, task)
    assert plots.results(run, [task]) == []
    write_rows(run.results_csv, rows())
    assert [path.name for path in plots.results(run, [task])] == ["results.png"]
    truths = task.truths("val")
    found = {truth.id: Detections(truth.boxes, torch.tensor([0.9]), truth.labels) for truth in truths}
    store.save(run.predictions_of("val", "squares"), found, task.names)
    made += plots.results(run, [task])
    assert sorted(path.name for path in made) == sorted(path.name for path in run.plots.iterdir())
    assert {path.name for path in made} == {
        "labels.squares.png",
        "train_batch.squares.png",
        "results.png",
        "val_truth_prediction.squares.png",
        "pr_curve.squares.png",
        "f1_curve.squares.png",
        "confusion_matrix.squares.png",
    }
    for path in made:
        assert pixels(path).std() > 1
    assert ("matplotlib.pyplot" in sys.modules) == loaded  # its figures are global state


def test_the_training_batch_is_the_one_that_is_trained_on(run: Run, task: TaskData) -> None:
    plots.data(run, task)
    drawn = pixels(run.plots / "train_batch.squares.png")
    first = next(iter(task.train(3, lambda: 0, 0, 3)))
    again = plots.train_batch(first, task.names, run.plots / "again.png")
    np.testing.assert_array_equal(drawn, pixels(again))


def test_classes_of_whole_pictures_are_counted(tmp_path: Path) -> None:
    reader = Tints(9)
    truths = [reader.annotation(index) for index in range(9)]
    assert pixels(plots.labels(truths, reader.names, "tints", tmp_path / "labels.png")).std() > 1


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
    for function in (plots.precision_recall, plots.f1):
        assert pixels(function(wavy(classes), names, tmp_path / "curve.png")).std() > 1


@pytest.mark.parametrize("classes", [1, 5, 45])
def test_confusion_with_and_without_background(classes: int, tmp_path: Path) -> None:
    names = [
        "ねこ_$x^2",
        *(f"class {number}" for number in range(1, classes)),
    ]  # no font has it, and it is no mathematics
    for size in (classes, classes + 1):
        matrix = np.arange(size * size).reshape(size, size)
        assert pixels(plots.confusion_matrix(matrix, names, tmp_path / "confusion.png")).std() > 1


def test_truth_beside_prediction_has_two_cells_a_picture(tmp_path: Path) -> None:
    reader = Squares(3)
    nothing = Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))
    found = {reader.annotation(index).id: nothing for index in range(3)}
    path = plots.truth_beside_prediction(reader, found, NAMES, tmp_path / "val.png", count=8)
    width, height = 4 * (plots.CELL + 8) + 8, 2 * plots.CELL
    assert pixels(path).shape[1] == width
    assert pixels(path).shape[0] > height


def masked(count: int = 12) -> TaskData:
    scenes = Scenes(count, size=48, truth="masks")
    return TaskData("pixels", Source(scenes, split={"val": 0.3, "test": 0.3}, workers=0, batch=4), (32, 32), 0)


def test_a_run_of_masks_gets_its_plots(run: Run) -> None:
    task = masked()
    made = plots.data(run, task)
    found = {truth.id: task.mask("val", truth.id) for truth in task.truths("val")}
    counts = {name: pixels_of(Mask(mask.where(mask < 255, 0)), mask, len(task.names)) for name, mask in found.items()}
    store.save_pixels(run.predictions_of("val", "pixels"), counts, task.names)
    made += plots.results(run, [task])
    path = run.plots / "val_truth_prediction.pixels.png"
    made.append(plots.truth_beside_mask(task.readers["val"], lambda sample: Mask(found[sample.id]), task.names, path))
    assert {path.name for path in made} == {
        "labels.pixels.png",
        "train_batch.pixels.png",
        "iou.pixels.png",
        "confusion_matrix.pixels.png",
        "val_truth_prediction.pixels.png",
    }
    for path in made:
        assert pixels(path).std() > 1
    picture = pixels(run.plots / "val_truth_prediction.pixels.png")
    left, right = (GAP + number * (plots.CELL + GAP) for number in (0, 1))
    shown = picture[40:400]  # below the titles; what was predicted is the truth
    assert (shown[:, left : left + plots.CELL] == shown[:, right : right + plots.CELL]).all()


def test_a_classifier_gets_a_confusion_matrix(run: Run) -> None:
    task = TaskData("tints", Source(Tints(12), split={"val": 0.3, "test": 0.3}, workers=0, batch=4), (32, 32), 0)
    truths = task.truths("val")
    said = {truth.id: Labels(torch.eye(3)[int(truth.value)]) for truth in truths if truth.value is not None}
    store.save_labels(run.predictions_of("val", "tints"), said, truths, task.names)
    assert [path.name for path in plots.results(run, [task])] == ["confusion_matrix.tints.png"]


def test_objects_are_counted_where_pictures_have_a_value_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []
    monkeypatch.setattr(Axes, "set_title", lambda _, title, **__: titles.append(title))
    scenes = Scenes(6, size=48)
    truths = [scenes.annotation(index) for index in range(6)]
    plots.labels(truths, scenes.names, "scenes", tmp_path / "labels.png")
    objects = sum(int((~truth.ignore).sum()) for truth in truths)
    assert titles[0].startswith(f"scenes: {objects} objects in 6 pictures")
