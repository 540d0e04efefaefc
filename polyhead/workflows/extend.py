"""A trained model learns one more task, without the data of the older ones: from what its run has kept of them."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from polyhead import checkpoint
from polyhead.analysis import forgetting
from polyhead.config import recipe
from polyhead.data.loading.source import open_tasks
from polyhead.data.readers.exemplars import FILE, Kept, own
from polyhead.engine.progress import Log
from polyhead.errors import PolyheadError
from polyhead.run import Run, read_json, write_text
from polyhead.workflows import train
from polyhead.workflows.evaluate import evaluate
from polyhead.workflows.predict import load

OF_ITS_DATA = ("weights", "balance", "ratio", "warmup", "accumulate")
"""Settings of an older run's last stage that were for its tasks and the size of their data: not carried on."""


def extend(
    folder: str | Path,
    task: str,
    data: Mapping[str, Any],
    changes: Sequence[str] = (),
    show: Callable[[str], None] = print,
) -> Run:
    """Train a run's model on one more task in a new run, keep the older tasks, and tell what that has cost them.

    The older tasks' pictures are those in the run's ``memory`` (replayed) and ``probe`` (held out, never trained on).

    Args:
        folder: of the run.
        task: name of the new task.
        data: its settings, as in a recipe's ``data``.
        changes: overrides of the recipe that comes of it.
        show: where lines for people go.

    Raises:
        PolyheadError: when the run has such a task already, or has kept nothing.
    """
    old = Run.open(folder)
    config = plan(old, task, data, changes)
    run = train.train(config, show, {"extends": {"run": str(old.folder.resolve()), "task": task}})
    with run.locked():
        tell(run, show)
    return run


def resume(folder: str | Path, show: Callable[[str], None] = print) -> Run:
    """Go on with a run where it stopped (:func:`polyhead.workflows.train.resume`); one that extends another tells the cost."""
    run = train.resume(folder, show)
    if "extends" in run.read_manifest():
        with run.locked():
            tell(run, show)
    return run


def tell(run: Run, show: Callable[[str], None] = print) -> None:
    """What a new task has cost the older ones: measured, logged, and put into ``results.json``.

    Args:
        run: that extends another one, trained and measured.
        show: where lines for people go.
    """
    extends, config = run.read_manifest()["extends"], recipe.load(run.config)
    before = probe(extends["run"], run, [name for name in config["data"] if name != extends["task"]])
    scores = {task: numbers["score"] for task, numbers in read_json(before.results_json)["test"]["tasks"].items()}
    empty = [task for task, score in scores.items() if score is None]
    scores = {task: score for task, score in scores.items() if score is not None}
    losses = forgetting.against(str(run.folder), {task: [str(before.folder)] for task in scores if scores[task] > 0})
    run.update_results(forgetting=[loss._asdict() for loss in losses])
    log = Log(run, show)
    log(f"older tasks, on what was kept of their test pictures, before and after {extends['task']!r}:")
    log(forgetting.text(losses, config["max_drop"]))
    for task in (task for task in scores if scores[task] == 0):
        log(f"  {task}  scored 0 before, so it had nothing to lose")
    for task in empty:
        log(f"  {task}  there is nothing to find in what was kept, so what this has cost cannot be told")


def plan(old: Run, task: str, data: Mapping[str, Any], changes: Sequence[str] = ()) -> dict[str, Any]:
    """The resolved recipe of a run that adds a task to an older run's."""
    weights = checkpoint.load(old.best)
    if task in weights.tasks:
        raise PolyheadError(f"run {str(old.folder)!r} has a task {task!r} already; choose another name for the new one")
    known = recipe.load(old.config)
    parts: dict[str, Any] = {}
    count = 0
    for name in weights.tasks:
        kept = {part: old.kept(part, name) for part in ("train", "val", "test")}
        missing = [str(each) for each in kept.values() if not (each / FILE).is_file()]
        if missing:
            raise PolyheadError(
                f"there is no {FILE} in {missing[0]!r}: the run has kept nothing of task {name!r}; if it was stopped, "
                f"'polyhead train --resume {old.folder}' ends it; else train it again with memory above 0"
            )
        readers = {part: {"reader": "kept", "root": str(each.resolve())} for part, each in kept.items()}
        parts[name] = {"reader": readers.pop("train"), **readers}
        parts[name] |= {
            each: known["data"][name][each] for each in ("transforms", "batch", "val_batch", "workers", "cache")
        }
        count = max(count, len(Kept(kept["train"])))
    heads = [f"heads.{name}" for name in weights.tasks]
    last = known["stages"][-1]
    shared = {part: rate for part, rate in last["rates"].items() if part.split(".")[0] != "heads"}
    stage = {each: value for each, value in last.items() if each not in OF_ITS_DATA}
    stage |= {
        "tasks": [task],
        "init": {part: str(old.best.resolve()) for part in ("backbone", "neck", *heads)},
        "rates": {**shared, **dict.fromkeys(heads, 1.0)},
        "fixed_norms": True,
        "keep": [
            {"class_path": "Distill", "init_args": {"weight": 2.0, "features": 0.5}},
            {"class_path": "Replay", "init_args": {"budget": count, "batch": 4}},
        ],
    }
    model = recipe.without_files(known["model"])
    whole = {"model": model, "data": {**parts, task: dict(data)}, "stages": [stage], "seed": known["seed"]}
    whole |= {each: known[each] for each in ("precision", "memory", "max_parameters", "max_drop")}
    folder = old.folder.resolve()
    return recipe.resolve({**whole, "runs": str(folder.parent)}, changes, f"{folder.name}_{task}")


def probe(folder: str, run: Run, tasks: Sequence[str]) -> Run:
    """The old model on the new run's test pictures of the older tasks: a small run inside the new one, made once."""
    before = Run(run.folder / "before")
    if before.results_json.is_file():
        return before
    old = Run.open(folder)
    config = own(recipe.load(run.config), run)
    if before.folder.is_dir():
        shutil.rmtree(before.folder)
    before = Run.create(run.folder, "before")
    write_text(before.config, recipe.dump(config))
    before.update_manifest(precision=old.read_manifest().get("precision"))
    model = load(old.folder).model
    sources = {name: source for name, source in recipe.sources(config).items() if name in tasks}
    found = evaluate(model, open_tasks(sources, model.size, int(config["seed"])), "test", before)
    before.update_results(test=found)
    return before
