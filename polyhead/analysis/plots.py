"""The plots in a run's ``plots/`` folder: of the training data before training, and of the results after it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from polyhead.analysis.box_plots import f1, labels, precision_recall, targets_and_predictions
from polyhead.analysis.curves import progress
from polyhead.analysis.errors import CONFIDENT
from polyhead.analysis.mask_plots import iou_bars, pixel_fractions
from polyhead.data.loading.source import TaskData
from polyhead.data.loading.streams import Steps, collate
from polyhead.metrics import store
from polyhead.metrics.curves import confusion, curves
from polyhead.metrics.masks import PixelCounts, masks
from polyhead.metrics.matching import match
from polyhead.plotting import draw
from polyhead.plotting.figures import confusion_matrix, save_image
from polyhead.run import Run, read_rows
from polyhead.types import Batch


def data(run: Run, task: TaskData) -> list[Path]:
    """Plot the training data of a task: its classes and boxes, and its first training batch; return the files."""
    loader = task.train(1, lambda: 0, 0, 1)
    samples: Any = loader.dataset  # DataLoader is typed by its batches, not by its samples
    sampler = loader.batch_sampler
    assert isinstance(sampler, Steps)
    first = collate([samples[index] for index in sampler.at(0)])
    path = run.plots / f"labels.{task.name}.png"
    return [
        pixel_fractions(task.class_pixels("train"), task.names, task.name, path)
        if task.has_masks
        else labels(task.targets("train"), task.names, task.name, path),
        train_batch(first, task.names, run.plots / f"train_batch.{task.name}.png"),
    ]


def results(run: Run, tasks: Iterable[TaskData]) -> list[Path]:
    """Plot the training curves, and the stored val predictions of each task; return the files.

    A plot is left out where its numbers do not exist: no rows in ``results.csv``, or no stored predictions.
    """
    rows = read_rows(run.results_csv)
    made = [progress(rows, run.plots / "results.png")] if rows else []
    return [*made, *(path for task in tasks for path in _task_plots(run, task))]


def _task_plots(run: Run, task: TaskData) -> list[Path]:
    """Plot the stored val predictions of a task."""
    stored = run.predictions_path("val", task.name)
    if not stored.is_file():
        return []
    kind = store.kind(stored)
    if kind == "pixels":
        return _pixel_plots(run, task.name, *store.load_pixels(stored))
    if kind == "labels":
        predicted, names = store.load_labels(stored)
        matrix = np.zeros((len(names), len(names)), dtype=np.int64)
        np.add.at(matrix, (predicted.target, predicted.probabilities.argmax(axis=1)), 1)
        return [confusion_matrix(matrix, names, run.plots / f"confusion_matrix.{task.name}.png")]
    found, names = store.load(stored)
    targets = task.targets("val")
    steps = curves(match(targets, found, names, np.array([0.5])))
    matrix = confusion(targets, found, names, CONFIDENT)
    title = f"confusion, IoU 0.5, score {CONFIDENT} and above"
    return [
        targets_and_predictions(
            task.readers["val"], found, names, run.plots / f"val_target_prediction.{task.name}.png"
        ),
        precision_recall(steps, names, run.plots / f"pr_curve.{task.name}.png"),
        f1(steps, names, run.plots / f"f1_curve.{task.name}.png"),
        confusion_matrix(matrix, names, run.plots / f"confusion_matrix.{task.name}.png", title),
    ]


def _pixel_plots(run: Run, task: str, found: Mapping[str, PixelCounts], names: Sequence[str]) -> list[Path]:
    """Plot the IoU of each class and the confusion matrix of the pixels."""
    counts = [*found.values()]
    matrix = torch.stack([image.counts for image in counts]).sum(0).numpy()  # [c, c + 1]
    return [
        iou_bars(masks(counts, names), task, run.plots / f"iou.{task}.png"),
        confusion_matrix(matrix, names, run.plots / f"confusion_matrix.{task}.png"),
    ]


def train_batch(batch: Batch, names: Sequence[str], path: Path) -> Path:
    """Draw training images as the network sees them."""
    return save_image(draw.batch(batch, names), path)
