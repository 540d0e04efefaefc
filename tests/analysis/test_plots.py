"""Every plot is drawn without warnings and global figures; its content is checked where possible."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from builders.plot_data import pixels, rows
from builders.toy_parts import Squares, Tints

from polyhead.analysis import plots
from polyhead.analysis.mask_plots import targets_and_masks
from polyhead.data.loading.source import Source, TaskData
from polyhead.data.synthetic.scenes import Scenes
from polyhead.metrics import store
from polyhead.metrics.masks import count_pixels
from polyhead.plotting.draw import GAP
from polyhead.plotting.figures import CELL
from polyhead.run import Run, write_rows
from polyhead.types import Detections, Labels, Mask


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path, "run")


@pytest.fixture
def task() -> TaskData:
    return TaskData("squares", Source(Squares(12), split={"val": 0.3, "test": 0.3}, workers=0, batch=4), (32, 32), 0)


def test_a_run_gets_all_its_plots(run: Run, task: TaskData) -> None:
    loaded = "matplotlib.pyplot" in sys.modules
    made = plots.data(run, task)
    assert plots.results(run, [task]) == []
    write_rows(run.results_csv, rows())
    assert [path.name for path in plots.results(run, [task])] == ["results.png"]
    targets = task.targets("val")
    found = {target.id: Detections(target.boxes, torch.tensor([0.9]), target.labels) for target in targets}
    store.save(run.predictions_path("val", "squares"), found, task.names)
    made += plots.results(run, [task])
    assert sorted(path.name for path in made) == sorted(path.name for path in run.plots.iterdir())
    assert {path.name for path in made} == {
        "labels.squares.png",
        "train_batch.squares.png",
        "results.png",
        "val_target_prediction.squares.png",
        "pr_curve.squares.png",
        "f1_curve.squares.png",
        "confusion_matrix.squares.png",
    }
    for path in made:
        assert pixels(path).std() > 1
    assert ("matplotlib.pyplot" in sys.modules) == loaded  # pyplot has global figures


def test_the_training_batch_is_the_one_that_is_trained_on(run: Run, task: TaskData) -> None:
    plots.data(run, task)
    drawn = pixels(run.plots / "train_batch.squares.png")
    first = next(iter(task.train(3, lambda: 0, 0, 3)))
    again = plots.train_batch(first, task.names, run.plots / "again.png")
    np.testing.assert_array_equal(drawn, pixels(again))


def masked(count: int = 12) -> TaskData:
    scenes = Scenes(count, size=48, target="masks")
    return TaskData("pixels", Source(scenes, split={"val": 0.3, "test": 0.3}, workers=0, batch=4), (32, 32), 0)


def test_a_run_of_masks_gets_its_plots(run: Run) -> None:
    task = masked()
    made = plots.data(run, task)
    found = {target.id: task.mask("val", target.id) for target in task.targets("val")}
    counts = {
        name: count_pixels(Mask(mask.where(mask < 255, 0)), mask, len(task.names)) for name, mask in found.items()
    }
    store.save_pixels(run.predictions_path("val", "pixels"), counts, task.names)
    made += plots.results(run, [task])
    path = run.plots / "val_target_prediction.pixels.png"
    made.append(targets_and_masks(task.readers["val"], lambda sample: Mask(found[sample.id]), task.names, path))
    assert {path.name for path in made} == {
        "labels.pixels.png",
        "train_batch.pixels.png",
        "iou.pixels.png",
        "confusion_matrix.pixels.png",
        "val_target_prediction.pixels.png",
    }
    for path in made:
        assert pixels(path).std() > 1
    image = pixels(run.plots / "val_target_prediction.pixels.png")
    left, right = (GAP + number * (CELL + GAP) for number in (0, 1))
    shown = image[40:400]  # below the titles; the predictions are the targets
    assert (shown[:, left : left + CELL] == shown[:, right : right + CELL]).all()


def test_a_classifier_gets_a_confusion_matrix(run: Run) -> None:
    task = TaskData("tints", Source(Tints(12), split={"val": 0.3, "test": 0.3}, workers=0, batch=4), (32, 32), 0)
    targets = task.targets("val")
    predicted = {target.id: Labels(torch.eye(3)[int(target.value)]) for target in targets if target.value is not None}
    store.save_labels(run.predictions_path("val", "tints"), predicted, targets, task.names)
    assert [path.name for path in plots.results(run, [task])] == ["confusion_matrix.tints.png"]
