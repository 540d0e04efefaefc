"""``polyhead compare``: runs that were tested on the same pictures, side by side in one table."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from polyhead.errors import PolyheadError, suggest
from polyhead.metrics import store
from polyhead.metrics.intervals import LEVEL, METRICS, Interval, Metric, draw, interval, sample
from polyhead.metrics.matching import match
from polyhead.run import Run
from polyhead.types import Annotation, Detections


class Tested(NamedTuple):
    """What one run said of a split, and the truth that it was tested on."""

    folder: str
    task: str
    predictions: dict[str, Detections]
    truths: list[Annotation]
    names: list[str]


def main(argv: Sequence[str]) -> int:
    """Print the table of the runs named in ``argv``; returns the exit code.

    Raises:
        PolyheadError: when a run was not evaluated, or the runs were not tested on the same truth.
    """
    parser = argparse.ArgumentParser(prog="polyhead compare", description=__doc__, allow_abbrev=False)
    parser.add_argument("runs", metavar="RUN", nargs="+", help="run folders; differences are taken to the first")
    parser.add_argument("--split", default="test", help="which stored predictions to compare (default: test)")
    parser.add_argument("--task", help="name of the task; needed when a run has more than one")
    parser.add_argument(
        "--metric", choices=["ap", "ap50"], default="ap", help="what the difference is of (default: ap)"
    )
    given = parser.parse_args(argv)
    tested = [read(folder, given.split, given.task) for folder in given.runs]
    for other in tested[1:]:
        same_truth(tested[0], other)
    print(table(tested, given.metric))
    return 0


def read(folder: str, split: str, task: str | None) -> Tested:
    """Stored predictions and truth of one run; the task may be left out where the run has only one."""
    run = Run.open(folder)
    start, end = f"{split}.", ".npz"
    stored = {path.name.removeprefix(start).removesuffix(end) for path in run.predictions.glob(f"{start}*{end}")}
    tasks = sorted(name for name in stored if "." not in name)  # a dot: the truth of a task
    if not tasks:
        raise PolyheadError(
            f"run {folder!r} has no stored predictions of split {split!r}; "
            f"write them with 'polyhead evaluate {folder} --split {split}'"
        )
    if task is None and len(tasks) > 1:
        raise PolyheadError(f"run {folder!r} has {len(tasks)} tasks; choose one with --task: {', '.join(tasks)}")
    task = task or tasks[0]
    if task not in tasks:
        raise PolyheadError(f"run {folder!r} has no predictions of task {task!r}{suggest(task, tasks)}")
    path = run.predictions_of(split, task)
    predictions, said = store.load(path)
    truths, names = store.load_truths(store.truths_of(path))
    if said != names:
        raise PolyheadError(f"{str(path)!r} and its truth have different class names; run 'polyhead evaluate' again")
    return Tested(folder, task, predictions, truths, names)


def same_truth(first: Tested, other: Tested) -> None:
    """Refuse runs that were tested on different pictures, boxes or classes: their scores cannot be compared."""
    pair = f"runs {first.folder!r} and {other.folder!r} cannot be compared: "
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


def table(tested: Sequence[Tested], metric: Metric) -> str:
    """One row for each run: AP and AP50 with intervals, and the paired difference to the first run."""
    truths, names = tested[0].truths, tested[0].names
    weights = draw(len(truths))
    title = metric.upper()
    rows = [["run", "task", "pictures", "objects", "AP", "AP50", f"{title} less that of the first"]]
    first = None
    for run in tested:
        matches = match(truths, run.predictions, names)
        samples = {name: sample([matches], name, weights) for name in METRICS}
        cells = [str(len(truths)), str(matches.objects.sum()), *(str(interval(drawn)) for drawn in samples.values())]
        first = samples[metric] if first is None else first
        difference = "-" if run is tested[0] else _signed(interval(samples[metric] - first))
        rows.append([Path(run.folder).name, run.task, *cells, difference])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    drawn = weights.shape[0] - 1
    return "\n".join(
        [*lines, f"[low, high]: {LEVEL:.0%} interval, {drawn} resamples of the pictures, the same for all runs"]
    )


def _equal(one: Annotation, other: Annotation) -> bool:
    same = one.size == other.size and one.boxes.shape == other.boxes.shape
    columns = ("boxes", "labels", "ignore", "areas", "annotated")
    return same and all(bool((getattr(one, name) == getattr(other, name)).all()) for name in columns)


def _signed(difference: Interval) -> str:
    return f"{difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"
