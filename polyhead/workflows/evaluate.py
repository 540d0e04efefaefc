"""Score a trained model on a split, with intervals and a dummy baseline, and store its predictions."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from polyhead.config import recipe
from polyhead.contracts.kind import reduced
from polyhead.data.doctor import FINGERPRINT, fingerprint
from polyhead.data.loading.source import TaskData
from polyhead.data.loading.streams import Collate
from polyhead.data.readers.exemplars import with_exemplars
from polyhead.engine import memory
from polyhead.engine.reduce import Totals, add_stats, mean_stats
from polyhead.errors import PolyheadError, few
from polyhead.nets.checked import decoded, stats_of
from polyhead.nets.inference import on_device, predict_batch, predictions_by_id, raw_predictions
from polyhead.nets.model import Model
from polyhead.run import Run, plain, unfinished
from polyhead.types import Sample
from polyhead.workflows.predict import load
from polyhead.workflows.tasks import open_tasks


def score_split(model: Model, tasks: Mapping[str, TaskData], split: str, run: Run) -> dict[str, Any]:
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
        stats: Totals = {}
        predictions = predict_split(model, name, task, split, run.precision, stats)
        seconds = time.perf_counter() - begun
        task.kind.save(run.predictions_path(split, name), task.targets(split), predictions)
        images = len(task.targets(split))
        numbers = {"kind": task.kind.name, **report(task, split, predictions), "split": split, "images": images}
        if stats:
            numbers["stats"] = {each.removeprefix(f"{name}/"): value for each, value in mean_stats(stats).items()}
        used = memory.peak_of_process()
        reports[name] = numbers | {"seconds_per_image": seconds / images}
        reports[name] |= {} if used is None else {"peak_memory_mb": used / 2**20}
    result: dict[str, Any] = plain({"tasks": reports})
    return result


def report(task: TaskData, split: str, predictions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the report of a task, see :meth:`polyhead.contracts.kind.Kind.report`."""
    targets = task.targets(split)
    if not task.stored:
        return task.kind.report(targets, predictions, task.targets("train"))
    # Stored exemplars have about the same number of samples for each class, so their class frequencies are not those
    # of the training data. The dummy baseline is then fitted to the evaluated split.
    train = targets if task.kind.uses_frequencies else task.targets("train")
    numbers = task.kind.report(targets, predictions, train, "of these images")
    return {key: value for key, value in numbers.items() if key not in ("train_objects", "train_images")}


def reopen(run: Run, show: Callable[[str], None] = print) -> tuple[Model, dict[str, TaskData]]:
    """Load a run's best weights and its data, split as in training.

    Args:
        run: the run folder.
        show: called with a line for each warning: the run is not finished, or its data has changed.
    """
    run.require_recipe(f"Its scores are in {run.results_json.name}.")
    config = with_exemplars(recipe.load(run.config), run)
    predictor = load(run.folder)
    splits = run.read_manifest().get("splits")
    tasks = open_tasks(recipe.sources(config), predictor.model.size, int(config["seed"]), splits)
    for name, task in tasks.items():
        if predictor.names.get(name) != task.names:
            raise PolyheadError(
                f"{run.best}: task {name!r} predicts the classes {few(predictor.names.get(name, []))}, but the data of "
                f"the run has {few(task.names)}. Restore the weights or the data of the run."
            )
        # as it was fitted in training
        task.modality.restore(predictor.modalities[name].state())
    for line in (*unfinished([run]), *changed(run, tasks)):
        show(line)
    return predictor.model, tasks


def changed(run: Run, tasks: Mapping[str, TaskData]) -> list[str]:
    """Return a warning for each split whose samples or annotations have changed since the run started."""
    recorded = run.read_manifest().get("data", {})
    return [
        f"{name}: the {split} data is not the data that this run started with: images or annotations have changed"
        for name, task in tasks.items()
        for split, mark in recorded.get(name, {}).get("fingerprint", {}).items()
        # Exemplars are stored in the run itself and are not what it was trained on. Marks of older runs have another
        # form and cannot be compared.
        if not task.stored and mark.startswith(FINGERPRINT) and fingerprint(task.readers[split]) != mark
    ]


@torch.inference_mode()
def predict_split(
    model: Model, name: str, task: TaskData, split: str, precision: str, stats: Totals | None = None
) -> dict[str, Any]:
    """Return the reduced predictions of one head on a split by sample id, in the space of the original samples.

    Args:
        model: the model.
        name: the task of the head.
        task: its data.
        split: the split.
        precision: see :func:`polyhead.nets.precision.resolve`.
        stats: the statistics of the head (:meth:`polyhead.contracts.network.Head.stats`) are added to it.
    """
    targets = task.targets(split)
    head, device = model.head(name), next(model.parameters()).device
    predictions: dict[str, Any] = {}
    for each in task.evaluation(split):
        batch = on_device(each, device)
        raw = raw_predictions(model, batch, [name], precision)[name]
        if stats is not None:
            add_stats(stats, name, stats_of(head, raw, batch))
        found = predictions_by_id(task.kind, decoded(head, raw, task.kind, batch), batch)
        predictions |= {each: reduced(targets, each, prediction) for each, prediction in found.items()}
    return predictions


def predict_one(model: Model, task: TaskData, precision: str, sample: Sample) -> Any:
    """Return what a task's head predicts for one decoded sample, in the space of the original sample."""
    batch = Collate(task.kind, task.modality)([task.modality.eval(sample)])
    found = predict_batch(model, on_device(batch, next(model.parameters()).device), {task.name: task.kind}, precision)
    return found[task.name][sample.meta.id]
