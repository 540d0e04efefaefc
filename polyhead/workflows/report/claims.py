"""Check what a run claims: its scores against its stored predictions, its splits, and on what anything was chosen."""

import math
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from polyhead import checkpoint
from polyhead.analysis import table
from polyhead.analysis.report.files import SPLITS, recipe_of, tasks_of
from polyhead.analysis.stored_predictions import read_predictions
from polyhead.analysis.verdict import DOUBTFUL
from polyhead.contracts.kind import Tested
from polyhead.errors import PolyheadError, few
from polyhead.kinds import kind_of
from polyhead.metrics.intervals import LEVEL, bootstrap_weights, percentile_interval
from polyhead.run import Run, read_json
from polyhead.workflows.operating import points_of

SAME = 1e-6
"""Scores that differ by less are the same."""
CHOICES = "val"
"""The split on which anything may be chosen."""


def false_claims(run: Run) -> list[str]:
    """Return a sentence for each claim of a run that its files do not support.

    Raises:
        PolyheadError: if the manifest or the results are damaged.
    """
    return [*_training(run), *_weights(run), *_splits(run), *_scores(run), *_selection(run)]


def false_studies(folder: Path) -> Iterator[str]:
    """Yield a sentence for each row of a study's table that its runs do not support."""
    for row in read_json(folder / "table.json").get("rows", ()):
        name = f"{folder.name}: row {row['name']!r}"
        try:
            again = table.compare({row["name"]: row["runs"]}, row["metric"], task=row.get("task") or None)[0]
        except PolyheadError as error:
            yield f"{name} cannot be computed again ({error})."
            continue
        for metric, values in again.scores.items():
            stated = row["scores"].get(metric)
            if stated is None or not all(map(_same, stated, values)):
                yield f"{name} states {metric} {_brief(stated)}, but its runs give {_brief(values)}."
        if row["seeds"] != again.seeds:
            yield f"{name} states {row['seeds']} seeds, but has {again.seeds} runs."


def _training(run: Run) -> Iterator[str]:
    """Yield what is wrong with the record of the training."""
    manifest, recipe = run.read_manifest(), recipe_of(run)
    if "finished" not in manifest:
        yield f"the training is not finished. Resume it with 'polyhead train --resume {run.quoted}'."
    if manifest.get("seed") is None:
        yield "manifest.json states no seed, so the training cannot be repeated."
    elif "seed" in recipe and recipe["seed"] != manifest["seed"]:
        yield f"manifest.json states seed {manifest['seed']}, but config.yaml has seed {recipe['seed']}."
    if not {"polyhead", "torch"} <= manifest.get("versions", {}).keys():
        yield "manifest.json does not state the versions of polyhead and torch."


def _weights(run: Run) -> Iterator[str]:
    """Yield what is wrong with ``best.pt``, and with the operating points in it."""
    try:
        weights = checkpoint.load(run.best)
    except PolyheadError as error:
        yield str(error)
        return
    scored = tasks_of(run, "test")
    for task in weights.tasks:
        if task not in scored:
            yield f"head {task!r} has no score on test. Write it with 'polyhead evaluate {run.quoted}'."
    for task in sorted(scored.keys() - weights.tasks.keys()):
        yield f"results.json has scores of a head {task!r}, which best.pt does not have."
    for task, point in points_of(run).items():
        if point.split != CHOICES:
            yield f"best.pt: the operating point of {task!r} was chosen on {point.split}, not on {CHOICES}."


def _splits(run: Run) -> Iterator[str]:
    """Yield splits that share samples, and warnings of the data that mean the same."""
    manifest = run.read_manifest()
    for task, splits in manifest.get("splits", {}).items():
        for one, other in combinations(splits, 2):
            if shared := sorted({*splits[one]} & {*splits[other]}):
                yield f"{task!r}: {one} and {other} share {len(shared)} samples ({few(shared, 3)})."
    for task, entry in manifest.get("data", {}).items():
        for name in DOUBTFUL[:2]:
            if found := entry.get("warnings", {}).get(name):
                yield f"{task!r}: scores may be too good. Warning of the data: {found}."


