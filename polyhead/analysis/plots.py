"""The pictures in a run's ``plots/``: of what its tasks learn from, and of what came of it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from polyhead.analysis.box_plots import f1, labels, precision_recall, truth_beside_prediction
from polyhead.analysis.curves import progress
from polyhead.analysis.errors import CONFIDENT
from polyhead.analysis.mask_plots import iou_bars, pixel_shares
from polyhead.data.loading.source import TaskData
from polyhead.data.loading.streams import Steps, collate
from polyhead.metrics import store
from polyhead.metrics.curves import confusion, curves
from polyhead.metrics.masks import Pixels, masks
from polyhead.metrics.matching import match
from polyhead.plotting import draw
from polyhead.plotting.figures import confusion_matrix, save_picture
from polyhead.run import Run, read_rows
from polyhead.types import Batch


def data(run: Run, task: TaskData) -> list[Path]:
    """What a task is about to learn from: its classes and boxes, and its first training batch; returns the files."""
    loader = task.train(1, lambda: 0, 0, 1)
    samples: Any = loader.dataset  # its type is that of the batches
    sampler = loader.batch_sampler
    assert isinstance(sampler, Steps)
    first = collate([samples[index] for index in sampler.at(0)])
    path = run.plots / f"labels.{task.name}.png"
    return [
        pixel_shares(task.census("train"), task.names, task.name, path)
        if task.masked
        else labels(task.truths("train"), task.names, task.name, path),
        train_batch(first, task.names, run.plots / f"train_batch.{task.name}.png"),
    ]


def results(run: Run, tasks: Iterable[TaskData]) -> list[Path]:
    """How the training went, and what the stored val predictions of its tasks are worth; returns the files.

    What there are no numbers for is left out: no rows, or no stored predictions.
    """
    rows = read_rows(run.results_csv)
    made = [progress(rows, run.plots / "results.png")] if rows else []
    return [*made, *(path for task in tasks for path in _of_task(run, task))]


def _of_task(run: Run, task: TaskData) -> list[Path]:
    stored = run.predictions_of("val", task.name)
    if not stored.is_file():
        return []
    kind = store.kind(stored)
    if kind == "pixels":
        return _of_pixels(run, task.name, *store.load_pixels(stored))
    if kind == "labels":
        said, names = store.load_labels(stored)
        matrix = np.zeros((len(names), len(names)), dtype=np.int64)
        np.add.at(matrix, (said.true, said.probabilities.argmax(axis=1)), 1)
        return [confusion_matrix(matrix, names, run.plots / f"confusion_matrix.{task.name}.png")]
    found, names = store.load(stored)
    truths = task.truths("val")
    steps = curves(match(truths, found, names, np.array([0.5])))
    matrix = confusion(truths, found, names, CONFIDENT)
    title = f"confusion, IoU 0.5, score {CONFIDENT} and above"
    return [
        truth_beside_prediction(task.readers["val"], found, names, run.plots / f"val_truth_prediction.{task.name}.png"),
        precision_recall(steps, names, run.plots / f"pr_curve.{task.name}.png"),
        f1(steps, names, run.plots / f"f1_curve.{task.name}.png"),
        confusion_matrix(matrix, names, run.plots / f"confusion_matrix.{task.name}.png", title),
    ]


def _of_pixels(run: Run, task: str, found: Mapping[str, Pixels], names: Sequence[str]) -> list[Path]:
    counts = [*found.values()]
    matrix = torch.stack([one.counts for one in counts]).sum(0).numpy()
    return [
        iou_bars(masks(counts, names), task, run.plots / f"iou.{task}.png"),
        confusion_matrix(matrix, names, run.plots / f"confusion_matrix.{task}.png"),
    ]


def train_batch(batch: Batch, names: Sequence[str], path: Path) -> Path:
    """Training pictures as the network sees them."""
    return save_picture(draw.batch(batch, names), path)
