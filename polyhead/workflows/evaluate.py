"""Score a trained model on a split: numbers with intervals beside a trivial rival, and stored predictions."""

import math
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from polyhead.analysis import errors, forgetting, mask_plots, plots, verdict
from polyhead.analysis.errors import CONFIDENT
from polyhead.config import recipe
from polyhead.data.doctor import fingerprint
from polyhead.data.loading.source import TaskData, open_tasks
from polyhead.data.loading.streams import collate
from polyhead.data.readers.exemplars import Kept, own
from polyhead.errors import PolyheadError
from polyhead.metrics import store
from polyhead.metrics.coco import coco
from polyhead.metrics.dummy import trivial
from polyhead.metrics.forgetting import course
from polyhead.metrics.intervals import LEVEL, intervals
from polyhead.metrics.labels import labels
from polyhead.metrics.masks import Answer, Pixels, constant, masks, settle
from polyhead.metrics.masks import intervals as pixel_intervals
from polyhead.metrics.voc import voc
from polyhead.nets.inference import predict_batch
from polyhead.nets.model import Model
from polyhead.run import Run, read_json, read_rows, unended, write_text
from polyhead.types import Annotation, Detections, Labels, Prediction, Sample
from polyhead.workflows.predict import load


def evaluate(model: Model, tasks: Mapping[str, TaskData], split: str, run: Run) -> dict[str, Any]:
    """Score every task on a split, store its predictions and its truth in the run, and return the numbers.

    The network runs in the run's precision (:attr:`polyhead.run.Run.precision`).

    Returns:
        ``{"tasks": {name: numbers}}`` in plain types, NaN as None; the numbers are explained in ``docs/evaluate.md``.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.to(device).to(memory_format=torch.channels_last).eval()
    found: dict[str, Any] = {}
    for name, task in tasks.items():
        begun = time.perf_counter()
        predictions = predict_split(model, name, task, split, device, run.precision)
        seconds = time.perf_counter() - begun
        truths = task.truths(split)
        boxes = {key: value for key, value in predictions.items() if isinstance(value, Detections)}
        classes = {key: value for key, value in predictions.items() if isinstance(value, Labels)}
        counts = {key: value for key, value in predictions.items() if isinstance(value, Pixels)}
        path = run.predictions_of(split, name)
        kept = isinstance(
            task.source.reader, Kept
        )  # of train a tenth, classes in equal parts: not as often as they are
        usual, whence = (split, "of these pictures") if kept else ("train", "in training")
        if len(boxes) == len(truths):
            store.save(path, boxes, task.names)
            store.save_truths(store.truths_of(path), truths, task.names)
            numbers = box_numbers(truths, boxes, task.truths("train"), task.names)  # AP asks no class how often it is
        elif len(classes) == len(truths):
            store.save_labels(path, classes, truths, task.names)
            numbers = _labels(truths, classes, task.truths(usual), task.names, whence)
        elif len(counts) == len(truths):
            store.save_pixels(path, counts, task.names)
            numbers = mask_numbers(list(counts.values()), task.census(usual), task.names, whence)
        else:
            raise PolyheadError(f"task {name!r}: its head decodes to a kind that has no evaluation yet")
        if kept:
            numbers = {key: value for key, value in numbers.items() if key not in ("objects", "pictures")}
        numbers |= {
            "split": split,
            "images": len(truths),
            "seconds_per_image": seconds / len(truths),
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        found[name] = numbers
    result: dict[str, Any] = plain({"tasks": found})
    return result


def measure(
    model: Model, tasks: Mapping[str, TaskData], run: Run, splits: Sequence[str], log: Callable[[str], None]
) -> dict[str, Any]:
    """Score splits into ``results.json``, draw, and say in plain words what came out on the last one.

    Scores of tasks that are not measured again stay in the file, and so does the run's verdict where they are some or
    the last split is not test.
    """
    results: dict[str, Any] = {}
    for split in splits:
        results = evaluate(model, tasks, split, run)
        known = read_json(run.results_json).get(split, {}).get("tasks", {})
        run.update_results(**{split: {"tasks": {**known, **results["tasks"]}}})
    rows = read_rows(run.results_csv)
    if any(row["stage"] != "0" for row in rows):
        forgetting.heat_map(course(rows), run.plots / "stages.png")
    for name, numbers in results["tasks"].items():
        numbers["history"] = verdict.history(rows, name, numbers["metric"].lower())
    plots.results(run, tasks.values())
    for name, task in tasks.items():
        if task.masked:
            path = run.plots / f"val_truth_prediction.{name}.png"
            mask_plots.truth_beside_mask(
                task.readers["val"], partial(predict_one, model, task, run.precision), task.names, path
            )
    text = verdict.verdict(results)
    if splits[-1] == "test" and run.read_manifest().get("splits", {}).keys() <= tasks.keys():
        write_text(run.verdict, text + "\n")
    log(text)
    return results


def reopen(run: Run, show: Callable[[str], None] = print) -> tuple[Model, dict[str, TaskData]]:
    """A run's best weights and its data, split as it was trained on; ``show`` is told what is amiss with either."""
    config = own(recipe.load(run.config), run)
    model = load(run.folder).model
    splits = run.read_manifest().get("splits")
    tasks = open_tasks(recipe.sources(config), model.size, int(config["seed"]), splits)
    for line in (*unended([run]), *changed(run, tasks)):
        show(line)
    return model, tasks


