"""From a resolved recipe to a finished run: data checked, trained, measured once on test, drawn, and judged."""

import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from math import ceil
from pathlib import Path
from typing import Any

import torch
from PIL import Image

import polyhead
from polyhead import checkpoint
from polyhead.analysis import forgetting, plots
from polyhead.config import recipe
from polyhead.config.recipe import Parts
from polyhead.data.doctor import fingerprint
from polyhead.data.loading.source import TaskData, open_tasks
from polyhead.data.readers.exemplars import Kept, keep, own
from polyhead.data.splits.make import SPLITS
from polyhead.engine.continual.exemplars import balanced, shuffled
from polyhead.engine.fit import fit
from polyhead.engine.progress import Log, Progress
from polyhead.errors import few
from polyhead.metrics.forgetting import course
from polyhead.nets.precision import resolve
from polyhead.rng import key
from polyhead.run import Run, read_rows, write_text
from polyhead.workflows.evaluate import changed, measure
from polyhead.workflows.preflight import build, parameters, prepare

LIBRARIES = ("torch", "torchvision", "lightning", "timm", "numpy")
TIME = "%Y-%m-%dT%H:%M:%S%z"
SAMPLES = 4
"""Test pictures of each task that a run keeps to be shown."""
REPLAYED = 0.1
"""Share of the training pictures of each task that a run keeps for later."""
LEAST_PROBED = 50
"""Test pictures of a task with which the cost of a later one can be told at all."""
PROBED = 200
"""Val pictures, and test pictures, of each task that a run keeps for later."""


def train(
    config: Mapping[str, Any], show: Callable[[str], None] = print, notes: Mapping[str, Any] | None = None
) -> Run:
    """Train what :func:`polyhead.config.recipe.load` gave, in a new run folder.

    All data is read and checked before the folder is made, so a fault in the data leaves nothing behind.

    Args:
        config: resolved settings.
        show: where lines for people go.
        notes: further entries of the run's manifest. They stand there before all else, so that a run that was stopped
            has them.
    """
    show(f"reading the data of {', '.join(config['data'])}")
    parts, tasks, remarks = prepare(config)
    described = describe_run(parts, tasks)
    run = Run.create(parts.settings.runs, str(parts.settings.name))
    with run.locked():
        run.update_manifest(**(notes or {}), **described)
        write_text(run.config, recipe.dump(config))
        log = Log(run, show)
        log(f"run folder: {run.folder}")
        for name, task in tasks.items():
            counts = ", ".join(f"{len(task.readers[part])} {part}" for part in SPLITS)
            log(f"{name}: {counts} pictures, {len(task.names)} classes ({few(task.names, 12)})")
            for problem in task.skipped:
                log(f"{name}: skipped {problem}")
        for line in remarks:
            log(line)
        for task in tasks.values():
            plots.data(run, task)
        return _finish(config, parts, tasks, run, log)


def resume(folder: str | Path, show: Callable[[str], None] = print) -> Run:
    """Go on with a run where it stopped; a finished one is measured again and otherwise left as it is."""
    run = Run.open(folder)
    config = own(recipe.load(run.config), run)
    parts = build(config)
    splits = run.read_manifest().get("splits")
    tasks = open_tasks(parts.sources, parts.model.size, parts.settings.seed, splits)
    with run.locked():
        log = Log(run, show)
        ended = "finished" in run.read_manifest()
        begun = f"going on with {run.folder}" if run.resume.is_file() else f"beginning {run.folder} again"
        log(f"{run.folder} has come to its end already, and is measured again" if ended else begun)
        for line in changed(run, tasks):
            log(line)
        return _finish(config, parts, tasks, run, log)


