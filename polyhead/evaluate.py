"""Score a trained model on a split: numbers with intervals beside a trivial rival, and stored predictions."""

import math
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from polyhead import recipe
from polyhead.analysis import errors, plots, verdict
from polyhead.analysis.errors import CONFIDENT
from polyhead.data.source import TaskData, open_tasks
from polyhead.errors import PolyheadError
from polyhead.metrics import store
from polyhead.metrics.coco import coco
from polyhead.metrics.intervals import LEVEL, intervals
from polyhead.metrics.labels import labels
from polyhead.metrics.rival import trivial
from polyhead.metrics.voc import voc
from polyhead.nets.inference import predict_batch
from polyhead.nets.model import Model
from polyhead.predict import load
from polyhead.run import Run, read_rows, write_text
from polyhead.types import Annotation, Detections, Labels, Prediction


def evaluate(model: Model, tasks: Mapping[str, TaskData], split: str, run: Run) -> dict[str, Any]:
    """Score every task on a split, store its predictions and its truth in the run, and return the numbers.

    Returns:
        ``{"tasks": {name: numbers}}`` in plain types, NaN as None; the numbers are explained in ``docs/evaluate.md``.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.to(device).to(memory_format=torch.channels_last).eval()
    found: dict[str, Any] = {}
    for name, task in tasks.items():
        begun = time.perf_counter()
        predictions = predict_split(model, name, task, split, device)
        seconds = time.perf_counter() - begun
        truths = task.truths(split)
        boxes = {key: value for key, value in predictions.items() if isinstance(value, Detections)}
        classes = {key: value for key, value in predictions.items() if isinstance(value, Labels)}
        if len(boxes) == len(truths):
            path = run.predictions_of(split, name)
            store.save(path, boxes, task.names)
            store.save_truths(store.truths_of(path), truths, task.names)
            numbers = box_numbers(truths, boxes, task.truths("train"), task.names)
        elif len(classes) == len(truths):
            numbers = _labels(truths, classes, task.truths("train"), task.names)
        else:
            raise PolyheadError(f"task {name!r}: its head decodes to a kind that has no evaluation yet")
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
    """Score splits into ``results.json``, draw, and say in plain words what came out on the last one."""
    results: dict[str, Any] = {}
    for split in splits:
        results = evaluate(model, tasks, split, run)
        run.update_results(**{split: results})
    rows = read_rows(run.results_csv)
    for name, numbers in results["tasks"].items():
        numbers["history"] = verdict.history(rows, name, numbers["metric"].lower())
    for task in tasks.values():
        plots.results(run, task)
    text = verdict.verdict(results)
    write_text(run.verdict, text + "\n")
    log(text)
    return results


def reopen(run: Run) -> tuple[Model, dict[str, TaskData]]:
    """A run's best weights and its data, split as it was trained on."""
    config = recipe.load(run.config)
    model = load(run.folder).model
    splits = run.read_manifest().get("splits")
    return model, open_tasks(recipe.sources(config), model.size, int(config["seed"]), splits)


def predict_split(model: Model, name: str, task: TaskData, split: str, device: str) -> dict[str, Prediction]:
    """The predictions of one head on a split, by sample id, in original pixels."""
    predictions: dict[str, Prediction] = {}
    for batch in task.evaluation(split):
        moved = batch._replace(inputs=batch.inputs.to(device))
        predictions |= predict_batch(model, moved, [name], "auto")[name]
    return predictions


def box_numbers(
    truths: Sequence[Annotation], found: Mapping[str, Detections], train: Sequence[Annotation], names: Sequence[str]
) -> dict[str, Any]:
    """COCO's and VOC's numbers, intervals, the rival, and the kinds of error."""
    scores = coco(truths, found, names)
    bounds = intervals(truths, found, names)
    guess = coco(truths, trivial(train, truths), names)
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
        "voc2007": voc(truths, found, names, year=2007).map50,
        "voc2010": voc(truths, found, names, year=2010).map50,
        "classes": {each.name: {"objects": each.objects, "ap": each.ap, "ap50": each.ap50} for each in scores.classes},
        "absent": scores.absent,
        "rival": {"name": "each class's mean box in every picture", "score": guess.ap50, "ap": guess.ap},
        "errors": errors.split(truths, found, CONFIDENT).summary(names),
        "objects": _objects(train, names),
    }


def _labels(
    truths: Sequence[Annotation], found: Mapping[str, Labels], train: Sequence[Annotation], names: Sequence[str]
) -> dict[str, Any]:
    """Accuracy with a Wilson interval beside that of always naming the most frequent training class."""
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
        "classes": {name: {"objects": scores.pictures[name], "f1": scores.f1[name]} for name in names},
        "rival": {"name": f"always {names[usual]!r}, the most frequent training class", "score": guess},
        "objects": dict(zip(names, counts, strict=True)),
    }


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 90 % interval of a share of ``count`` independent cases (Wilson, JASA 1927)."""
    z = 1.6449
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return middle - half, middle + half


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
