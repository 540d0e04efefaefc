"""A training of the toy tasks that a test can run in its own process and kill."""

import hashlib
from pathlib import Path

import torch
from builders.toy_parts import Pull, Squares, Tints, toy_model

from polyhead.data.loading.source import Source, TaskData
from polyhead.engine.continual import Replay
from polyhead.engine.fit import fit
from polyhead.engine.stage import Stage
from polyhead.rng import fork_rng
from polyhead.run import Run
from polyhead.workflows.tasks import open_tasks


def stages(kind: str) -> list[Stage]:
    """Return a joint stage, and one with a part of the backbone and the other head frozen and a continual loss.

    Of the kind ``repeated``, the second stage trains the same tasks, too little to replace all weights of the first.
    Of the kind ``sizes``, steps have images of different sizes, and the second stage replays images of the first.
    """
    if kind == "repeated":
        return [Stage(epochs=3, lr=0.01, ema=0.9), Stage(epochs=3, lr=0.002, schedule="constant", patience=1)]
    plateau = {"schedule": "plateau", "plateau_patience": 0, "optimizer": "sgd", "lr": 0.02}
    cycle = {"schedule": "onecycle", "optimizer": "adamw", "lr": 0.01, "ema": 0.9, "val_every": 2}
    settings = {"plateau": plateau, "sizes": {**cycle, "sizes": [24, 32, 48]}}.get(kind, cycle)
    protect = [Pull(), Replay(4, batch=2)] if kind == "sizes" else [Pull()]
    return [
        Stage(tasks=["squares", "tints"], epochs=3, **settings),  # type: ignore[arg-type]
        Stage(tasks=["tints"], epochs=3, lr_mult={"backbone.body.0": 0.0}, continual=protect, **settings),  # type: ignore[arg-type]
    ]


def toy_tasks(workers: int, seed: int = 0) -> dict[str, TaskData]:
    readers = {"squares": (Squares(28), Squares(8, 1), Squares(8, 2)), "tints": (Tints(9), Tints(6, 1), Tints(6, 2))}
    sources = {
        name: Source(train, val, test, batch=batch, workers=workers)
        for (name, (train, val, test)), batch in zip(readers.items(), (4, 2), strict=True)
    }
    return open_tasks(sources, (32, 32), seed)


def train(folder: Path, kind: str, workers: int, seed: int = 0, save_seconds: float = 0.0) -> str:
    """Train or resume, and return the fingerprint of the finished run."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    run = Run(folder)
    for path in (run.weights, run.predictions):
        path.mkdir(parents=True, exist_ok=True)
    model_spec = {"class_path": "builders.toy_parts.toy_model", "init_args": {}}
    describe = {"model": model_spec, "tasks": {}, "seed": seed}
    with fork_rng(seed, "weights"):
        model = toy_model()
    fit(model, toy_tasks(workers, seed), stages(kind), run, describe=describe, seed=seed, save_seconds=save_seconds)
    return fingerprint(run)


def fingerprint(run: Run) -> str:
    """Return a digest of the final weights, bit for bit, and of the rows of ``results.csv`` without their times."""
    digest = hashlib.sha256()
    for path in sorted(run.weights.glob("*.pt")):
        state = torch.load(path, weights_only=True)["state"]
        for name, value in state.items():
            digest.update(name.encode() + value.numpy().tobytes())
    lines = [line.split(",") for line in run.results_csv.read_text().splitlines()]
    skip = lines[0].index("time")
    digest.update(repr([line[:skip] + line[skip + 1 :] for line in lines]).encode())
    return digest.hexdigest()