def _finish(config: Mapping[str, Any], parts: Parts, tasks: dict[str, TaskData], run: Run, log: Log) -> Run:
    """Fit; then measure the best weights on val, and once on test."""
    describe = {
        "model": config["model"],
        "tasks": {
            name: {"names": task.names, "categories": task.categories, "fit": task.eval_transform.fit}
            for name, task in tasks.items()
        },
        "eval": {"size": list(parts.model.size)},
        "seed": parts.settings.seed,
    }
    fit(
        parts.model,
        tasks,
        parts.stages,
        run,
        describe=describe,
        seed=parts.settings.seed,
        precision=run.read_manifest().get("precision", parts.settings.precision),
        progress=Progress(log, len(parts.stages)),
    )
    checkpoint.fill(parts.model, checkpoint.load(run.best).state, run.best)
    results = measure(parts.model, tasks, run, ("val", "test"), log)
    if parts.settings.max_drop is not None and len(parts.stages) > 1:
        metrics = {name: numbers["metric"] for name, numbers in results["tasks"].items()}
        pictures = {name: len(task.ids("val")) for name, task in tasks.items()}
        path = course(read_rows(run.results_csv))
        log(forgetting.text(forgetting.since(path, metrics, pictures), parts.settings.max_drop, forgetting.SINCE))
        for name in forgetting.unscored(path):
            log(f"  {name}  scored 0 on val then, so it had nothing to lose")
    if transfer := forgetting.transfer(run):
        log(forgetting.transfer_text(transfer))
    _keep_samples(run, tasks)
    remember(run, tasks, parts.settings.memory, parts.settings.seed, log)
    run.update_manifest(finished=time.strftime(TIME))
    return run


def remember(run: Run, tasks: Mapping[str, TaskData], limit: float, seed: int, log: Callable[[str], None]) -> None:
    """Keep what 'polyhead extend' needs of each task: training pictures to replay, val and test ones to measure on.

    A tenth of the training pictures, classes in equal parts; up to :data:`PROBED` of each other split, drawn by chance;
    no more than ``limit`` MiB of each; of what an older run has kept, everything.
    """
    if limit <= 0:
        return
    for name, task in tasks.items():
        counts = []
        for part in SPLITS:
            reader = task.readers[part]
            chance = key(seed, "kept", name, part)
            if isinstance(task.source.reader, Kept):
                places = list(range(len(reader)))  # in the order in which they were wanted
            else:  # val and test with the classes as often as they are: scores are to agree with the whole split's
                every, shows = part == "train", task.shows(part)
                places = balanced(task.kinds(part), len(reader), chance) if every else shuffled(len(reader), chance)
                first = next((place for place in places if shows[place]), places[0])  # the first is always kept
                places = [first, *(place for place in places if place != first)]
                places = places[: ceil(REPLAYED * len(reader)) if every else PROBED]
            counts.append(f"{keep(reader, places, run.kept(part, name), limit, task.licence)} {part}")
        licence = task.licence or f"no licence is known; data.{name}.licence tells it"
        log(f"{name}: kept {', '.join(counts)} pictures ({licence})")
        held = len(Kept(run.kept("test", name)))
        if held < LEAST_PROBED:
            log(f"{name}: {held} test pictures are few to tell by what a later task costs; {LEAST_PROBED} are wanted")


def _keep_samples(run: Run, tasks: Mapping[str, TaskData]) -> None:
    """The first test pictures of each task as files, so that a run can be shown where its data is not."""
    for name, task in tasks.items():
        reader = task.readers["test"]
        for index in range(min(SAMPLES, len(reader))):
            picture = reader[index].input.permute(1, 2, 0).numpy()
            Image.fromarray(picture).save(run.samples / f"{name}_{index}.jpg", quality=92)


def describe_run(parts: Parts, tasks: Mapping[str, TaskData]) -> dict[str, Any]:
    """What the manifest says: command, seed, precision, versions, hardware, commit, parameters, data and splits."""
    data = {
        name: {
            "fingerprint": {part: fingerprint(task.readers[part]) for part in SPLITS},
            "licence": task.licence,
            "skipped": [str(problem) for problem in task.skipped],
        }
        for name, task in tasks.items()
    }
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else None
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
        "hardware": {"machine": platform.platform(), "cpu": _cpu(), "threads": torch.get_num_threads(), "gpu": cuda},
        "git": _git(),
        "parameters": parameters(parts.model),
        "data": data,
        "splits": {name: {part: task.ids(part) for part in SPLITS} for name, task in tasks.items()},
    }


def _cpu() -> str:
    """The processor's name, as Linux tells it; else what Python knows."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _git() -> dict[str, str | bool] | None:
    """The commit of the folder that the training was started in, and whether it had uncommitted changes."""

    def ask(*words: str) -> str:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()

    try:
        return {"commit": ask("rev-parse", "HEAD"), "changed": bool(ask("status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return None
