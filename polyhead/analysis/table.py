"""The comparison table of runs that were tested on the same images: scores, intervals, paired differences, costs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from polyhead.analysis.costs import costs
from polyhead.analysis.stored_predictions import check_same_targets, join_tasks, read_predictions, stored_tasks
from polyhead.contracts.score import Score
from polyhead.errors import PolyheadError, one_line, suggest
from polyhead.kinds import kind_of
from polyhead.metrics.intervals import LEVEL, bootstrap_weights, mean_over_runs, percentile_interval
from polyhead.run import Run

MAX_UNDEFINED = 0.05
"""A relative difference has an interval only if it is defined on all but this fraction of the resamples."""

Rows = Mapping[str, Sequence[Sequence[str]]]
"""The runs of each row by its name: for each seed, a list of run folders, whose tasks are pooled."""


class Row(NamedTuple):
    """One row of the table; scores are means over the seeds, intervals are over seeds and images.

    Attributes:
        name: name of the row.
        kind: name of the kind of task.
        seeds: number of runs (or groups of runs) that the scores are means of.
        images, objects, classes: how many the runs were tested on.
        scores: ``{metric: [value, low, high]}``.
        metric: the score that the next three are of.
        spread: standard deviation of the metric over the seeds; None for one seed.
        difference: ``[value, low, high]`` of the metric minus that of the reference, which is the first row unless
            another one is named; None in the reference.
        relative: the difference as a fraction of the reference's metric; where lower is better, the difference of the
            skills as a fraction of the reference's skill. None in the reference, where lower is better and the metric
            is not the main one (of which alone the dummy baseline is known), and where that is not above 0 on all
            images or on more than :data:`MAX_UNDEFINED` of the resamples.
        parameters: total over all networks of the row; folds of one network are averaged. None where the runs do not
            report it, and likewise for the next two.
        minutes: of training a seed.
        milliseconds: per image at test time, data loading included; averaged over the tasks of a network.
        dummy_baselines: score of each task's dummy baseline, in the task's main metric; averaged over folds, and over
            runs that were trained on other images.
    """

    name: str
    kind: str
    seeds: int
    images: int
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
    dummy_baselines: dict[str, float]


def rows_of(rows: Any) -> Rows:
    """Return the rows of a table, where a row may also be one run, or a list with a run for each seed.

    >>> rows_of({"a": "runs/a", "b": ["runs/b0", "runs/b1"], "pooled": [["runs/c", "runs/d"]]})
    {'a': [['runs/a']], 'b': [['runs/b0'], ['runs/b1']], 'pooled': [['runs/c', 'runs/d']]}
    """
    if not isinstance(rows, Mapping) or not rows:
        raise PolyheadError(
            f"expected runs by name, such as {{'a': 'runs/a', 'b': ['runs/b0', 'runs/b1']}}, got {rows!r}"
        )

    def seeds(given: Any) -> list[list[str]]:
        if isinstance(given, str | Path | Run):
            return [[folder_of(given)]]
        return [
            [folder_of(each)] if isinstance(each, str | Path | Run) else list(map(folder_of, each)) for each in given
        ]

    def folder_of(run: Any) -> str:
        return str(run.folder if isinstance(run, Run) else run)

    found = {name: seeds(given) for name, given in rows.items()}
    for name, runs in found.items():
        if not runs or not all(runs):
            raise PolyheadError(f"row {name!r} has no run. Give it a run, or one for each seed.")
    return found


def compare(
    rows: Mapping[str, Any],
    metric: str | None = None,
    split: str = "test",
    task: str | None = None,
    reference: str | None = None,
) -> list[Row]:
    """Score every row on the same resamples of the same images, and of its seeds.

    Args:
        rows: the runs of each row, at least one (:func:`rows_of`). Rows with the same number of seeds are paired seed
            by seed.
        metric: the score that differences are of (:attr:`polyhead.contracts.kind.Kind.measures`); None takes the first
            of its kind of task.
        split: which stored predictions to read.
        task: the only task to compare; None pools the tasks of a run.
        reference: name of the row that differences are to; None takes the first.

    Raises:
        PolyheadError: when a run was not evaluated, two runs were not tested on the same targets, or there is no such
            row.

    Examples:
        >>> [row.name for row in polyhead.compare({"one": "runs/small", "other": "runs/small"}, task="fruit")]
        ['one', 'other']
    """
    rows = rows_of(rows)
    reference = next(iter(rows)) if reference is None else reference
    if reference not in rows:
        raise PolyheadError(f"there is no row {reference!r} to compare with{suggest(reference, rows)}")
    tested = {
        name: [
            join_tasks([part for folder in seed for part in read_predictions(folder, split, task)]) for seed in seeds
        ]
        for name, seeds in rows.items()
    }
    first = next(iter(tested.values()))[0]
    for name, seeds in tested.items():
        for number, other in enumerate(seeds):
            label = name if len(seeds) == 1 else f"{name} ({number + 1})"
            check_same_targets(first, other, (next(iter(rows)), label))
    scores = {each.name: each for each in first.kind.measures}
    metric = metric or next(iter(scores))
    if metric not in scores:
        raise PolyheadError(f"tasks of {first.kind.title} have no metric {metric!r}{suggest(metric, scores)}")
    size = first.counts()
    # Where all classes are frequent, the scores of the frequent ones alone would be the same again.
    measures = [name for name, each in scores.items() if size.rare or name == metric or not each.frequent_only]
    has_skill = metric == first.kind.main.name and not scores[metric].higher_is_better
    dummy = _dummy_of(rows, split, first.task) if has_skill else None
    weights = bootstrap_weights(size.images)  # [b, p]
    single, resampled = {}, {}
    for name, seeds in tested.items():
        runs = [seed.bootstrap(first) for seed in seeds]
        single[name] = {each: np.stack([run(each, weights) for run in runs]) for each in measures}  # [seeds, b]
        resampled[name] = {each: mean_over_runs(samples) for each, samples in single[name].items()}  # [b]
    result: list[Row] = []
    for name, samples in resampled.items():
        difference = relative = None
        if name != reference:
            difference = list(percentile_interval(samples[metric] - resampled[reference][metric]))
            relative = _relative(samples[metric], resampled[reference][metric], scores[metric], dummy)
        result.append(
            Row(
                name,
                first.kind.name,
                len(tested[name]),
                size.images,
                size.objects,
                size.classes,
                {each: list(percentile_interval(values)) for each, values in samples.items()},
                metric,
                float(single[name][metric][:, 0].std(ddof=1)) if len(tested[name]) > 1 else None,
                difference,
                relative,
                *costs(
                    [[(Run.open(folder), stored_tasks(folder, split)) for folder in seed] for seed in rows[name]], split
                ),
                _dummy_baselines([folder for seed in rows[name] for folder in seed], split, task),
            )
        )
    return result


def _relative(
    samples: Float[np.ndarray, " b"], reference: Float[np.ndarray, " b"], score: Score, dummy: float | None
) -> list[float] | None:
    """Return the difference as a fraction of the reference's metric, or None where too often that is not defined.

    Where lower is better, metrics are replaced by skills; the dummy baseline is the same on all resamples.
    """
    if not score.higher_is_better:
        if dummy is None or dummy == score.best:
            return None
        samples, reference = ((each - dummy) / (score.best - dummy) for each in (samples, reference))
    fractions = np.divide(samples - reference, reference, out=np.full_like(reference, np.nan), where=reference > 0)
    defined = not np.isnan(fractions[0]) and np.isnan(fractions).mean() <= MAX_UNDEFINED
    return list(percentile_interval(fractions)) if defined else None


def by_task(
    rows: Rows, metric: str | None = None, split: str = "test", reference: str | None = None
) -> dict[str, list[Row]]:
    """Make a table for each task, for tasks that cannot be pooled; of a row's runs, those that have the task.

    Args:
        rows: as for :func:`compare`.
        metric: the score that differences are of, where the task has it; else the main score of its kind.
        split: which stored predictions to read.
        reference: as for :func:`compare`.

    Raises:
        PolyheadError: as :func:`compare`, and when a row has no run of a task that another row has.
    """
    tasks_of = {folder: stored_tasks(folder, split) for seeds in rows.values() for seed in seeds for folder in seed}
    tables: dict[str, list[Row]] = {}
    for task in dict.fromkeys(task for tasks in tasks_of.values() for task in tasks):
        with_task = {
            name: [[folder for folder in seed if task in tasks_of[folder]] for seed in seeds]
            for name, seeds in rows.items()
        }
        lacking = [name for name, seeds in with_task.items() if not all(seeds)]
        if lacking:
            raise PolyheadError(
                f"{', '.join(lacking)}: no run was tested on task {task!r}, but runs of other rows were"
            )
        tables[task] = compare(with_task, study_metric(with_task, metric, split, task), split, task, reference)
    return tables


def study_metric(rows: Rows, metric: str | None = None, split: str = "test", task: str | None = None) -> str | None:
    """Return the metric if the rows' kind of task has it, else the main score of the kind, if that is a measure."""
    first = next(iter(rows.values()))[0][0]
    kind = read_predictions(first, split, task)[0].kind
    measures = [each.name for each in kind.measures]
    return next((each for each in (metric, kind.main.name) if each in measures), None)