def changed(run: Run, tasks: Mapping[str, TaskData]) -> list[str]:
    """A line for each split whose pictures or truth are no longer those that the run began with."""
    began = run.read_manifest().get("data", {})
    return [
        f"{name}: the {part} data is no longer what this run began with: pictures or their truth have changed since"
        for name, task in tasks.items()
        for part, mark in began.get(name, {}).get("fingerprint", {}).items()
        if not isinstance(task.source.reader, Kept) and fingerprint(task.readers[part]) != mark  # copies are its own
    ]


def predict_split(
    model: Model, name: str, task: TaskData, split: str, device: str, precision: str
) -> dict[str, Answer]:
    """The predictions of one head on a split, by sample id, in original pixels; counts in the place of masks."""
    predictions: dict[str, Answer] = {}
    for batch in task.evaluation(split):
        moved = batch._replace(inputs=batch.inputs.to(device))
        found = predict_batch(model, moved, [name], precision)[name]
        predictions |= settle(found, partial(task.mask, split), len(task.names))
    return predictions


def predict_one(model: Model, task: TaskData, precision: str, sample: Sample) -> Prediction:
    """What a task's head says of one sample, in original pixels."""
    batch = collate([task.eval_transform(sample)])
    batch = batch._replace(inputs=batch.inputs.to(next(model.parameters()).device))
    return predict_batch(model, batch, [task.name], precision)[task.name][sample.id]


def box_numbers(
    truths: Sequence[Annotation], found: Mapping[str, Detections], train: Sequence[Annotation], names: Sequence[str]
) -> dict[str, Any]:
    """COCO's and VOC's numbers, intervals, the rival, and the kinds of error."""
    scores = coco(truths, found, names)
    bounds = intervals(truths, found, names)
    guess = coco(truths, trivial(train, truths), names)
    voc2007, voc2010 = voc(truths, found, names, year=2007), voc(truths, found, names, year=2010)
    numbers = {key: value for key, value in scores._asdict().items() if isinstance(value, float)}
    return {
        "metric": "AP50",
        "score": scores.ap50,
        "interval": [bounds["ap50"].low, bounds["ap50"].high],
        "level": LEVEL,
        "protocol": "COCO; original pixels; at most 100 detections a class and picture; crowd and difficult ignored",
        "objects_measured": scores.objects,
        "coco": numbers,
        "intervals": {key: list(value) for key, value in bounds.items()},
        "voc2007": voc2007.map50,
        "voc2010": voc2010.map50,
        "classes": {
            each.name: {"objects": each.objects, "ap": each.ap, "ap50": each.ap50, "voc2007": old.ap, "voc2010": new.ap}
            for each, old, new in zip(scores.classes, voc2007.classes, voc2010.classes, strict=True)
        },
        "absent": scores.absent,
        "rival": {"name": "each class's mean box in every picture", "score": guess.ap50, "ap": guess.ap},
        "errors": errors.split(truths, found, CONFIDENT).summary(names),
        "objects": _objects(train, names),
    }


