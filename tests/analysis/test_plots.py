"""Every plot is drawn without warnings and global figures; its content is checked where possible."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from builders.box_cases import target
from builders.plot_data import pixels, rows
from builders.toy_parts import Squares, Tints

from polyhead.analysis import plots
from polyhead.contracts.kind import Tested, reduced
from polyhead.contracts.reader import Reader
from polyhead.data.loading.source import Source, TaskData
from polyhead.data.synthetic.scenes import Scenes
from polyhead.modalities.image import Image
from polyhead.plotting.draw import GAP, GRAY, PALETTE
from polyhead.plotting.figures import CELL
from polyhead.run import Run, write_rows
from polyhead.types import Detections, Labels, Mask, Meta, Sample
from polyhead.workflows.tasks import open_tasks


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path, "run")


def opened(name: str, reader: Reader) -> TaskData:
    source = Source(reader, split={"val": 0.3, "test": 0.3}, workers=0, batch=4)
    return open_tasks({name: source}, (32, 32), 0)[name]


@pytest.fixture
def task() -> TaskData:
    return opened("squares", Squares(12))


@pytest.fixture
def masked() -> TaskData:
    return opened("pixels", Scenes(12, size=48, target="masks"))


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make images an input that cannot be drawn."""
    monkeypatch.setattr(Image, "draw", lambda *_: None)


def test_a_run_gets_all_its_plots(run: Run, task: TaskData) -> None:
    loaded = "matplotlib.pyplot" in sys.modules
    made = plots.data(run, task)
    assert plots.training_curves(run) is None
    write_rows(run.results_csv, rows())
    curves = plots.training_curves(run)
    assert curves is not None
    made.append(curves)
    targets = task.targets("val")
    found = {each: Detections(targets[each].boxes, torch.tensor([0.9]), targets[each].labels) for each in targets.ids}
    task.kind.save(run.predictions_path("val", "squares"), targets, found)
    made += plots.results(run, "squares", "val")
    drawn = plots.examples(run, task, "val", lambda sample: found[sample.meta.id])
    assert drawn is not None
    made.append(drawn)
    assert sorted(path.name for path in made) == sorted(path.name for path in run.plots.iterdir())
    assert {path.name for path in made} == {
        "labels.squares.png",
        "train_batch.squares.png",
        "results.png",
        "target_prediction.squares.val.png",
        "pr_curve.squares.val.png",
        "f1_curve.squares.val.png",
        "confusion_matrix.squares.val.png",
    }
    for path in made:
        assert pixels(path).std() > 1
    assert ("matplotlib.pyplot" in sys.modules) == loaded  # pyplot has global figures


def test_the_training_batch_is_the_one_that_is_trained_on(run: Run, task: TaskData) -> None:
    plots.data(run, task)
    drawn = pixels(run.plots / "train_batch.squares.png")
    batch = next(iter(task.train(3, lambda: 0, 0, 3)))
    assert isinstance(batch.inputs, torch.Tensor)
    samples = [
        Sample(image, target(boxes, labels, 2, size=(32, 32)), meta)
        for image, boxes, labels, meta in zip(
            batch.inputs, batch.target.boxes, batch.target.labels, batch.meta, strict=True
        )
    ]
    again = plots.train_batch(samples, task, run.plots / "again.png")
    assert again is not None
    np.testing.assert_array_equal(drawn, pixels(again))


def test_a_training_batch_has_the_colors_of_the_classes_and_ignored_objects_are_gray(run: Run, task: TaskData) -> None:
    image = torch.zeros(3, 100, 100, dtype=torch.uint8)
    objects = target([[20, 30, 60, 70], [70, 70, 90, 90]], [1, 0], 2, ignore=[False, True], size=(100, 100))
    samples = [
        Sample(image, objects, Meta("a/first.jpg")),
        Sample(image, target([], [], 2, size=(100, 100)), Meta("second.jpg")),
    ]
    path = plots.train_batch(samples, task, run.plots / "batch.png")
    assert path is not None
    cells = pixels(path)
    side, top = plots.BATCH_CELL, len(cells) - GAP - plots.BATCH_CELL
    first, second = (cells[top : top + side, left : left + side] for left in (GAP, 2 * GAP + side))

    def shows(cell: np.ndarray, color: tuple[int, int, int]) -> bool:
        return bool((cell == color).all(2).any())

    assert cells.shape[1] == 2 * side + 3 * GAP
    assert shows(first, PALETTE[1])
    assert shows(first, GRAY)
    assert not shows(first, PALETTE[0])
    assert not any(shows(second, color) for color in (PALETTE[0], PALETTE[1], GRAY))
    scale = side / 100
    assert (first[round(30 * scale) + 1, round(40 * scale)] == PALETTE[1]).all(), "boxes are enlarged with the image"


