"""One table of runs that were tested on the same pictures: scores, intervals, paired differences, sizes and times."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from polyhead.analysis.costs import costs
from polyhead.analysis.stored_predictions import MEASURES, TITLES, Measured, joined, kind_of, read, same_truth, stored
from polyhead.errors import PolyheadError, suggest
from polyhead.metrics.coco import FREQUENT
from polyhead.metrics.forgetting import MAIN
from polyhead.metrics.intervals import LEVEL, draw, interval, over_runs
from polyhead.run import Run, read_json

UNTOLD = 0.05
"""No more resamples than this part may leave a difference untold, or it has no interval."""

Rows = Mapping[str, Sequence[Sequence[str]]]
"""The runs of each row by its name: a list of run folders for each seed, whose tasks together are its answer."""


class Row(NamedTuple):
    """One row of the table; scores are means over the seeds, intervals are over seeds and pictures.

    Attributes:
        name: of the row.
        seeds: how many runs (or groups of runs) the scores are means of.
        pictures, objects, classes: that were measured.
        scores: ``{metric: [value, low, high]}``.
        metric: that the next two are of.
        spread: standard deviation of the metric over the seeds; None where there is one.
        difference: ``[value, low, high]`` of the metric, less that of the first row; None in the first row.
        relative: the difference as a part of the first row's metric; None in the first row, and where that is 0, on all
            pictures or on more than :data:`UNTOLD` of the resamples.
        parameters: of all networks that the answer needs, in all; of folds of one network, a mean. None where the runs
            do not tell, and so with the next two.
        minutes: of training a seed, likewise.
        milliseconds: per picture at the test, data included, likewise; of a network's tasks, a mean.
        rivals: what the trivial rival of each task scores, in the figure that the task is judged by; of folds and of
            runs that were trained on other pictures, a mean.
    """

    name: str
    seeds: int
    pictures: int
    objects: int
    classes: int
    scores: dict[str, list[float]]
    metric: str
    spread: float | None
    difference: list[float] | None
    relative: list[float] | None
    parameters: int | None
    minutes: float | None
    milliseconds: float | None
    rivals: dict[str, float]


def compare(rows: Rows, metric: str | None = None, split: str = "test", task: str | None = None) -> list[Row]:
    """Measure every row on the same resamples of the same pictures, and of as many seeds.

    Args:
        rows: at least one; differences are taken to the first. Rows of as many seeds are paired seed by seed.
        metric: what the differences are of, see :data:`MEASURES`; the first of its kind of task when None.
        split: which stored predictions to read.
        task: the only task to look at; the tasks of a run are pooled where it is None.

    Raises:
        PolyheadError: when a run was not evaluated, or two were not tested on the same truth.
    """
    tested = {
        name: [joined([part for folder in seed for part in read(folder, split, task)]) for seed in seeds]
        for name, seeds in rows.items()
    }
    reference = next(iter(tested.values()))[0]
    for name, seeds in tested.items():
        for number, other in enumerate(seeds):
            same_truth(reference, other, (next(iter(rows)), name if len(seeds) == 1 else f"{name} ({number + 1})"))
    measures = MEASURES[kind_of(reference)]
    metric = metric or measures[0]
    if metric not in measures:
        raise PolyheadError(f"tasks of {kind_of(reference)} have no metric {metric!r}{suggest(metric, measures)}")
    size = Measured.of(reference, reference)
    if not size.rare:  # then it would be the same figure twice
        measures = tuple(each for each in measures if each == metric or not each.endswith("frequent"))
    weights = draw(size.pictures)
    result: list[Row] = []
    first: Float[np.ndarray, " b"] | None = None
    for name, seeds in tested.items():
        runs = [Measured.of(seed, reference) for seed in seeds]
        single = {each: np.stack([run.sample(each, weights) for run in runs]) for each in measures}
        drawn = {each: over_runs(samples) for each, samples in single.items()}
        difference = relative = None
        if first is not None:
            difference = list(interval(drawn[metric] - first))
            shares = np.divide(drawn[metric] - first, first, out=np.full_like(first, np.nan), where=first > 0)
            told = not np.isnan(shares[0]) and np.isnan(shares).mean() <= UNTOLD
            relative = list(interval(shares)) if told else None
        first = drawn[metric] if first is None else first
        result.append(
            Row(
                name,
                len(seeds),
                size.pictures,
                size.objects,
                size.classes,
                {each: list(interval(samples)) for each, samples in drawn.items()},
                metric,
                float(single[metric][:, 0].std(ddof=1)) if len(runs) > 1 else None,
                difference,
                relative,
                *costs([[(Run.open(folder), stored(folder, split)) for folder in seed] for seed in rows[name]], split),
                _rivals([folder for seed in rows[name] for folder in seed], split, task),
            )
        )
    return result


def by_task(rows: Rows, metric: str | None = None, split: str = "test") -> dict[str, list[Row]]:
    """A table for each task, for tasks that cannot be pooled; of a row's runs, those that have the task.

    Args:
        rows: as for :func:`compare`.
        metric: what differences are of where it is one of the task's; else the first of its kind.
        split: which stored predictions to read.

    Raises:
        PolyheadError: as :func:`compare`, and when a row has no run of a task that another has.
    """
    having = {folder: stored(folder, split) for seeds in rows.values() for seed in seeds for folder in seed}
    tables: dict[str, list[Row]] = {}
    for task in dict.fromkeys(task for tasks in having.values() for task in tasks):
        part = {
            name: [[folder for folder in seed if task in having[folder]] for seed in seeds]
            for name, seeds in rows.items()
        }
        lacking = [name for name, seeds in part.items() if not all(seeds)]
        if lacking:
            raise PolyheadError(f"{', '.join(lacking)}: no run was tested on task {task!r}, as others were")
        tables[task] = compare(part, fitting(part, metric, split, task), split, task)
    return tables


def fitting(rows: Rows, metric: str | None, split: str = "test", task: str | None = None) -> str | None:
    """The metric where tasks of the rows' kind have it, else None."""
    first = next(iter(rows.values()))[0][0]
    return metric if metric in MEASURES[kind_of(read(first, split, task)[0])] else None


