"""The score of pretrained weights before any training here, beside that of the trained model.

Where a head knows all classes of its task already, the weights may be better without any training: a few hundred images
teach less than the data that they were trained on.
"""

from collections.abc import Mapping
from typing import Any

from polyhead.data.loading.source import TaskData
from polyhead.errors import PolyheadError
from polyhead.metrics.intervals import bootstrap_weights, percentile_interval
from polyhead.nets.model import Model
from polyhead.run import Run
from polyhead.workflows.evaluate import predict_split

SPLITS = ("val", "test")
NAME = "zero_shot"
"""Marks the files of predictions before training: ``test.TASK.zero_shot.npz``."""


def store_zero_shot(model: Model, tasks: Mapping[str, TaskData], run: Run) -> list[str]:
    """Store what a model predicts before its training, for each task whose classes its head knows.

    Args:
        model: the model as its recipe builds it, with its heads.
        tasks: the data of each task.
        run: the run folder; what it has already is not computed again.

    Returns:
        The tasks of which there are such predictions.
    """
    known = [name for name, task in tasks.items() if {*task.names} <= {*model.head(name).known}]
    for name in known:
        for split in SPLITS:
            path = run.predictions_path(split, f"{name}.{NAME}")
            if not path.exists():
                task = tasks[name]
                model.eval()
                task.kind.save(path, task.targets(split), predict_split(model, name, task, split, run.precision))
    return known


def add_zero_shot(results: Mapping[str, Any], tasks: Mapping[str, TaskData], run: Run, split: str) -> None:
    """Add the score before training to the numbers of each task, and the difference of the trained model from it.

    Args:
        results: what :func:`polyhead.workflows.evaluate.score_split` returned.
        tasks: the data of each task.
        run: the run folder.
        split: the split that was scored.
    """
    for name, numbers in results["tasks"].items():
        path = run.predictions_path(split, f"{name}.{NAME}")
        if path.exists():
            kind = tasks[name].kind
            try:
                before = kind.load(path, name)
            except PolyheadError as error:
                raise PolyheadError(f"{error} Or delete it: the score before training is then left out.") from error
            after = kind.load(run.predictions_path(split, name), name)
            weights = bootstrap_weights(before.counts().images)
            first, last = (each.bootstrap(before)(kind.main.name, weights) for each in (before, after))
            score, difference = percentile_interval(first), percentile_interval(last - first)
            numbers[NAME] = {"score": score.value, "interval": [score.low, score.high], "difference": list(difference)}
