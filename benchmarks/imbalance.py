"""Measure what repeat factors and class weights do for a rare class, and for the others.

    python -m benchmarks.imbalance WORK [--seeds N] [--epochs N] [--count N] [--settings NAME,NAME]

A small SSD is trained on generated scenes in which one class is drawn a twentieth as often as each of the others: as it
is, with `repeat_factor=auto`, with `class_weights=balanced`, and with both. All are tested on the same scenes, in which
every class is equally frequent. Printed are AP50 of the rare class and the mean of the others, and the differences to
the first row, paired by scene and seed, with their 90 % intervals. Finished runs in WORK are not trained again.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from polyhead.kinds import stored_kind
from polyhead.metrics.intervals import bootstrap_weights, mean_over_runs, percentile_interval
from polyhead.metrics.pooled import TestedBoxes
from polyhead.run import Run
from polyhead.workflows import train

RARE = "star"
TASK = "shapes"
SETTINGS: dict[str, dict[str, str]] = {
    "plain": {},
    "repeat_factor=auto": {"repeat_factor": "auto"},
    "class_weights=balanced": {"class_weights": "balanced"},
    "both": {"repeat_factor": "auto", "class_weights": "balanced"},
}
METRIC = "ap50"


def config(work: Path, settings: dict[str, str], seed: int, epochs: int, count: int) -> dict[str, Any]:
    """Return the recipe of a run."""
    reader = {"reader": "scenes", "domain": TASK, "size": 96}
    data = {
        **reader,
        "count": count,
        "rare": RARE,
        "workers": 0,
        "batch": 16,
        "val": {**reader, "count": 200, "seed": 1},
        "test": {**reader, "count": 1000, "seed": 2},
        **settings,
    }
    model = {"class_path": "ssd300", "init_args": {"backbone": "resnet10t", "size": 96, "width": 64}}
    name = ".".join([*settings, f"seed{seed}"])
    return {
        "model": model,
        "data": {TASK: data},
        "stages": [{"epochs": epochs, "lr": 0.002}],
        "seed": seed,
        "name": name,
        "runs": str(work),
    }


def only(tested: TestedBoxes, names: Sequence[str]) -> TestedBoxes:
    """Return a test of some of the classes."""
    labels = torch.tensor([names.index(name) if name in names else -1 for name in tested.names])  # [c]
    targets = {key: tested.kind.match(target, labels, len(names))[0] for key, target in tested.targets.items()}
    predictions = {}
    for key, found in tested.predictions.items():
        chosen = found.take(labels[found.labels] >= 0)
        predictions[key] = chosen._replace(labels=labels[chosen.labels])
    return TestedBoxes(tested.kind, tested.task, targets, predictions, names)


def resampled(runs: Sequence[Run], names: Sequence[str] | None) -> Float[np.ndarray, " b"]:
    """Return the score of some classes, all but the rare one if None, on resamples of the scenes and the seeds."""
    tests = []
    for run in runs:
        path = run.predictions_path("test", TASK)
        tested = stored_kind(path).load(path, TASK)
        assert isinstance(tested, TestedBoxes)
        tests.append(only(tested, names or [name for name in tested.names if name != RARE]))
    weights = bootstrap_weights(len(tests[0].ids))
    return mean_over_runs(np.stack([test.bootstrap(tests[0])(METRIC, weights) for test in tests]))


def finished(work: Path, settings: dict[str, str], seed: int, epochs: int, count: int) -> Run:
    """Return a run, which is trained if it is not finished."""
    recipe = config(work, settings, seed, epochs, count)
    folder = work / recipe["name"]
    if folder.is_dir() and "finished" in Run(folder).read_manifest():
        return Run(folder)
    run = train.resume(folder, lambda _: None) if folder.is_dir() else train.train(recipe, show=lambda _: None)
    print(f"trained {run.folder}", flush=True)
    return run


def main() -> int:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--settings", default=",".join(SETTINGS), help="the rows; the first is 'plain'")
    given = parser.parse_args()
    runs: dict[str, list[Run]] = {name: [] for name in given.settings.split(",")}
    for seed in range(given.seeds):
        for name, made in runs.items():
            made.append(finished(given.work, SETTINGS[name], seed, given.epochs, given.count))
    scores = {name: [resampled(each, [RARE]), resampled(each, None)] for name, each in runs.items()}
    first = scores["plain"]
    print(f"AP50 on 1000 scenes, {given.seeds} seeds; {RARE} (rare in training), and the mean of the other classes")
    for name, (rare, others) in scores.items():
        line = f"{name:<24} {RARE} {percentile_interval(rare)}  others {percentile_interval(others)}"
        if name != "plain":
            line += f"  difference {percentile_interval(rare - first[0])}, {percentile_interval(others - first[1])}"
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
