"""Trains a recipe into a run folder: checks the data, trains, evaluates (on test once) and plots."""

import json
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polyhead
from polyhead import checkpoint
from polyhead.analysis import forgetting, plots
from polyhead.config import recipe
from polyhead.config.overrides import listed
from polyhead.config.recipe import Parts
from polyhead.data.doctor import fingerprint
from polyhead.data.loading.source import TaskData
from polyhead.data.readers.exemplars import with_exemplars
from polyhead.data.splits.make import SPLITS
from polyhead.engine.fit import build_heads, fit
from polyhead.engine.mirror import Mirror
from polyhead.engine.progress import Log, Progress
from polyhead.engine.resume import load_state
from polyhead.engine.schedule import plan_of
from polyhead.engine.smoke import smoke
from polyhead.engine.stage import Stage, largest_side
from polyhead.engine.tracker_names import check_trackers, tracker_names
from polyhead.engine.trackers import tracking
from polyhead.errors import counted, few, summarize
from polyhead.metrics.forgetting import ranked_title, score_history
from polyhead.nets.precision import resolve, standard_defaults
from polyhead.plotting.draw import save_jpeg
from polyhead.run import Run, write_text
from polyhead.workflows.batch_size import auto_batches, set_batches
from polyhead.workflows.card.write import run_card
from polyhead.workflows.evaluate import changed
from polyhead.workflows.git_state import git_state
from polyhead.workflows.hardware import hardware
from polyhead.workflows.measure import measure
from polyhead.workflows.preflight import build, count_parameters, prepare, resolved
from polyhead.workflows.run_exemplars import save_exemplars_of_run
from polyhead.workflows.schedule_plot import draw_schedule, schedule_file
from polyhead.workflows.scope import WHOLE, Scope
from polyhead.workflows.tasks import open_tasks
from polyhead.workflows.zero_shot import store_zero_shot

LIBRARIES = ("torch", "torchvision", "lightning", "timm", "numpy")
TIME = "%Y-%m-%dT%H:%M:%S%z"
SAMPLES = 4
"""Test images of each task that a run stores to show them."""
EXEMPLAR_MIB = 16.0
"""Default of ``exemplar_mib`` for a run of several tasks. A run of one task copies no images unless asked to."""