def _rivals(folders: Sequence[str], split: str, task: str | None) -> dict[str, float]:
    """The mean score of each task's trivial rival, of the runs that tell it."""
    found: dict[str, list[float]] = {}
    for folder in folders:
        for name, numbers in read_json(Run.open(folder).results_json).get(split, {}).get("tasks", {}).items():
            score = numbers.get("rival", {}).get("score")
            if task in (None, name) and score is not None:
                found.setdefault(name, []).append(float(score))
    return {name: fmean(scores) for name, scores in found.items()}


def text(rows: Sequence[Row]) -> str:
    """The table as text, with what its intervals mean."""
    measures = list(rows[0].scores)
    title = TITLES[rows[0].metric]
    columns: dict[str, list[str]] = {
        "run": [row.name for row in rows],
        "seeds": [str(row.seeds) for row in rows],
        "pictures": [str(row.pictures) for row in rows],
        "objects": [str(row.objects) if "ap50" in measures else "" for row in rows],
        **{TITLES[each]: [_triple(row.scores[each]) for row in rows] for each in measures},
        f"{title} sd": ["-" if row.spread is None else f"{row.spread:.3f}" for row in rows],
        f"{title} less that of the first": [
            _triple(row.difference, "+z.3f") if row.difference else "-" for row in rows
        ],
        "in parts of it": [_triple(row.relative, "+z.1%") if row.relative else "" for row in rows],
        "parameters": [f"{row.parameters / 1e6:.2f} M" if row.parameters else "" for row in rows],
        "training": [f"{row.minutes:.1f} min" if row.minutes else "" for row in rows],
        "inference": [f"{row.milliseconds:.0f} ms" if row.milliseconds else "" for row in rows],
    }
    shown = {name: cells for name, cells in columns.items() if any(cells)}
    widths = [max(len(name), *map(len, cells)) for name, cells in shown.items()]
    lines = [list(shown), *(list(cells) for cells in zip(*shown.values(), strict=True))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    drawn = draw(1).shape[0] - 1
    several = any(row.seeds > 1 for row in rows)
    resampled = "seeds and pictures" if several else "the pictures"
    note = f"[low, high]: {LEVEL:.0%} interval, {drawn} resamples of {resampled}, the same for all runs"
    if several:
        note += "; scores are means over seeds, sd is between seeds"
    if any(each.endswith("frequent") for each in measures):
        note += f"; ({FREQUENT}+): classes with at least {FREQUENT} test objects"
    return "\n".join([*table, note, *_rival_text(rows)])


def _rival_text(rows: Sequence[Row]) -> list[str]:
    """A line with what looks at no picture; no line where no run tells it."""
    title = next(TITLES[each] for each in MAIN if each in rows[0].scores)
    told = []
    for task in dict.fromkeys(task for row in rows for task in row.rivals):
        least, *_, most = sorted(2 * [row.rivals[task] for row in rows if task in row.rivals])
        told.append(f"{task} {least:.3f}" + (f" to {most:.3f}" if f"{least:.3f}" != f"{most:.3f}" else ""))
    return [f"trivial rival, {title}: {', '.join(told)}"] if told else []


def _triple(values: Sequence[float], form: str = "z.3f") -> str:
    value, low, high = (f"{each:{form}}" for each in values)  # z: no -0.000
    return f"{value} [{low}, {high}]"
