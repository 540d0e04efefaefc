"""What the predictions of runs cost: parameters, minutes of training, milliseconds per image."""

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from polyhead.run import Run

TestedRun = tuple[Run, Sequence[str]]
"""A run, and the tasks that it was tested on."""


class Costs(NamedTuple):
    """Costs of one row of a comparison, averaged over its seeds; None where a run does not report them.

    Attributes:
        parameters: total over all networks of the row.
        minutes: of training, total over all networks.
        milliseconds: per image at test time, data loading included, total over all networks; averaged over the tasks of
            a network.
    """

    parameters: int | None
    minutes: float | None
    milliseconds: float | None


def costs(seeds: Sequence[Sequence[TestedRun]], split: str) -> Costs:
    """Sum the costs of the networks of each seed, and average over the seeds.

    Runs of the same tasks are folds of one network, and are averaged.
    """
    reported = [[_network_costs(folds, split) for folds in _networks(runs)] for runs in seeds]
    parameters, minutes, seconds = (
        fmean(sum(network[cost] for network in seed) for seed in reported)
        if all(network[cost] for seed in reported for network in seed)
        else None
        for cost in range(3)
    )
    return Costs(
        None if parameters is None else round(parameters), minutes, None if seconds is None else 1000 * seconds
    )


def _networks(runs: Sequence[TestedRun]) -> list[list[Run]]:
    """Group runs by their tasks: the runs of a group are folds of one network."""
    folds: dict[frozenset[str], list[Run]] = {}
    for run, tasks in runs:
        folds.setdefault(frozenset(tasks), []).append(run)
    return [*folds.values()]


def _network_costs(folds: Sequence[Run], split: str) -> tuple[float, float, float]:
    """Return the parameters, minutes and seconds per image of a network; 0 for a cost that is not reported."""
    return (
        fmean(sum(run.read_manifest().get("parameters", {}).values()) for run in folds),
        fmean(_minutes(run) for run in folds),
        fmean(_seconds(run, split) for run in folds),
    )


def _minutes(run: Run) -> float:
    rows = run.epochs
    return float(rows[-1].get("time") or 0) / 60 if rows else 0.0


def _seconds(run: Run, split: str) -> float:
    tasks = run.results.get(split, {}).get("tasks", {})
    reported = [numbers["seconds_per_image"] for numbers in tasks.values() if "seconds_per_image" in numbers]
    return fmean(reported) if reported else 0.0
