"""Stored predictions of runs, read back and scored on any resample of their images."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from polyhead.errors import PolyheadError, suggest
from polyhead.metrics import intervals, masks, store
from polyhead.metrics.coco import FREQUENT
from polyhead.metrics.matching import match
from polyhead.metrics.per_image import ImagePredictions, join_folds, of_labels, of_pixels
from polyhead.metrics.pooled import BoxPredictions, pool
from polyhead.run import Run
from polyhead.types import Annotation

MEASURES: dict[store.StoredKind, tuple[str, ...]] = {
    "boxes": ("ap", "ap50", "ap_frequent", "ap50_frequent"),
    "labels": ("accuracy", "mean_accuracy"),
    "pixels": ("miou", "pixel_accuracy"),
}
"""The scores that runs are compared by, for each kind of task; differences are of the first by default."""
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


class ScoredRun(NamedTuple):
    """The predictions of a run, ready to be scored on resamples of the images.

    Attributes:
        images: number of images.
        objects: number of objects; of masks, the number of pixels; of labels, the number of images.
        classes: number of classes that occur in the targets.
        rare: number of box classes with at least one, but fewer than :data:`FREQUENT` objects.
        bootstrap: computes a score on each resample, from its name and the weights of the images.
    """

    images: int
    objects: int
    classes: int
    rare: int
    bootstrap: Callable[[Any, Int[np.ndarray, "b p"]], Float[np.ndarray, " b"]]

    @classmethod
    def of(
        cls, predicted: BoxPredictions | ImagePredictions, reference: BoxPredictions | ImagePredictions
    ) -> "ScoredRun":
        """Prepare predictions in the order of the reference's images, so that resamples are the same for all runs."""
        if isinstance(predicted, ImagePredictions) and isinstance(reference, ImagePredictions):
            sums = predicted.take(reference.ids).sums
            present = int((sums.target.sum(axis=0) > 0).sum())
            bootstrap = partial(masks.bootstrap_scores, [sums])
            return cls(len(sums.target), int(sums.target.sum()), present, 0, bootstrap)
        assert isinstance(predicted, BoxPredictions)
        assert isinstance(reference, BoxPredictions)
        matches = match(reference.targets, predicted.predictions, reference.names)
        counts = matches.objects.sum(axis=0)  # [c]
        rare = int(((counts > 0) & (counts < FREQUENT)).sum())
        present = int((counts > 0).sum())
        bootstrap_boxes = partial(intervals.bootstrap_scores, [matches])
        return cls(len(matches.objects), int(counts.sum()), present, rare, bootstrap_boxes)


def kind_of(predicted: BoxPredictions | ImagePredictions) -> store.StoredKind:
    """Return the kind of predictions."""
    return predicted.kind if isinstance(predicted, ImagePredictions) else "boxes"


def join_tasks(parts: Sequence[BoxPredictions | ImagePredictions]) -> BoxPredictions | ImagePredictions:
    """Pool the tasks of a run, or of several runs that are compared as one; labels and masks allow one task only.

    Raises:
        PolyheadError: when the tasks cannot be pooled.
    """
    boxes = [part for part in parts if isinstance(part, BoxPredictions)]
    if len(boxes) == len(parts):
        return pool(boxes)
    others = [part for part in parts if isinstance(part, ImagePredictions)]
    if len(others) == len(parts) and len({part.task for part in parts}) == 1:
        return join_folds(others)
    tasks = ", ".join(dict.fromkeys(f"{part.task} ({kind_of(part)})" for part in parts))
    raise PolyheadError(
        f"tasks of these kinds cannot be pooled: {tasks}. Choose one with --task NAME (in a study: tables: tasks)."
    )


def read_predictions(folder: str, split: str, task: str | None = None) -> list[BoxPredictions | ImagePredictions]:
    """Read the stored predictions and targets of a run, for one task or for all of them."""
    tasks = stored_tasks(folder, split)
    if task is not None and task not in tasks:
        raise PolyheadError(f"run {folder!r} has no predictions for task {task!r}{suggest(task, tasks)}")
    return [_read(Run.open(folder), split, name) for name in tasks if task in (None, name)]


def stored_tasks(folder: str, split: str) -> list[str]:
    """Return the tasks of a run that have stored predictions of a split.

    Raises:
        PolyheadError: when there are none.
    """
    start, end = f"{split}.", ".npz"
    files = Run.open(folder).predictions.glob(f"{start}*{end}")
    names = (path.name.removeprefix(start).removesuffix(end) for path in files)
    tasks = sorted(name for name in names if "." not in name)  # with a dot: TASK.target, the targets of a task
    if not tasks:
        raise PolyheadError(
            f"run {folder!r} has no stored predictions of split {split!r}. "
            f"Write them with 'polyhead evaluate {folder} --split {split}'."
        )
    return tasks


def _read(run: Run, split: str, task: str) -> BoxPredictions | ImagePredictions:
    """Read the stored predictions of one task, and its targets."""
    path = run.predictions_path(split, task)
    kind = store.kind(path)
    if kind == "pixels":
        return of_pixels(task, *store.load_pixels(path))
    if kind == "labels":
        return of_labels(task, *store.load_labels(path))
    predictions, predicted_names = store.load(path)
    targets, names = store.load_targets(store.targets_path(path))
    if predicted_names != names:
        raise PolyheadError(f"{str(path)!r} and its targets have different class names. Run 'polyhead evaluate' again.")
    return BoxPredictions(task, targets, predictions, names)


def check_same_targets(
    first: BoxPredictions | ImagePredictions, other: BoxPredictions | ImagePredictions, rows: tuple[str, str]
) -> None:
    """Refuse runs that were tested on different images, objects or classes: their scores cannot be compared."""
    problem = f"runs {rows[0]!r} and {rows[1]!r} cannot be compared: "
    remedy = ". Compare runs of the same data and split."
    if kind_of(first) != kind_of(other):
        kinds = f"one was tested on {kind_of(first)}, the other on {kind_of(other)}"
        raise PolyheadError(f"{problem}{kinds}. Choose a task of the same kind with --task NAME.")
    if first.names != other.names:
        raise PolyheadError(f"{problem}their classes are {first.names} and {other.names}{remedy}")
    first_targets, other_targets = _targets(first), _targets(other)
    unshared = sorted(first_targets.keys() ^ other_targets.keys())
    if unshared:
        raise PolyheadError(
            f"{problem}{len(unshared)} image(s) were tested by only one of them, such as {unshared[0]!r}{remedy}"
        )
    changed = [image_id for image_id in first_targets if not _equal(first_targets[image_id], other_targets[image_id])]
    if changed:
        raise PolyheadError(
            f"{problem}the targets of {len(changed)} image(s) differ, such as those of {changed[0]!r}{remedy}"
        )


def _targets(predicted: BoxPredictions | ImagePredictions) -> dict[str, Any]:
    """Return the target of each image: an annotation, or the number of target pixels by class."""
    if isinstance(predicted, ImagePredictions):
        return dict(zip(predicted.ids, predicted.sums.target, strict=True))
    return {target.id: target for target in predicted.targets}


def _equal(one: Any, other: Any) -> bool:
    """Return whether two targets of an image are equal."""
    if not isinstance(one, Annotation):
        return bool((one == other).all())
    same = one.size == other.size and one.boxes.shape == other.boxes.shape
    columns = ("boxes", "labels", "ignore", "areas")
    return same and all(bool((getattr(one, name) == getattr(other, name)).all()) for name in columns)
