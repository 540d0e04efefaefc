"""Evaluate a trained model on a split: scores with intervals and a dummy baseline, stored predictions and plots."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from polyhead.analysis import forgetting, mask_plots, plots, verdict
from polyhead.analysis.reports import box_numbers, label_numbers, mask_numbers, plain
from polyhead.config import recipe
from polyhead.data.doctor import fingerprint
from polyhead.data.loading.source import TaskData, open_tasks
from polyhead.data.loading.streams import collate
from polyhead.data.readers.exemplars import ExemplarReader, with_exemplars
from polyhead.errors import PolyheadError
from polyhead.metrics import store
from polyhead.metrics.forgetting import score_history
from polyhead.metrics.masks import PixelCounts, ReducedPrediction, count_masks
from polyhead.nets.inference import predict_batch
from polyhead.nets.model import Model
from polyhead.run import Run, read_json, read_rows, unfinished, write_text
from polyhead.types import Detections, Labels, Prediction, Sample
from polyhead.workflows.predict import load


def evaluate(model: Model, tasks: Mapping[str, TaskData], split: str, run: Run) -> dict[str, Any]:
    """Score every task on a split and store predictions and targets in the run folder.

    The network runs in the precision of the run (:attr:`polyhead.run.Run.precision`).

    Returns:
        ``{"tasks": {name: numbers}}`` in plain types, NaN as None; the numbers are explained in ``docs/evaluate.md``.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.to(device).to(memory_format=torch.channels_last).eval()
    reports: dict[str, Any] = {}
    for name, task in tasks.items():
        begun = time.perf_counter()
        predictions = predict_split(model, name, task, split, device, run.precision)
        seconds = time.perf_counter() - begun
        numbers = _store_and_score(task, split, predictions, run.predictions_path(split, name))
        images = len(task.targets(split))
        numbers |= {"split": split, "images": images, "seconds_per_image": seconds / images, **_peak_memory()}
        reports[name] = numbers
    result: dict[str, Any] = plain({"tasks": reports})
    return result


def measure(
    model: Model, tasks: Mapping[str, TaskData], run: Run, splits: Sequence[str], log: Callable[[str], None]
) -> dict[str, Any]:
    """Evaluate splits into ``results.json``, draw the plots, and log the verdict on the last split.

    Scores of tasks that are not evaluated again stay in the file. ``verdict.txt`` is only replaced where the last split
    is test and all tasks of the run are evaluated.

    Returns:
        What :func:`evaluate` returns for the last split.
    """
    results: dict[str, Any] = {}
    for split in splits:
        results = evaluate(model, tasks, split, run)
        stored = read_json(run.results_json).get(split, {}).get("tasks", {})
        run.update_results(**{split: {"tasks": {**stored, **results["tasks"]}}})
    rows = read_rows(run.results_csv)
    if any(row["stage"] != "0" for row in rows):
        forgetting.heat_map(score_history(rows), run.plots / "stages.png")
    for name, numbers in results["tasks"].items():
        numbers["history"] = verdict.history(rows, name, numbers["metric"].lower())
    plots.results(run, tasks.values())
    for name, task in tasks.items():
        if task.has_masks:
            path = run.plots / f"val_target_prediction.{name}.png"
            mask_plots.targets_and_masks(
                task.readers["val"], partial(predict_one, model, task, run.precision), task.names, path
            )
    text = verdict.verdict(results)
    if splits[-1] == "test" and run.read_manifest().get("splits", {}).keys() <= tasks.keys():
        write_text(run.verdict, text + "\n")
    log(text)
    return results


def reopen(run: Run, show: Callable[[str], None] = print) -> tuple[Model, dict[str, TaskData]]:
    """Load a run's best weights and its data, split as in training.

    Args:
        run: the run folder.
        show: called with a line for each warning: the run is not finished, or its data has changed.
    """
    config = with_exemplars(recipe.load(run.config), run)
    model = load(run.folder).model
    splits = run.read_manifest().get("splits")
    tasks = open_tasks(recipe.sources(config), model.size, int(config["seed"]), splits)
    for line in (*unfinished([run]), *changed(run, tasks)):
        show(line)
    return model, tasks


