"""What runs have said of their test pictures, read back, and measured on any resample of them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from polyhead.errors import PolyheadError, suggest
from polyhead.metrics import masks as pixels
from polyhead.metrics import store
from polyhead.metrics.coco import FREQUENT
from polyhead.metrics.intervals import sample
from polyhead.metrics.matching import match
from polyhead.metrics.per_image import Pictures, of_labels, of_pixels, together
from polyhead.metrics.pooled import Answers, pool
from polyhead.run import Run
from polyhead.types import Annotation

MEASURES: dict[store.Kind, tuple[str, ...]] = {
    "boxes": ("ap", "ap50", "ap_frequent", "ap50_frequent"),
    "labels": ("accuracy", "mean_accuracy"),
    "pixels": ("miou", "pixel_accuracy"),
}
"""What runs are compared by, for each kind of task; differences are of the first, unless another is asked for."""
TITLES = {
    "ap": "AP",
    "ap50": "AP50",
    "ap_frequent": f"AP ({FREQUENT}+)",
    "ap50_frequent": f"AP50 ({FREQUENT}+)",
    "miou": "mIoU",
    "accuracy": "accuracy",
    "mean_accuracy": "mean accuracy",
    "pixel_accuracy": "pixel accuracy",
}


class Measured(NamedTuple):
    """A run's answers, ready to be drawn again.

    Attributes:
        pictures, objects, classes: that were measured; the objects of a mask are pixels, those of labels pictures.
        rare: classes of boxes with less than :data:`FREQUENT` objects, but some.
        sample: gives a metric on each resample.
    """

    pictures: int
    objects: int
    classes: int
    rare: int
    sample: Callable[[Any, Int[np.ndarray, "b p"]], Float[np.ndarray, " b"]]

    @classmethod
    def of(cls, answers: Answers | Pictures, reference: Answers | Pictures) -> "Measured":
        """Measure answers in the order of the reference's pictures."""
        if isinstance(answers, Pictures) and isinstance(reference, Pictures):
            same = answers.take(reference.ids).tally
            there = int((same.true.sum(axis=0) > 0).sum())
            return cls(len(same.true), int(same.true.sum()), there, 0, partial(pixels.sample, [same]))
        assert isinstance(answers, Answers)
        assert isinstance(reference, Answers)
        matches = match(reference.truths, answers.predictions, reference.names)
        counts = matches.objects.sum(axis=0)
        rare = int(((counts > 0) & (counts < FREQUENT)).sum())
        there = int((counts > 0).sum())
        return cls(len(matches.objects), int(counts.sum()), there, rare, partial(sample, [matches]))


def kind_of(answers: Answers | Pictures) -> store.Kind:
    """Of what kind a run's task is."""
    return answers.kind if isinstance(answers, Pictures) else "boxes"


def joined(parts: Sequence[Answers | Pictures]) -> Answers | Pictures:
    """The tasks of a run (or of runs that are one answer) as one; those of labels and masks stand alone."""
    boxes = [part for part in parts if isinstance(part, Answers)]
    if len(boxes) == len(parts):
        return pool(boxes)
    others = [part for part in parts if isinstance(part, Pictures)]
    if len(others) == len(parts) and len({part.task for part in parts}) == 1:
        return together(others)
    told = ", ".join(dict.fromkeys(f"{part.task} ({kind_of(part)})" for part in parts))
    raise PolyheadError(
        f"tasks of these kinds cannot be pooled: {told}; choose one with --task NAME (in a study: tables: tasks)"
    )


def read(folder: str, split: str, task: str | None = None) -> list[Answers | Pictures]:
    """Stored predictions and truth of one run, of one task or of all."""
    tasks = stored(folder, split)
    if task is not None and task not in tasks:
        raise PolyheadError(f"run {folder!r} has no predictions of task {task!r}{suggest(task, tasks)}")
    return [_read(Run.open(folder), split, name) for name in tasks if task in (None, name)]


def stored(folder: str, split: str) -> list[str]:
    """The tasks of a run whose predictions of a split are stored."""
    start, end = f"{split}.", ".npz"
    files = Run.open(folder).predictions.glob(f"{start}*{end}")
    names = (path.name.removeprefix(start).removesuffix(end) for path in files)
    tasks = sorted(name for name in names if "." not in name)  # a dot: the truth of a task
    if not tasks:
        raise PolyheadError(
            f"run {folder!r} has no stored predictions of split {split!r}; "
            f"write them with 'polyhead evaluate {folder} --split {split}'"
        )
    return tasks


def _read(run: Run, split: str, task: str) -> Answers | Pictures:
    path = run.predictions_of(split, task)
    kind = store.kind(path)
    if kind == "pixels":
        return of_pixels(task, *store.load_pixels(path))
    if kind == "labels":
        return of_labels(task, *store.load_labels(path))
    predictions, said = store.load(path)
    truths, names = store.load_truths(store.truths_of(path))
    if said != names:
        raise PolyheadError(f"{str(path)!r} and its truth have different class names; run 'polyhead evaluate' again")
    return Answers(task, truths, predictions, names)


def same_truth(first: Answers | Pictures, other: Answers | Pictures, rows: tuple[str, str]) -> None:
    """Refuse runs that were tested on different pictures, objects or classes: their scores cannot be compared."""
    pair = f"runs {rows[0]!r} and {rows[1]!r} cannot be compared: "
    remedy = "; compare runs of the same data and split"
    if kind_of(first) != kind_of(other):
        kinds = f"one is tested on {kind_of(first)}, the other on {kind_of(other)}"
        raise PolyheadError(f"{pair}{kinds}; choose a task of the same kind with --task NAME")
    if first.names != other.names:
        raise PolyheadError(f"{pair}their classes are {first.names} and {other.names}{remedy}")
    mine, theirs = _truths(first), _truths(other)
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


def _truths(answers: Answers | Pictures) -> dict[str, Any]:
    """The truth of each picture: an annotation, or true pixels by class."""
    if isinstance(answers, Pictures):
        return dict(zip(answers.ids, answers.tally.true, strict=True))
    return {truth.id: truth for truth in answers.truths}


def _equal(one: Any, other: Any) -> bool:
    if not isinstance(one, Annotation):
        return bool((one == other).all())
    same = one.size == other.size and one.boxes.shape == other.boxes.shape
    columns = ("boxes", "labels", "ignore", "areas")
    return same and all(bool((getattr(one, name) == getattr(other, name)).all()) for name in columns)
