"""The plots in a run's ``plots/`` folder: of the training data before training, and of the results after it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from polyhead.analysis.curves import progress
from polyhead.contracts.operating import Conf
from polyhead.data.loading.source import TaskData
from polyhead.data.loading.streams import Steps
from polyhead.kinds import kinds_of_run, stored_kind
from polyhead.plotting import draw
from polyhead.plotting.figures import CELL, evenly_spaced, save_image
from polyhead.run import Run
from polyhead.types import Sample

SHOWN = 8
"""Samples of a split that are drawn with targets and predictions."""
BATCH_CELL, BATCH_SHOWN = 320, 16
"""Pixels of an image of a training batch, and maximum number of images."""


def data(run: Run, task: TaskData) -> list[Path]:
    """Plot the training data of a task: statistics of its targets, and its first training batch; return the files."""
    path = task.kind.plot_data(task.targets("train"), task.name, run.plots / f"labels.{task.name}.png")
    loader = task.train(1, lambda: 0, 0, 1)
    samples: Any = loader.dataset  # DataLoader is typed by its batches, not by its samples
    sampler = loader.batch_sampler
    assert isinstance(sampler, Steps)
    first = [samples[index] for index in sampler.at(0)[:BATCH_SHOWN]]
    batch = train_batch(first, task, run.plots / f"train_batch.{task.name}.png")
    return [each for each in (path, batch) if each is not None]


def training_curves(run: Run) -> Path | None:
    """Plot the columns of ``results.csv``; return the file, or None where there are no rows."""
    rows = run.epochs
    title = f"{run.name}: training curves"
    return progress(rows, kinds_of_run(run), title, run.plots / "results.png") if rows else None


def results(run: Run, task: str, split: str) -> list[Path]:
    """Plot the stored predictions of a task on a split into files ``PLOT.TASK.SPLIT.png``; return the files."""
    stored = run.predictions_path(split, task)
    kind = stored_kind(stored)
    tested = kind.load(stored, task)
    subject = _subject(run, task, split, len(tested.ids))
    return kind.plot_results(tested, subject, lambda plot: run.plots / f"{plot}.{task}.{split}.png")


def examples(
    run: Run, task: TaskData, split: str, predict: Callable[[Sample], Any], conf: Conf = draw.CONFIDENT
) -> Path | None:
    """Draw evenly spaced samples of a split, targets on the left and confident predictions on the right.

    Args:
        run: the run.
        task: the task.
        split: the split.
        predict: returns the prediction for a decoded sample.
        conf: lowest score of what is drawn.

    Returns:
        The file; None where inputs cannot be drawn.
    """
    images, titles = [], []
    for index in evenly_spaced(len(task.readers[split]), SHOWN):
        sample = task.sample(split, index)
        original = task.modality.draw(sample.input)
        if original is None:
            return None
        image = draw.fit(original, CELL)
        scale = max(image.size) / max(original.size)
        found = task.kind.confident(predict(sample), conf)
        pair = task.kind.target_marks(sample.target, task.names), task.kind.marks(found, task.names)
        images += [draw.draw(image, [marks.scaled(scale)]) for marks in pair]
        titles += [f"{Path(sample.meta.id).name}: target", "prediction"]
    path = run.plots / f"target_prediction.{task.name}.{split}.png"
    heading = f"{_subject(run, task.name, split, len(task.readers[split]))}; {len(images) // 2} shown"
    return save_image(draw.grid(images, columns=4, cell=CELL, titles=titles, heading=heading), path)


def _subject(run: Run, task: str, split: str, count: int) -> str:
    """Return what a plot is of, for its title."""
    return f"{run.name}: {task}, {split}, n = {count}"


def train_batch(samples: Sequence[Sample], task: TaskData, path: Path) -> Path | None:
    """Draw training samples as the network gets them, with their targets; None where inputs cannot be drawn."""
    images = []
    for sample in samples:
        original = task.modality.draw(sample.input)
        if original is None:
            return None
        image = draw.fit(original, BATCH_CELL)
        marks = task.kind.target_marks(sample.target, task.names).scaled(max(image.size) / max(original.size))
        images.append(draw.draw(image, [marks]))
    titles = [Path(sample.meta.id).name for sample in samples]
    return save_image(draw.grid(images, cell=BATCH_CELL, titles=titles), path)
