"""Adds a task to a trained model, using the exemplars in its run, or else the data of the earlier tasks."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from math import ceil
from pathlib import Path
from typing import Any

from polyhead import checkpoint
from polyhead.analysis import forgetting
from polyhead.config import files, recipe
from polyhead.config.overrides import listed
from polyhead.data.readers.exemplars import FILE, ExemplarReader, with_exemplars
from polyhead.data.splits.make import SPLITS
from polyhead.engine.progress import Log
from polyhead.errors import PolyheadError, few
from polyhead.kinds import kinds_of_run
from polyhead.nets.precision import standard_defaults
from polyhead.run import Run, plain, write_text
from polyhead.workflows import train
from polyhead.workflows.evaluate import score_split
from polyhead.workflows.predict import load
from polyhead.workflows.run_exemplars import EXEMPLAR_FRACTION
from polyhead.workflows.tasks import open_task, open_tasks

NOT_INHERITED = ("weights", "loss_weighting", "epoch_scale", "warmup", "accumulate")
"""Settings of the earlier run's last stage that depend on its tasks and the size of their data; defaults are used."""


@standard_defaults()
def extend(
    run: Run | str | Path,
    task: str,
    data: Mapping[str, Any],
    changes: Sequence[str] = (),
    show: Callable[[str], None] = print,
) -> Run:
    """Train a run's model on one more task in a new run, and measure how much the earlier tasks have been forgotten.

    Images of the earlier tasks come from the run's ``exemplars`` (replayed) and ``probe`` (held out, never trained on).
    Where the run has stored none, they are read from the data that the run was trained on.

    Args:
        run: the earlier run, or its folder.
        task: name of the new task.
        data: settings of the new task, as in a recipe's ``data``.
        changes: overrides of the recipe of the new run.
        show: receives the lines to print.

    Returns:
        The new run.

    Raises:
        PolyheadError: when the run already has a task of this name, or the images of an earlier task are neither stored
            in the run nor where they were.

    Examples:
        >>> scenes = {"reader": "scenes", "target": "times", "count": 60, "seed": 3}
        >>> changes = ["epochs=1", "model.heads.times=classify"]
        >>> longer = polyhead.extend("runs/small", "times", scenes, changes, show=lambda line: None)
        >>> [drop["task"] for drop in longer.results["forgetting"]]
        ['fruit', 'signs']
    """
    earlier = run if isinstance(run, Run) else Run.open(run)
    config = extended_recipe(earlier, task, data, changes)
    _check_originals(earlier, config, show)
    longer = train.train(config, show=show, notes={"extends": {"run": str(earlier.folder.resolve()), "task": task}})
    with longer.locked():
        report_forgetting(longer, show)
    return longer


@standard_defaults()
def resume(folder: str | Path, show: Callable[[str], None] = print) -> Run:
    """Resume an interrupted run (:func:`polyhead.workflows.train.resume`); report forgetting if it extends another."""
    run = train.resume(folder, show)
    if "extends" in run.read_manifest():
        with run.locked():
            report_forgetting(run, show)
    return run


def report_forgetting(run: Run, show: Callable[[str], None] = print) -> None:
    """Measure how much the earlier tasks have been forgotten, log it, and write it to ``results.json``.

    Args:
        run: a finished run that extends another one.
        show: receives the lines to print.
    """
    extends, config = run.read_manifest()["extends"], recipe.load(run.config)
    before = evaluate_before(extends["run"], run, [name for name in config["data"] if name != extends["task"]])
    scores = {task: numbers["score"] for task, numbers in before.results["test"]["tasks"].items()}
    without_objects = [task for task, score in scores.items() if score is None]
    scores = {task: score for task, score in scores.items() if score is not None}
    kinds = kinds_of_run(run)
    baselines = {
        task: [str(before.folder)]
        for task, score in scores.items()
        if score > 0 or not kinds[task].main.higher_is_better
    }
    drops = forgetting.drops_from_baselines(str(run.folder), baselines)
    run.update_results(forgetting=plain([drop._asdict() for drop in drops]))
    log = Log(run, show)
    log(f"earlier tasks, on the saved test images, before and after {extends['task']!r}:")
    log(forgetting.text(drops, config["max_drop"]))
    for task in (task for task in scores if task not in baselines):
        log(f"  {task}  scored 0 before, so nothing could be forgotten")
    for task in without_objects:
        log(f"  {task}  no annotated objects in the saved samples; forgetting cannot be measured for this task")