def _scores(run: Run) -> Iterator[str]:
    """Yield scores, intervals and baselines that the stored predictions do not support."""
    for split in SPLITS:
        for task, numbers in tasks_of(run, split).items():
            place = f"{task!r} on {split}"
            if (numbers.get("dummy_baseline") or {}).get("score") is None:
                yield f"{place}: the dummy baseline is missing, so nothing shows that the model has learned anything."
            if numbers.get("operating", {}).get("chosen_on", CHOICES) != CHOICES:
                chosen = numbers["operating"]["chosen_on"]
                yield f"{place}: results.json states an operating point that was chosen on {chosen}, not on {CHOICES}."
            try:
                (tested,) = read_predictions(str(run.folder), split, task)
            except PolyheadError as error:
                yield f"{place}: its score cannot be computed again ({error})."
                continue
            listed = run.read_manifest().get("splits", {}).get(task, {}).get(split)
            yield from (f"{place}: {each}" for each in _differences(numbers, tested, listed))


def _differences(numbers: Mapping[str, Any], tested: Tested, listed: list[str] | None) -> Iterator[str]:
    """Yield what differs between the stated numbers of a head and those of its stored predictions."""
    if numbers["images"] != len(tested.ids):
        yield f"n is stated as {numbers['images']}, but there are predictions for {len(tested.ids)} samples."
    if listed is not None and {*listed} != {*tested.ids}:
        yield "predictions are stored for other samples than manifest.json lists for this split."
    metric = tested.kind.main.name
    again = percentile_interval(tested.bootstrap(tested)(metric, bootstrap_weights(len(tested.ids))))
    if not _same(numbers["score"], again.value):
        yield f"the score is stated as {_brief([numbers['score']])}, but the stored predictions give {again.value:.6f}."
        return
    interval, level = numbers.get("interval"), numbers.get("level")
    if not interval or None in interval:
        yield "the score has no interval."
        return
    low, high = interval
    inside = low - SAME <= again.value <= high + SAME
    # Kinds have methods of their own (Wilson's, percentiles), whose widths are about the same.
    if level != LEVEL or not inside or high - low < (again.high - again.low) / 2:
        stated = f"{_brief(interval)} at level {level}"
        yield f"the interval is stated as {stated}, but the stored predictions give {_brief(again[1:])} at {LEVEL}."


def _selection(run: Run) -> Iterator[str]:
    """Yield stages of a run with one head whose selected epoch does not have the best score on val."""
    tasks = run.read_manifest().get("kinds", {})
    if len(tasks) != 1:
        return
    ((task, kind),) = tasks.items()
    score = kind_of(kind).main
    column, sign = f"val/{task}/{score.name}", 1 if score.higher_is_better else -1
    settings = recipe_of(run).get("stages", [])
    for stage in sorted({row["stage"] for row in run.epochs}):
        number = int(float(stage))
        if number >= len(settings) or settings[number].get("checkpoint", "best") != "best":
            continue
        rows = [row for row in run.epochs if row["stage"] == stage and row.get(column)]
        selected = [row for row in rows if row.get("selected") == "1"]
        if len(selected) > 1:
            yield f"results.csv marks {len(selected)} epochs of stage {number + 1} as selected."
        best = max((sign * float(row[column]) for row in rows), default=-math.inf)
        for row in selected:
            if sign * float(row[column]) < best - SAME:
                yield (
                    f"results.csv: epoch {row.get('epoch')} of stage {number + 1} is marked as selected, but another "
                    f"epoch has a better {score.title} on val."
                )


def _same(one: float | None, other: float | None) -> bool:
    """Return whether two numbers are the same; numbers that are not defined are."""
    missing = [each is None or math.isnan(each) for each in (one, other)]
    return all(missing) if any(missing) else abs(float(one or 0) - float(other or 0)) <= SAME


def _brief(values: Any) -> str:
    """Return numbers for a sentence."""
    numbers = ["-" if each is None else f"{each:.6f}" for each in values or [None]]
    return numbers[0] if len(numbers) == 1 else f"[{', '.join(numbers)}]"
