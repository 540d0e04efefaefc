"""What the answers of runs cost: parameters, minutes of training, milliseconds a picture."""

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from polyhead.run import Run, read_json, read_rows

Tested = tuple[Run, Sequence[str]]
"""A run, and the tasks that it was tested on."""


class Costs(NamedTuple):
    """Of one answer, a mean over its seeds; None where a run does not tell.

    Attributes:
        parameters: of all networks that it needs, in all.
        minutes: of training.
        milliseconds: per picture at the test, data included; of a network's tasks, a mean.
    """

    parameters: int | None
    minutes: float | None
    milliseconds: float | None


def costs(seeds: Sequence[Sequence[Tested]], split: str) -> Costs:
    """Networks add up; runs of the same tasks are folds of one network, and count as their mean."""
    known = [[_network(folds, split) for folds in _networks(runs)] for runs in seeds]
    parameters, minutes, seconds = (
        fmean(sum(network[cost] for network in seed) for seed in known)
        if all(network[cost] for seed in known for network in seed)
        else None
        for cost in range(3)
    )
    return Costs(
        None if parameters is None else round(parameters), minutes, None if seconds is None else 1000 * seconds
    )


def _networks(runs: Sequence[Tested]) -> list[list[Run]]:
    found: dict[frozenset[str], list[Run]] = {}
    for run, tasks in runs:
        found.setdefault(frozenset(tasks), []).append(run)
    return [*found.values()]


def _network(folds: Sequence[Run], split: str) -> tuple[float, float, float]:
    """Parameters, minutes and seconds of a network; 0 is what is not told."""
    return (
        fmean(sum(run.read_manifest().get("parameters", {}).values()) for run in folds),
        fmean(_minutes(run) for run in folds),
        fmean(_seconds(run, split) for run in folds),
    )


def _minutes(run: Run) -> float:
    rows = read_rows(run.results_csv)
    return float(rows[-1]["time"]) / 60 if rows else 0.0


def _seconds(run: Run, split: str) -> float:
    tasks = read_json(run.results_json).get(split, {}).get("tasks", {})
    known = [numbers["seconds_per_image"] for numbers in tasks.values() if "seconds_per_image" in numbers]
    return fmean(known) if known else 0.0