def extended_recipe(earlier: Run, task: str, data: Mapping[str, Any], changes: Sequence[str] = ()) -> dict[str, Any]:
    """Build the resolved recipe of a run that adds a task to an earlier run.

    Args:
        earlier: the run to extend.
        task: name of the new task.
        data: settings of the new task, as in a recipe's ``data``.
        changes: overrides ``key=value``.

    Raises:
        PolyheadError: when the run already has a task of this name, or the images of an earlier task are neither stored
            in the run nor where they were.
    """
    earlier.require_recipe("Train its tasks and the new one in stages: polyhead.fit(..., stages=[...]).")
    if not isinstance(data, Mapping):
        raise PolyheadError(f"data: expected settings such as {{'reader': 'coco', 'root': 'data'}}, got {data!r}")
    weights = checkpoint.load(earlier.best)
    if task in weights.tasks:
        raise PolyheadError(f"run {str(earlier.folder)!r} already has a task {task!r}. Choose another name.")
    known = recipe.load(earlier.config)
    tasks: dict[str, Any] = {}
    count = 0
    for name in weights.tasks:
        folders = {split: earlier.exemplar_folder(split, name) for split in SPLITS}
        if not all((folder / FILE).is_file() for folder in folders.values()):
            tasks[name] = _original(earlier, name, known)
            images = len(earlier.read_manifest()["splits"][name]["train"])
            count = max(count, ceil(EXEMPLAR_FRACTION * images))
            continue
        readers = {split: {"reader": "exemplars", "root": str(folder.resolve())} for split, folder in folders.items()}
        tasks[name] = {"reader": readers.pop("train"), **readers}
        tasks[name] |= {
            key: known["data"][name].get(key)
            for key in ("transforms", "batch", "val_batch", "workers", "cache", "modality")
        }
        count = max(count, len(ExemplarReader(folders["train"])))
    heads = [f"heads.{name}" for name in weights.tasks]
    last = known["stages"][-1]
    shared = {part: lr_mult for part, lr_mult in last["lr_mult"].items() if part.split(".")[0] != "heads"}
    stage = {key: value for key, value in last.items() if key not in NOT_INHERITED}
    stage |= {
        "tasks": [task],
        "init": {part: str(earlier.best.resolve()) for part in ("backbone", "neck", *heads)},
        "lr_mult": {**shared, **dict.fromkeys(heads, 1.0)},
        "freeze_bn_stats": True,
        "continual": [
            {"class_path": "Distill", "init_args": {"weight": 2.0, "features": 0.5}},
            {"class_path": "Replay", "init_args": {"budget": count, "batch": 4}},
        ],
    }
    model = files.without_weights(known["model"])
    config = {"model": model, "data": {**tasks, task: dict(data)}, "stages": [stage], "seed": known["seed"]}
    config |= {key: known[key] for key in ("precision", "exemplar_mib", "max_parameters", "max_drop", "operating")}
    runs, here = earlier.folder.resolve().parent, Path.cwd()
    if not earlier.folder.is_absolute() and runs.is_relative_to(here):  # printed as the user wrote it
        runs = runs.relative_to(here)
    return recipe.resolve({**config, "runs": str(runs)}, listed(changes), f"{earlier.folder.resolve().name}_{task}")


def _original(earlier: Run, name: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the data that a task was trained on.

    Raises:
        PolyheadError: if the run is not finished, or the data is no longer where it was.
    """
    if "finished" not in earlier.read_manifest():
        raise PolyheadError(
            f"{str(earlier.folder)!r} is not finished. Finish it with 'polyhead train --resume {earlier.quoted}'."
        )
    settings: dict[str, Any] = known["data"][name]
    try:
        files.require({**known, "data": {name: settings}, "stages": []}, [])
    except PolyheadError as error:
        raise PolyheadError(
            f"the run has no exemplars of task {name!r}, and its data is not where it was: {error} Without images, the "
            "task would be forgotten and nothing could measure it. (A run with exemplar_mib=16 stores some.)"
        ) from error
    return deepcopy(settings)


def _check_originals(earlier: Run, config: Mapping[str, Any], show: Callable[[str], None]) -> None:
    """Check that data that is not read from exemplars is split as in the earlier run.

    Raises:
        PolyheadError: if it is not, since images on which the earlier run was tested might then be trained on.
    """
    splits = earlier.read_manifest().get("splits", {})
    for name, source in recipe.sources(config).items():
        if name not in splits or source.reader.stored:
            continue
        task = open_task(name, source, int(config["seed"]))
        moved = {id_ for split in SPLITS for id_ in set(task.ids(split)) ^ set(splits[name][split])}
        if moved:
            raise PolyheadError(
                f"data.{name}: the data has changed since the run was trained: {len(moved)} images are new, missing or "
                f"in another split ({few(sorted(moved), 3)}). Restore it, so that no test image is trained on."
            )
        show(f"{name}: the run has no exemplars; the data that it was trained on is read again")


def evaluate_before(folder: str, run: Run, tasks: Sequence[str]) -> Run:
    """Evaluate the earlier model on the new run's test images of the earlier tasks.

    The results are stored as a small run within the new one, and reused if they exist.

    Args:
        folder: folder of the earlier run.
        run: the new run.
        tasks: the earlier tasks.

    Returns:
        The small run.
    """
    before = Run(run.folder / "before")
    if before.results_json.is_file():
        return before
    earlier = Run.open(folder)
    config = with_exemplars(recipe.load(run.config), run)
    if before.folder.is_dir():  # of an interrupted evaluation
        shutil.rmtree(before.folder)
    before = Run.create(run.folder, "before")
    write_text(before.config, recipe.dump(config))
    before.update_manifest(precision=earlier.read_manifest().get("precision"))
    predictor = load(earlier.folder)
    sources = {name: source for name, source in recipe.sources(config).items() if name in tasks}
    opened = open_tasks(sources, predictor.model.size, int(config["seed"]))
    for name, task in opened.items():  # as it was fitted when the earlier model was trained
        task.modality.restore(predictor.modalities[name].state())
    numbers = score_split(predictor.model, opened, "test", before)
    before.update_results(test=numbers)
    return before