def _dummy_of(rows: Rows, split: str, task: str) -> float | None:
    """Return the score of a task's dummy baseline that the first row's first run reports; None if it reports none."""
    folder = next(iter(rows.values()))[0][0]
    return _dummy_baselines([folder], split, task).get(task)


def _dummy_baselines(folders: Sequence[str], split: str, task: str | None) -> dict[str, float]:
    """Return the mean score of each task's dummy baseline, over the runs that report it."""
    scores: dict[str, list[float]] = {}
    for folder in folders:
        for name, numbers in Run.open(folder).results.get(split, {}).get("tasks", {}).items():
            score = numbers.get("dummy_baseline", {}).get("score")
            if task in (None, name) and score is not None:
                scores.setdefault(name, []).append(float(score))
    return {name: fmean(values) for name, values in scores.items()}


def reference_of(rows: Sequence[Row]) -> str:
    """Return the name of the row that the differences are to."""
    return next(row.name for row in rows if row.difference is None)


def cells(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Return the texts of each column by its title; columns that are empty are left out."""
    measures = list(rows[0].scores)
    kind = kind_of(rows[0].kind)
    shown = {each.name: each for each in kind.measures if each.name in measures}
    title = shown[rows[0].metric].title
    reference = reference_of(rows)
    versus = "first row" if reference == rows[0].name else one_line(reference)
    columns: dict[str, list[str]] = {
        "run": [one_line(row.name) for row in rows],
        "seeds": [str(row.seeds) for row in rows],
        "images": [str(row.images) for row in rows],
        "objects": [str(row.objects) if kind.counts_objects else "" for row in rows],
        **{shown[each].title: [_triple(row.scores[each]) for row in rows] for each in measures},
        f"{title} sd": ["-" if row.spread is None else f"{row.spread:.3f}" for row in rows],
        f"{title} vs. {versus}": [_triple(row.difference, "+z.3f") if row.difference else "-" for row in rows],
        "relative": [_triple(row.relative, "+z.1%") if row.relative else "" for row in rows],
        "parameters": [f"{row.parameters / 1e6:.2f} M" if row.parameters else "" for row in rows],
        "training": [f"{row.minutes:.1f} min" if row.minutes else "" for row in rows],
        "inference": [f"{row.milliseconds:.0f} ms" if row.milliseconds else "" for row in rows],
    }
    return {name: column for name, column in columns.items() if any(column)}


def notes(rows: Sequence[Row]) -> list[str]:
    """Return what the intervals of a table mean, and the scores of the dummy baselines, as lines."""
    resamples = bootstrap_weights(1).shape[0] - 1
    several = any(row.seeds > 1 for row in rows)
    resampled = "seeds and images" if several else "the images"
    note = f"[low, high]: {LEVEL:.0%} interval, {resamples} resamples of {resampled}, the same for all runs"
    if several:
        note += "; scores are means over seeds, sd is between seeds"
    shown = [each for each in kind_of(rows[0].kind).measures if each.name in rows[0].scores]
    note += "".join(f"; {text}" for text in dict.fromkeys(each.note for each in shown if each.note))
    return [note, *_dummy_text(rows)]


def text(rows: Sequence[Row]) -> str:
    """Format the table as text, with a note on what its intervals mean."""
    columns = cells(rows)
    widths = [max(len(name), *map(len, column)) for name, column in columns.items()]
    lines = [list(columns), *(list(line) for line in zip(*columns.values(), strict=True))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*table, *notes(rows)])


def _dummy_text(rows: Sequence[Row]) -> list[str]:
    """Return a line with the scores of the dummy baselines, or no line where no run reports any."""
    title = kind_of(rows[0].kind).main.title
    scores = []
    for task in dict.fromkeys(task for row in rows for task in row.dummy_baselines):
        # twice, so that a single value is both the least and the most
        least, *_, most = sorted(2 * [row.dummy_baselines[task] for row in rows if task in row.dummy_baselines])
        scores.append(f"{task} {least:.3f}" + (f" to {most:.3f}" if f"{least:.3f}" != f"{most:.3f}" else ""))
    return [f"dummy baseline, {title}: {', '.join(scores)}"] if scores else []


def _triple(values: Sequence[float], form: str = "z.3f") -> str:
    value, low, high = (f"{each:{form}}" for each in values)  # the z option prints -0.000 as 0.000
    return f"{value} [{low}, {high}]"