@standard_defaults()
def train(
    source: str | Path | Mapping[str, Any],
    changes: Sequence[str] = (),
    *,
    show: Callable[[str], None] = print,
    notes: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Run:
    """Train a recipe in a new run folder: ``train("recipe.yaml", epochs=1)``.

    All data is read and checked before the folder is made, so an error in the data leaves no folder behind.

    Args:
        source: path or name of a recipe, or its content as a mapping.
        changes: overrides ``key=value``, as on the command line.
        show: receives the lines to print.
        notes: further entries of the run's manifest; they are written first, so that an interrupted run has them.
        settings: further overrides, such as ``epochs=1`` or ``**{"data.food.batch": 8}``.

    Returns:
        The finished run.

    Raises:
        PolyheadError: when the recipe or the data is wrong, or a loss is not finite.

    Examples:
        >>> small = {"imgsz": 64, "data.*.count": 20, "data.*.val.count": 8, "data.*.test.count": 12, "workers": 0}
        >>> run = polyhead.train("demo", epochs=1, name="small", show=lambda line: None, **small)
        >>> sorted(run.results["test"]["tasks"])
        ['fruit', 'signs']
    """
    given = (f"{key}={json.dumps(value, default=str)}" for key, value in settings.items())
    config = resolved(source, [*listed(changes), *given])
    check_trackers(tracker_names(config["logger"]))
    show(f"reading the data of {', '.join(config['data'])}")
    return train_parts(build(config), show, config, notes)


@standard_defaults()
def train_parts(
    parts: Parts,
    show: Callable[[str], None] = print,
    config: Mapping[str, Any] | None = None,
    notes: Mapping[str, Any] | None = None,
    scope: Scope = WHOLE,
) -> Run:
    """Train the objects that a recipe describes, in a new run folder; see :func:`train`.

    Args:
        parts: the model, data and stages.
        show: receives the lines to print.
        config: the resolved recipe they were built from; None if they were built in Python.
        notes: further entries of the run's manifest.
        scope: what the training does besides training.
    """
    parts, tasks, remarks = prepare(parts)
    batches = auto_batches(parts, tasks)
    remarks += [f"data.{name}: batch: {batch}, the largest that fits" for name, batch in batches.items()]
    remarks += smoke(parts.model, tasks, parts.stages, parts.settings.seed)
    described = {**describe_run(parts, tasks), **({"batch": batches} if batches else {})}
    run = Run.create(parts.settings.runs, str(parts.settings.name))
    with run.locked() as locked:
        run.update_manifest(**(notes or {}), **described)
        if config is not None:
            write_text(run.config, recipe.dump(config))
        log = Log(run, show)
        log(f"run folder: {run.folder}")
        if not locked:
            log("this system has no file locks: make sure that no other process trains in this run folder")
        for name, task in tasks.items():
            counts = ", ".join(f"{len(task.readers[split])} {split}" for split in SPLITS)
            log(f"{name}: {counts} images, {counted(len(task.names), 'class', 'classes')} ({few(task.names, 12)})")
            for line in task_remarks(task):
                log(f"{name}: {line}")
        for line in remarks:
            log(line)
        return finish(parts, tasks, run, log, config, scope)


def task_remarks(task: TaskData) -> list[str]:
    """Return lines for the log: training images that show nothing, what the readers assumed, and what they left out."""
    empty = len(task) - sum(task.kind.has_content(task.targets("train")))
    lines = [f"{empty} of {counted(len(task), 'training image')} without annotated objects"] if empty else []
    left_out = [f"left out: {problem.strip()}" for problem in summarize(task.skipped)]
    return [*lines, *task.notes, *left_out]


@standard_defaults()
def resume(folder: str | Path, show: Callable[[str], None] = print) -> Run:
    """Resume an interrupted run; a finished one is only evaluated again."""
    run = Run.open(folder)
    run.require_recipe(f"Resume it with polyhead.fit(..., resume={str(folder)!r}).")
    config = with_exemplars(recipe.load(run.config), run)
    load_state(run)  # a damaged file is refused before the data is read
    return resume_parts(build(config), run, show, config)


@standard_defaults()
def resume_parts(
    parts: Parts,
    run: Run,
    show: Callable[[str], None] = print,
    config: Mapping[str, Any] | None = None,
    scope: Scope = WHOLE,
) -> Run:
    """Resume a run with the objects that it was started with; see :func:`train_parts`."""
    splits = run.read_manifest().get("splits")
    tasks = open_tasks(parts.sources, parts.model.size, parts.settings.seed, splits, largest_side(parts.stages))
    set_batches(tasks, run.read_manifest().get("batch", {}))
    with run.locked():
        log = Log(run, show)
        if "finished" in run.read_manifest() and _all_epochs_trained(run, parts.stages[-1], len(parts.stages) - 1):
            log(f"{run.folder} is finished already; evaluating it again")
        elif run.resume.is_file():
            log(f"resuming {run.folder}")
        else:
            log(f"starting {run.folder} again from the beginning")
        for line in changed(run, tasks):
            log(line)
        finish(parts, tasks, run, log, config, scope)
        if "splits" not in run.read_manifest():  # it was damaged, and deleted
            run.update_manifest(**describe_run(parts, tasks))
        return run


def _all_epochs_trained(run: Run, stage: Stage, number: int) -> bool:
    """Return whether a stage of a finished run has all the epochs of its settings, which may have been changed."""
    done = sum(row["stage"] == str(number) for row in run.epochs)
    return done >= stage.epochs or stage.patience is not None


def finish(
    parts: Parts,
    tasks: dict[str, TaskData],
    run: Run,
    log: Log,
    config: Mapping[str, Any] | None = None,
    scope: Scope = WHOLE,
) -> Run:
    """Plot the data, train the model, evaluate its best weights on val and once on test, and store exemplars.

    An interrupted training resumes where it stopped. A run that is not evaluated on test stores no samples of it.
    """
    for task in tasks.values():
        plots.data(run, task)
    run_card(run, list(tasks.values()), parts.settings.seed)
    describe = {
        "model": {} if config is None else config["model"],
        "tasks": {
            name: {
                "names": task.names,
                "categories": task.categories,
                "counts": dict(task.info.counts),
                "target": dict(task.info.target),
                "kind": task.kind.name,
                "modality": {"name": task.modality.name, "state": task.modality.state()},
            }
            for name, task in tasks.items()
        },
        "seed": parts.settings.seed,
    }
    build_heads(parts.model, tasks, parts.settings.seed)
    for name in store_zero_shot(parts.model, tasks, run):
        log(f"{name}: the pretrained weights know all of its classes; they are scored as they are, too")
    if not schedule_file(run).is_file():  # else a run is resumed, whose schedule is the same
        draw_schedule(run, [plan_of(parts.model, stage, tasks) for stage in parts.stages])
    mirror = None if parts.settings.mirror is None else Mirror(parts.settings.mirror, run, log)
    with tracking(tracker_names(parts.settings.logger), run, config, log) as trackers:
        fit(
            parts.model,
            tasks,
            parts.stages,
            run,
            describe=describe,
            seed=parts.settings.seed,
            precision=run.read_manifest().get("precision", parts.settings.precision),
            progress=Progress(log, len(parts.stages)),
            after_saving=[*([] if mirror is None else [mirror]), *trackers, *scope.callbacks],
        )
        checkpoint.fill(parts.model, checkpoint.load(run.best).state, run.best)
        measure(parts.model, tasks, run, scope.splits, log, parts.settings)
    if "test" not in scope.splits:
        run.update_manifest(finished=time.strftime(TIME))
        return run
    if parts.settings.max_drop is not None and len(parts.stages) > 1:
        metrics = {name: ranked_title(task.kind) for name, task in tasks.items()}
        images = {name: len(task.ids("val")) for name, task in tasks.items()}
        history = score_history(run.epochs, {name: task.kind for name, task in tasks.items()})
        drops = forgetting.drops_since_learned(history, metrics, images)
        log(forgetting.text(drops, parts.settings.max_drop, forgetting.SINCE_LEARNED))
        for name in forgetting.unscored(history):
            log(f"  {name}  scored 0 on val when it was trained, so nothing could be forgotten")
    if transfer := forgetting.transfer(run):
        log(forgetting.transfer_text(transfer))
    _save_samples(run, tasks)
    limit = parts.settings.exemplar_mib
    if limit is None:
        limit = EXEMPLAR_MIB if len(tasks) > 1 else 0.0
    save_exemplars_of_run(run, tasks, limit, parts.settings.seed, log)
    run.update_manifest(finished=time.strftime(TIME))
    if mirror is not None and mirror.copy():
        log(f"mirror: {mirror.target} has all files of the run")
    return run


def _save_samples(run: Run, tasks: Mapping[str, TaskData]) -> None:
    """Save the first test images of each task, so that the run can be shown without its data."""
    for name, task in tasks.items():
        for index in range(min(SAMPLES, len(task.readers["test"]))):
            image = task.modality.draw(task.sample("test", index).input)
            if image is not None:
                save_jpeg(image, run.samples / f"{name}_{index}.jpg")


def describe_run(parts: Parts, tasks: Mapping[str, TaskData]) -> dict[str, Any]:
    """Return the manifest of a run: command, seed, precision, versions, hardware, commit, parameters, data, splits."""
    data = {
        name: {
            "fingerprint": {split: fingerprint(task.readers[split]) for split in SPLITS},
            "names": task.names,
            "license": task.license,
            "skipped": [str(problem) for problem in task.skipped],
            "warnings": task.warnings,
        }
        for name, task in tasks.items()
    }
    return {
        "command": sys.argv,
        "started": time.strftime(TIME),
        "seed": parts.settings.seed,
        "precision": resolve(parts.settings.precision),
        "versions": {
            "polyhead": polyhead.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in LIBRARIES},
        },
        "hardware": hardware(),
        "git": git_state(Path()),
        "parameters": count_parameters(parts.model),
        "inputs": {name: task.modality.describe() for name, task in tasks.items()},
        "data": data,
        "splits": {name: {split: task.ids(split) for split in SPLITS} for name, task in tasks.items()},
        "links": parts.settings.links,
    }
