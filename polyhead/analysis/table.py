"""One table of runs that were tested on the same pictures: scores, intervals, paired differences, sizes and times."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from polyhead.errors import PolyheadError, suggest
from polyhead.metrics import store
from polyhead.metrics.intervals import LEVEL, METRICS, Metric, draw, interval, sample
from polyhead.metrics.matching import match
from polyhead.metrics.pool import Answers, pool
from polyhead.run import Run, read_json, read_rows
from polyhead.types import Annotation

Rows = Mapping[str, Sequence[Sequence[str]]]
"""The runs of each row by its name: a list of run folders for each seed, whose tasks together are its answer."""


class Row(NamedTuple):
    """One row of the table; scores are means over the seeds, intervals are over the pictures.

    Attributes:
        name: of the row.
        seeds: how many runs (or groups of runs) the scores are means of.
        pictures, objects, classes: that were measured.
        scores: ``{metric: [value, low, high]}``.
        spread: standard deviation of the metric over the seeds; None where there is one.
        difference: ``[value, low, high]`` of the metric, less that of the first row; None in the first row.
        parameters: of all networks that the answer needs, in all; None where the runs do not tell.
        minutes: of training a seed; None where the runs do not tell.
        milliseconds: per picture and network pass at the test, data included; None where the runs do not tell.
    """

    name: str
    seeds: int
    pictures: int
    objects: int
    classes: int
    scores: dict[str, list[float]]
    spread: float | None
    difference: list[float] | None
    parameters: int | None
    minutes: float | None
    milliseconds: float | None


def compare(rows: Rows, metric: Metric = "ap", split: str = "test", task: str | None = None) -> list[Row]:
    """Measure every row on the same resamples of the same pictures.

    Args:
        rows: at least one; differences are taken to the first.
        metric: what the differences are of.
        split: which stored predictions to read.
        task: the only task to look at; the tasks of a run are pooled where it is None.

    Raises:
        PolyheadError: when a run was not evaluated, or two were not tested on the same truth.
    """
    tested = {
        name: [pool([part for folder in seed for part in read(folder, split, task)]) for seed in seeds]
        for name, seeds in rows.items()
    }
    reference = next(iter(tested.values()))[0]
    for name, seeds in tested.items():
        for number, other in enumerate(seeds):
            _same_truth(reference, other, (next(iter(rows)), name if len(seeds) == 1 else f"{name} ({number + 1})"))
    weights = draw(len(reference.truths))
    result: list[Row] = []
    first: Float[np.ndarray, " b"] | None = None
    for name, seeds in tested.items():
        runs = [match(reference.truths, seed.predictions, reference.names) for seed in seeds]
        drawn = {each: sample(runs, each, weights) for each in METRICS}
        alone = [float(sample([run], metric, weights[:1])[0]) for run in runs]
        difference = None if first is None else list(interval(drawn[metric] - first))
        first = drawn[metric] if first is None else first
        result.append(
            Row(
                name,
                len(seeds),
                len(reference.truths),
                int(runs[0].objects.sum()),
                int(runs[0].objects.any(axis=0).sum()),
                {each: list(interval(samples)) for each, samples in drawn.items()},
                statistics.stdev(alone) if len(alone) > 1 else None,
                difference,
                *_costs([[Run.open(folder) for folder in seed] for seed in rows[name]], split),
            )
        )
    return result


def read(folder: str, split: str, task: str | None = None) -> list[Answers]:
    """Stored predictions and truth of one run, of one task or of all."""
    run = Run.open(folder)
    start, end = f"{split}.", ".npz"
    stored = {path.name.removeprefix(start).removesuffix(end) for path in run.predictions.glob(f"{start}*{end}")}
    tasks = sorted(name for name in stored if "." not in name)  # a dot: the truth of a task
    if not tasks:
        raise PolyheadError(
            f"run {folder!r} has no stored predictions of split {split!r}; "
            f"write them with 'polyhead evaluate {folder} --split {split}'"
        )
    if task is not None and task not in tasks:
        raise PolyheadError(f"run {folder!r} has no predictions of task {task!r}{suggest(task, tasks)}")
    return [_read(run, split, name) for name in tasks if task in (None, name)]


def text(rows: Sequence[Row], metric: Metric = "ap") -> str:
    """The table as text, with what its intervals mean."""
    title = metric.upper()
    columns: dict[str, list[str]] = {
        "run": [row.name for row in rows],
        "seeds": [str(row.seeds) for row in rows],
        "pictures": [str(row.pictures) for row in rows],
        "objects": [str(row.objects) for row in rows],
        **{each.upper(): [_triple(row.scores[each]) for row in rows] for each in METRICS},
        f"{title} sd": ["-" if row.spread is None else f"{row.spread:.3f}" for row in rows],
        f"{title} less that of the first": [_triple(row.difference, "+") if row.difference else "-" for row in rows],
        "parameters": [f"{row.parameters / 1e6:.2f} M" if row.parameters else "" for row in rows],
        "training": [f"{row.minutes:.1f} min" if row.minutes else "" for row in rows],
        "inference": [f"{row.milliseconds:.0f} ms" if row.milliseconds else "" for row in rows],
    }
    shown = {name: cells for name, cells in columns.items() if any(cells)}
    widths = [max(len(name), *map(len, cells)) for name, cells in shown.items()]
    lines = [list(shown), *(list(cells) for cells in zip(*shown.values(), strict=True))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    drawn = draw(1).shape[0] - 1
    note = f"[low, high]: {LEVEL:.0%} interval, {drawn} resamples of the pictures, the same for all runs"
    if any(row.seeds > 1 for row in rows):
        note += "; scores are means over seeds, sd is between seeds"
    return "\n".join([*table, note])


def _triple(values: Sequence[float], sign: str = "") -> str:
    value, low, high = (f"{each:{sign}.3f}" for each in values)
    return f"{value} [{low}, {high}]"


def _read(run: Run, split: str, task: str) -> Answers:
    path = run.predictions_of(split, task)
    predictions, said = store.load(path)
    truths, names = store.load_truths(store.truths_of(path))
    if said != names:
        raise PolyheadError(f"{str(path)!r} and its truth have different class names; run 'polyhead evaluate' again")
    return Answers(task, truths, predictions, names)


def _same_truth(first: Answers, other: Answers, rows: tuple[str, str]) -> None:
    """Refuse runs that were tested on different pictures, boxes or classes: their scores cannot be compared."""
    pair = f"runs {rows[0]!r} and {rows[1]!r} cannot be compared: "
    remedy = "; compare runs of the same data and split"
    if first.names != other.names:
        raise PolyheadError(f"{pair}their classes are {first.names} and {other.names}{remedy}")
    mine, theirs = ({truth.id: truth for truth in tested.truths} for tested in (first, other))
    unshared = sorted(mine.keys() ^ theirs.keys())
    if unshared:
        raise PolyheadError(
            f"{pair}{len(unshared)} picture(s) are in the truth of one only, such as {unshared[0]!r}{remedy}"
        )
    changed = [name for name in mine if not _equal(mine[name], theirs[name])]
    if changed:
        raise PolyheadError(
            f"{pair}the truth of {len(changed)} picture(s) differs, such as that of {changed[0]!r}{remedy}"
        )


def _equal(one: Annotation, other: Annotation) -> bool:
    same = one.size == other.size and one.boxes.shape == other.boxes.shape
    columns = ("boxes", "labels", "ignore", "areas")
    return same and all(bool((getattr(one, name) == getattr(other, name)).all()) for name in columns)


def _costs(seeds: Sequence[Sequence[Run]], split: str) -> tuple[int | None, float | None, float | None]:
    """Parameters of a seed's networks, minutes that it trained, milliseconds per picture: means over the seeds."""
    parameters, minutes, times = [], [], []
    for runs in seeds:
        parameters.append([sum(run.read_manifest().get("parameters", {}).values()) for run in runs])
        minutes.append([float(rows[-1]["time"]) / 60 if (rows := read_rows(run.results_csv)) else 0.0 for run in runs])
        tasks = [read_json(run.results_json).get(split, {}).get("tasks", {}) for run in runs]
        times.append([_seconds(found) for found in tasks])
    size = statistics.fmean(map(sum, parameters))
    return (
        round(size) if all(map(all, parameters)) else None,
        statistics.fmean(map(sum, minutes)) if all(map(all, minutes)) else None,
        1000 * statistics.fmean(statistics.fmean(seed) for seed in times) if all(map(all, times)) else None,
    )


def _seconds(tasks: Mapping[str, Any]) -> float:
    known = [numbers["seconds_per_image"] for numbers in tasks.values() if "seconds_per_image" in numbers]
    return statistics.fmean(known) if known else 0.0