def mask_numbers(
    found: Sequence[Pixels], train: Int[Tensor, "p c"], names: Sequence[str], whence: str
) -> dict[str, Any]:
    """IoU with intervals, beside that of calling every pixel by the class that is most frequent in training.

    Args:
        found: the counts of every picture.
        train: pixels of each class in each training picture.
        names: class names, the background first.
        whence: where the most frequent class is so, in words.
    """
    scores = masks(found, names)
    bounds = pixel_intervals(found)
    usual = int(train.sum(0).argmax())
    counts = torch.stack([one.counts for one in found]).sum(0).numpy()
    return {
        "metric": "mIoU",
        "score": scores.miou,
        "interval": [bounds["miou"].low, bounds["miou"].high],
        "level": LEVEL,
        "protocol": "IoU of each class over the pixels of all pictures, background included; original pixels; "
        "255 ignored; classes neither there nor predicted left out",
        "miou_foreground": scores.miou_foreground,
        "pixel_accuracy": scores.pixel_accuracy,
        "mean_accuracy": scores.mean_accuracy,
        "intervals": {key: list(value) for key, value in bounds.items()},
        "classes": {name: {"pixels": scores.pixels[name], "iou": scores.iou[name]} for name in names},
        "absent": scores.absent,
        "rival": {
            "name": f"every pixel {names[usual]!r}, the most frequent {whence}",
            "score": masks(constant(found, usual), names).miou,
        },
        "confusions": confusions(counts, names),
        "pictures": dict(zip(names, (train > 0).sum(0).tolist(), strict=True)),
    }


def confusions(counts: Int[np.ndarray, "c d"], names: Sequence[str], most: int = 5) -> list[list[Any]]:
    """``[true class, what it was called, share of the true class]`` of the commonest mistakes, most first.

    Args:
        counts: by true class (row) and given class (column); a column beyond the classes is "nothing".
        names: class names.
        most: so many.
    """
    wrong = counts * (1 - np.eye(*counts.shape, dtype=np.int64))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    called = [*names, "nothing"]
    return [
        [names[row], called[column], float(counts[row, column] / counts[row].sum())]
        for row, column in zip(*np.unravel_index(order, wrong.shape), strict=True)
        if wrong[row, column]
    ]


def _labels(
    truths: Sequence[Annotation],
    found: Mapping[str, Labels],
    train: Sequence[Annotation],
    names: Sequence[str],
    whence: str,
) -> dict[str, Any]:
    """Accuracy with a Wilson interval beside that of always naming the class that is most frequent in training."""
    scores = labels(truths, found, names)
    counts = [
        sum(int(truth.value) == index for truth in train if truth.value is not None) for index in range(len(names))
    ]
    usual = max(range(len(names)), key=counts.__getitem__)
    guess = sum(int(truth.value) == usual for truth in truths if truth.value is not None) / len(truths)
    low, high = wilson(scores.accuracy, len(truths))
    return {
        "metric": "accuracy",
        "score": scores.accuracy,
        "interval": [low, high],
        "level": LEVEL,
        "protocol": "top-1, one view of each picture",
        "macro_f1": scores.macro_f1,
        "top5": scores.top5,
        "calibration_error": scores.calibration,
        "classes": {name: {"pictures": scores.pictures[name], "f1": scores.f1[name]} for name in names},
        "rival": {"name": f"always {names[usual]!r}, the most frequent class {whence}", "score": guess},
        "confusions": confusions(scores.confusion, names),
        "pictures": dict(zip(names, counts, strict=True)),
    }


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 90 % interval of a share of ``count`` independent cases (Wilson, JASA 1927)."""
    z = 1.6449
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)  # rounding may leave 0..1


def _objects(truths: Sequence[Annotation], names: Sequence[str]) -> dict[str, int]:
    found = torch.cat([truth.labels[~truth.ignore] for truth in truths])
    return dict(zip(names, torch.bincount(found, minlength=len(names)).tolist(), strict=True))


def plain(value: Any) -> Any:
    """Numbers that JSON knows: NaN becomes None."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
