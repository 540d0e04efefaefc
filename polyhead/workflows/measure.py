"""Evaluate a run into its folder: ``results.json``, the plots, the verdict and the model card."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from polyhead.analysis import forgetting, learning_curves, plots, verdict
from polyhead.analysis.operating import measure_point
from polyhead.analysis.stored_predictions import read_predictions
from polyhead.checkpoint import OPERATING
from polyhead.config.settings import Settings
from polyhead.contracts.operating import Point
from polyhead.data.loading.source import TaskData
from polyhead.errors import PolyheadError
from polyhead.kinds import kinds_of_run
from polyhead.metrics.forgetting import score_history
from polyhead.nets.model import Model
from polyhead.nets.precision import standard_defaults
from polyhead.run import Run, plain, write_text
from polyhead.types import Sample
from polyhead.workflows.card.model import write_model_card
from polyhead.workflows.evaluate import predict_one, reopen, score_split
from polyhead.workflows.official import is_official
from polyhead.workflows.operating import SPLIT, choose_points, lowest_score, points_of
from polyhead.workflows.other_data import evaluate_on
from polyhead.workflows.regularization import regularization
from polyhead.workflows.zero_shot import add_zero_shot


@standard_defaults()
def evaluate(
    run: Run | str | Path,
    split: str = "test",
    tasks: str | Sequence[str] | None = None,
    show: Callable[[str], None] = print,
    *,
    data: str | Path | None = None,
    reader: str | None = None,
) -> dict[str, Any]:
    """Score the best weights of a run on a split of its data, again, or on other data.

    Args:
        run: a run of a recipe, or its folder; with ``data`` also the name of official weights (``yolox_nano``).
        split: ``test`` or ``val``.
        tasks: names of the tasks to score; all if None.
        show: receives the lines to print.
        data: a folder of other data, for one task, or a recipe (:func:`polyhead.workflows.other_data.evaluate_on`); for
            a folder, ``split`` is not used.
        reader: its format, if it has several.

    Returns:
        ``{task: numbers}``, which are explained in ``docs/evaluate.md``; they are also in the ``results.json`` of the
        run, or of its folder in ``evaluations/`` for other data.

    Raises:
        PolyheadError: when the run, its data or a task does not exist.

    Examples:
        >>> numbers = polyhead.evaluate("runs/small", tasks=["fruit"], show=lambda line: None)
        >>> numbers["fruit"]["images"]
        12
    """
    if split not in ("val", "test"):
        raise PolyheadError(f"split must be 'val' or 'test', got {split!r}")
    if data is not None and is_official(run):
        return dict(evaluate_on(str(run), data, tasks, reader, show, split)["tasks"])
    run = run if isinstance(run, Run) else Run.open(run)
    if data is not None:
        return dict(evaluate_on(run, data, tasks, reader, show, split)["tasks"])
    if tasks is not None and not tasks:
        raise PolyheadError("tasks is empty. Name tasks of the run, or leave it out for all.")
    model, opened = reopen(run, show)
    names = list(opened) if tasks is None else [tasks] if isinstance(tasks, str) else tasks
    for name in names:
        model.head(name)
    chosen = {name: opened[name] for name in names}
    numbers: dict[str, Any] = measure(model, chosen, run, (split,), show)["tasks"]
    return numbers


def measure(
    model: Model,
    tasks: Mapping[str, TaskData],
    run: Run,
    splits: Sequence[str],
    log: Callable[[str], None],
    settings: Settings | None = None,
) -> dict[str, Any]:
    """Evaluate splits into ``results.json``, draw the plots of each, and log the verdict on the last split.

    Scores of tasks that are not evaluated again stay in the file. ``verdict.txt`` is only replaced where the last split
    is test and all tasks of the run are evaluated.

    Args:
        model: the model of the run.
        tasks: the tasks to evaluate.
        run: the run.
        splits: the splits to evaluate.
        log: receives the lines to print.
        settings: those of a run that has just been trained; after val is evaluated, its operating points are chosen.

    Returns:
        What :func:`polyhead.workflows.evaluate.score_split` returns for the last split.
    """
    results: dict[str, Any] = run.results  # a damaged file is refused before the work
    for split in splits:
        results = score_split(model, tasks, split, run)
        add_zero_shot(results, tasks, run, split)
        if settings is not None and split == SPLIT:
            choose_points(run, tasks, settings.precision_goal(), log)
        points = points_of(run)
        for name in points.keys() & tasks.keys():
            (tested,) = read_predictions(str(run.folder), split, name)
            results["tasks"][name][OPERATING] = plain(measure_point(tested, points[name], split))
        run.add_scores(split, results["tasks"])
        for name, task in tasks.items():
            plots.results(run, name, split)
            plots.examples(run, task, split, _shown(model, task, run, points.get(name)), lowest_score(points.get(name)))
    plots.training_curves(run)
    rows = run.epochs
    if len(tasks) > 1 and any(row["stage"] != "0" for row in rows):
        title = f"{run.name}\nval score after each stage"
        forgetting.heat_map(score_history(rows, kinds_of_run(run)), title, run.plots / "stages.png")
    schedules = run.read_manifest().get("schedules", [])
    for name, numbers in results["tasks"].items():
        numbers["warnings"] = run.read_manifest().get("data", {}).get(name, {}).get("warnings")
        numbers["history"] = learning_curves.history(rows, name, tasks[name].kind, schedules)._asdict()
        numbers["regularization"] = regularization(run, name, numbers["history"]["stage"])
    text = verdict.verdict(results)
    if splits[-1] == "test" and run.read_manifest().get("splits", {}).keys() <= tasks.keys():
        write_text(run.verdict, text + "\n")
    log(text)
    if run.best.is_file():
        write_model_card(run)
    return results


def _shown(model: Model, task: TaskData, run: Run, point: Point | None) -> Callable[[Sample], Any]:
    """Return the function that predicts for a sample as :class:`polyhead.workflows.predictor.Predictor` does."""
    temperature = 1.0 if point is None else point.temperature
    return lambda sample: task.kind.calibrated(predict_one(model, task, run.precision, sample), temperature)