def changed(run: Run, tasks: Mapping[str, TaskData]) -> list[str]:
    """Return a warning for each split whose images or annotations have changed since the run started."""
    recorded = run.read_manifest().get("data", {})
    return [
        f"{name}: the {split} data is not the data that this run started with: images or annotations have changed"
        for name, task in tasks.items()
        for split, mark in recorded.get(name, {}).get("fingerprint", {}).items()
        # Exemplars are stored in the run itself and are not what it was trained on.
        if not isinstance(task.source.reader, ExemplarReader) and fingerprint(task.readers[split]) != mark
    ]


def predict_split(
    model: Model, name: str, task: TaskData, split: str, device: str, precision: str
) -> dict[str, ReducedPrediction]:
    """Return the predictions of one head on a split by sample id, in original pixels; masks are reduced to counts."""
    predictions: dict[str, ReducedPrediction] = {}
    for batch in task.evaluation(split):
        moved = batch._replace(inputs=batch.inputs.to(device))  # uint8 [b, 3, h, w]
        found = predict_batch(model, moved, [name], precision)[name]
        predictions |= count_masks(found, partial(task.mask, split), len(task.names))
    return predictions


def predict_one(model: Model, task: TaskData, precision: str, sample: Sample) -> Prediction:
    """Return what a task's head predicts for one sample, in original pixels."""
    batch = collate([task.eval_transform(sample)])
    batch = batch._replace(inputs=batch.inputs.to(next(model.parameters()).device))  # uint8 [1, 3, h, w]
    return predict_batch(model, batch, [task.name], precision)[task.name][sample.id]


def _store_and_score(
    task: TaskData, split: str, predictions: Mapping[str, ReducedPrediction], path: Path
) -> dict[str, Any]:
    """Write the predictions and targets of a task to ``path`` and return its report.

    Raises:
        PolyheadError: when the predictions are of a kind that cannot be evaluated.
    """
    targets = task.targets(split)
    boxes = {key: value for key, value in predictions.items() if isinstance(value, Detections)}
    classes = {key: value for key, value in predictions.items() if isinstance(value, Labels)}
    counts = {key: value for key, value in predictions.items() if isinstance(value, PixelCounts)}
    # Stored exemplars have about the same number of images for each class, so their class frequencies are not those
    # of the training data. The most frequent class is then taken from the evaluated split.
    exemplars = isinstance(task.source.reader, ExemplarReader)
    frequencies, source = (split, "of these images") if exemplars else ("train", "in training")
    if len(boxes) == len(targets):
        store.save(path, boxes, task.names)
        store.save_targets(store.targets_path(path), targets, task.names)
        # The dummy baseline of boxes does not depend on class frequencies: AP is computed class by class.
        numbers = box_numbers(targets, boxes, task.targets("train"), task.names)
    elif len(classes) == len(targets):
        store.save_labels(path, classes, targets, task.names)
        numbers = label_numbers(targets, classes, task.targets(frequencies), task.names, source)
    elif len(counts) == len(targets):
        store.save_pixels(path, counts, task.names)
        numbers = mask_numbers(list(counts.values()), task.class_pixels(frequencies), task.names, source)
    else:
        raise PolyheadError(
            f"task {task.name!r}: the predictions of its head are of a kind that cannot be evaluated yet"
        )
    if exemplars:
        numbers = {key: value for key, value in numbers.items() if key not in ("train_objects", "train_images")}
    return numbers


def _peak_memory() -> dict[str, float]:
    """Return ``{"peak_memory_mb": MiB}`` of this process; empty on platforms without ``resource`` (Windows)."""
    try:
        import resource
    except ImportError:
        return {}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"peak_memory_mb": peak / (1024**2 if sys.platform == "darwin" else 1024)}  # bytes on macOS, KiB on Linux