def test_of_a_large_batch_only_some_samples_are_drawn(
    run: Run, task: TaskData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots, "BATCH_SHOWN", 1)
    plots.data(run, task)
    assert pixels(run.plots / "train_batch.squares.png").shape[1] == plots.BATCH_CELL + 2 * GAP


def test_a_training_batch_of_masks_shows_them(run: Run, masked: TaskData) -> None:
    plots.data(run, masked)
    drawn = pixels(run.plots / "train_batch.pixels.png")
    loader = masked.train(1, lambda: 0, 0, 1)
    batch = next(iter(loader))
    assert isinstance(batch.inputs, torch.Tensor)
    empty = Mask(torch.zeros(32, 32, dtype=torch.uint8))
    plain = [Sample(image, empty, meta) for image, meta in zip(batch.inputs, batch.meta, strict=True)]
    assert plots.train_batch(plain, masked, run.plots / "plain.png") is not None
    without = pixels(run.plots / "plain.png")
    assert drawn.shape[1] == without.shape[1]
    assert drawn.shape != without.shape or (drawn != without).any()


def test_a_run_of_masks_gets_its_plots(run: Run, masked: TaskData) -> None:
    made = plots.data(run, masked)
    targets = masked.targets("val")
    found = {each: targets[each].classes for each in targets.ids}
    counts = {each: reduced(targets, each, Mask(mask.where(mask < 255, 0))) for each, mask in found.items()}
    masked.kind.save(run.predictions_path("val", "pixels"), targets, counts)
    made += plots.results(run, "pixels", "val")
    drawn = plots.examples(run, masked, "val", lambda sample: Mask(found[sample.meta.id]))
    assert drawn is not None
    assert {path.name for path in [*made, drawn]} == {
        "labels.pixels.png",
        "train_batch.pixels.png",
        "iou.pixels.val.png",
        "confusion_matrix.pixels.val.png",
        "target_prediction.pixels.val.png",
    }
    for path in [*made, drawn]:
        assert pixels(path).std() > 1
    image = pixels(run.plots / "target_prediction.pixels.val.png")
    left, right = (GAP + number * (CELL + GAP) for number in (0, 1))
    shown = image[80:440]  # below the titles; the predictions are the targets
    assert (shown[:, left : left + CELL] == shown[:, right : right + CELL]).all()


def test_a_classifier_gets_a_confusion_matrix(run: Run) -> None:
    task = opened("tints", Tints(12))
    targets = task.targets("val")
    predicted = {each: Labels(torch.eye(3)[int(targets[each].label)]) for each in targets.ids}
    task.kind.save(run.predictions_path("val", "tints"), targets, predicted)
    assert [path.name for path in plots.results(run, "tints", "val")] == ["confusion_matrix.tints.val.png"]


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_plot_of_results_is_of_the_split_that_it_names(
    split: str, run: Run, task: TaskData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both splits have stored predictions; titles have the run, the task, the split and the number of images."""
    for each, score in (("val", 0.5), ("test", 0.75)):
        targets = task.targets(each)
        found = {id_: Detections(targets[id_].boxes, torch.tensor([score]), targets[id_].labels) for id_ in targets.ids}
        task.kind.save(run.predictions_path(each, "squares"), targets, found)
    shown: list[tuple[list[str], str]] = []

    def record(tested: Tested, subject: str, file: Callable[[str], Path]) -> list[Path]:
        shown.append((tested.ids, subject))
        return [file("curve")]

    monkeypatch.setattr(task.kind.__class__, "plot_results", lambda _, *given: record(*given))
    assert plots.results(run, "squares", split) == [run.plots / f"curve.squares.{split}.png"]
    ids = task.targets(split).ids
    assert shown == [(ids, f"run: squares, {split}, n = {len(ids)}")]


def test_targets_and_confident_predictions_have_two_cells_per_image(run: Run, task: TaskData) -> None:
    empty = Detections(torch.tensor([[0.0, 0, 9, 9]]), torch.tensor([0.1]), torch.tensor([1]))
    path = plots.examples(run, task, "val", lambda _: empty)
    assert path is not None
    shown = pixels(path)
    count = min(plots.SHOWN, len(task.readers["val"]))
    assert shown.shape[1] == 4 * (CELL + GAP) + GAP
    assert shown.shape[0] > -(-2 * count // 4) * CELL
    right = shown[80:440, 2 * GAP + CELL : 2 * (GAP + CELL)]
    assert not (right == PALETTE[1]).all(2).any(), "a detection with a low score is not drawn"


@pytest.mark.usefixtures("blind")
def test_inputs_that_cannot_be_drawn_have_no_plots_of_samples(run: Run, task: TaskData) -> None:
    assert [path.name for path in plots.data(run, task)] == ["labels.squares.png"]
    assert plots.examples(run, task, "val", lambda _: None) is None
    assert [path.name for path in run.plots.iterdir()] == ["labels.squares.png"]
