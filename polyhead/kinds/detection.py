"""Detection: the boxes and classes of objects. Targets are gathered as they are, by image id."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from polyhead.boxes.overlap import pairwise_iou
from polyhead.contracts.explained import Item, Mistake
from polyhead.contracts.kind import Kind, Targets, Tested
from polyhead.contracts.label_errors import LabelError
from polyhead.contracts.operating import Conf, Decisions
from polyhead.contracts.score import Columns, Score
from polyhead.kinds.box_card import BoxCard
from polyhead.kinds.box_checks import BoxChecks
from polyhead.kinds.box_decisions import box_decisions, reach
from polyhead.kinds.box_mistakes import box_mistakes
from polyhead.kinds.box_results import BoxResults
from polyhead.kinds.box_statistics import object_counts, relative_boxes
from polyhead.kinds.label_errors import box_label_errors
from polyhead.kinds.original_boxes import have_area, original_boxes
from polyhead.kinds.targets import boxes_of
from polyhead.metrics import confusions, error_facts, store
from polyhead.metrics.box_errors import CONFIDENT, LOWER, count_errors
from polyhead.metrics.coco import FREQUENT, coco
from polyhead.metrics.dummy import dummy_predictions
from polyhead.metrics.intervals import LEVEL, intervals
from polyhead.metrics.pooled import TestedBoxes
from polyhead.metrics.stored_targets import load_targets, save_targets, targets_path
from polyhead.metrics.voc import voc
from polyhead.plotting import box_plots, draw
from polyhead.types import BoxBatch, Boxes, Detections, Marks, Meta, ShownClass, Size, TaskInfo

TOP = 300
"""The highest-scoring detections of an image that are stored.

COCO evaluates up to 100 detections of *each class* in an image: scores computed from the file and from memory are equal
only if the detector returns no more than this in all.
"""
SIZES = 1000
"""Box sizes that a head may be built from, evenly spaced in the order of their areas."""
_STORED = {
    "boxes": torch.float32,
    "labels": torch.int64,
    "ignore": torch.bool,
    "areas": torch.float32,
    "annotated": torch.bool,
}
"""The fields of a target that are stored as lists, and their types, also where a list is empty."""
PANEL = "average precision"
NOTE = f"({FREQUENT}+): classes with at least {FREQUENT} test objects"
_FOUND: store.ColumnTypes = {"boxes": ("f", (4,)), "scores": ("f", ()), "labels": ("i", ())}


class Detection(BoxChecks, BoxCard, BoxResults, Kind):
    """The kind of a task whose head predicts boxes with a class and a score."""

    title = "detection"
    hub_task = "object-detection"
    annotations = "box annotations"
    target = Boxes
    prediction = Detections
    extras = ("voc2007", "voc2010")
    counted = "objects"
    unmatched = "objects left out"
    uses_frequencies = False  # AP is computed class by class
    counts_objects = True
    mixes = True
    scores = (Score("ap50", "AP50", panel=PANEL), Score("ap", "AP", panel=PANEL))
    measures = (
        Score("ap", "AP"),
        Score("ap50", "AP50"),
        Score("ap_frequent", f"AP ({FREQUENT}+)", note=NOTE, frequent_only=True),
        Score("ap50_frequent", f"AP50 ({FREQUENT}+)", note=NOTE, frequent_only=True),
    )

    @property
    def name(self) -> str:
        """The short name."""
        return "detection"

    def collate(self, targets: Sequence[Boxes]) -> BoxBatch:
        """Pad the boxes to the longest list, and to at least one row; padded rows have label -1."""
        rows = max(1, *(target.boxes.shape[0] for target in targets))
        boxes = torch.zeros(len(targets), rows, 4)  # [b, m, 4]
        labels = torch.full((len(targets), rows), -1, dtype=torch.int64)  # [b, m]
        ignore = torch.zeros(len(targets), rows, dtype=torch.bool)  # [b, m]
        for row, target in enumerate(targets):
            count = target.boxes.shape[0]
            boxes[row, :count] = target.boxes
            labels[row, :count] = target.labels
            ignore[row, :count] = target.ignore
        return BoxBatch(boxes, labels, ignore, torch.stack([target.annotated for target in targets]))

    def as_target(self, value: Any, size: Size | None, names: Sequence[str]) -> Boxes:
        """Return the objects of a mapping with ``boxes`` (xyxy in pixels) and ``labels``."""
        return boxes_of(value, size, names)

    def example(self, names: Sequence[str], size: Size) -> Boxes:
        """Return one object of the first class."""
        box = torch.tensor([[0.2 * size[1], 0.2 * size[0], 0.7 * size[1], 0.7 * size[0]]])
        nothing, every = torch.zeros(1, dtype=torch.bool), torch.ones(len(names), dtype=torch.bool)
        return Boxes(box, torch.zeros(1, dtype=torch.int64), nothing, torch.ones(1), every, size)

    def restore(self, prediction: Detections, meta: Meta) -> Detections:
        """Map boxes to pixels of the original image, clipped to it; boxes without area there are dropped."""
        anchors = None if prediction.anchors is None else prediction.anchors.cpu()
        found = Detections(prediction.boxes.cpu(), prediction.scores.cpu(), prediction.labels.cpu(), anchors)
        boxes = original_boxes(found.boxes, meta)
        return found._replace(boxes=boxes).take(have_area(boxes))

    def visible(self, prediction: Detections, meta: Meta) -> Detections:
        """Return the detections that :meth:`restore` does not drop."""
        return prediction.take(have_area(original_boxes(prediction.boxes, meta)))

    def save_target(self, target: Boxes, folder: Path, name: str) -> dict[str, Any]:
        """Return the objects as lists."""
        return {key: getattr(target, key).tolist() for key in _STORED} | {"size": list(target.size)}

    def load_target(self, entry: Mapping[str, Any], folder: Path) -> Boxes:
        """Return the stored objects."""
        boxes, labels, ignore, areas, annotated = (
            torch.tensor(entry[key], dtype=dtype) for key, dtype in _STORED.items()
        )
        height, width = entry["size"]
        return Boxes(boxes.reshape(-1, 4), labels, ignore, areas, annotated, (int(height), int(width)))

    def gather(self, targets: Mapping[str, Boxes], names: Sequence[str]) -> dict[str, Boxes]:
        """Return the targets as they are."""
        del names
        return dict(targets)

    def match(self, target: Boxes, labels: Tensor, classes: int) -> tuple[Boxes, list[int]]:
        """Return the boxes of known classes; classes that only the model has are not annotated."""
        known = labels[target.labels] >= 0  # [n]
        annotated = torch.zeros(classes, dtype=torch.bool)
        annotated[labels[labels >= 0]] = target.annotated[labels >= 0]
        columns = (target.boxes[known], labels[target.labels[known]], target.ignore[known], target.areas[known])
        return Boxes(*columns, annotated, target.size), target.labels[~known].tolist()

    def shown(self, targets: Targets) -> list[set[ShownClass]]:
        """Return the classes of the objects of each image; ignored objects do not count."""
        return [
            {("object", label) for label in target.labels[~target.ignore].tolist()}
            for target in targets.gathered.values()
        ]

    def has_content(self, targets: Targets) -> list[bool]:
        """Return whether each image has an object that is not ignored."""
        return [not bool(target.ignore.all()) for target in targets.gathered.values()]

    def info(self, targets: Targets, categories: Sequence[int | str]) -> TaskInfo:
        """Return the number of objects of each class, and widths and heights of boxes as fractions of their images."""
        counts = dict(zip(targets.names, object_counts(targets), strict=True))
        boxes = relative_boxes(targets)
        sizes = boxes[:, 2:] - boxes[:, :2]  # [n, 2]
        sizes = sizes[np.argsort(sizes.prod(axis=1), kind="stable")]
        chosen = np.unique(np.linspace(0, max(len(sizes) - 1, 0), min(SIZES, len(sizes))).round().astype(int))
        return TaskInfo(targets.names, list(categories), counts, {"box_sizes": sizes[chosen].tolist()})

    def peers(self, targets: Targets) -> list[list[int]]:
        """Return, for each image, the indices of the images with the same annotated classes.

        A mixed image has negatives only for classes that are annotated in all of its images. Mixing across merged data
        sets would leave most classes without negatives.
        """
        keys = [target.annotated.numpy().tobytes() for target in targets.gathered.values()]
        groups: dict[bytes, list[int]] = {}
        for index, key in enumerate(keys):
            groups.setdefault(key, []).append(index)
        return [groups[key] for key in keys]

    def score(self, targets: Targets, predictions: Mapping[str, Detections]) -> dict[str, float]:
        """Compute COCO's AP50 and AP."""
        scores = coco(targets.gathered, predictions, targets.names)
        return {"ap50": scores.ap50, "ap": scores.ap}

    def dummy(self, train: Targets, targets: Targets) -> float:
        """Return the AP50 of each class's mean box in every image."""
        return coco(targets.gathered, dummy_predictions(train.gathered, targets.gathered), targets.names).ap50

    def report(
        self, targets: Targets, predictions: Mapping[str, Detections], train: Targets, source: str = "in training"
    ) -> dict[str, Any]:
        """Return the COCO and VOC metrics, with intervals, the dummy baseline and the kinds of error."""
        boxes, names = targets.gathered, targets.names
        scores = coco(boxes, predictions, names)
        bounds = intervals(boxes, predictions, names)
        dummy = coco(boxes, dummy_predictions(train.gathered, boxes), names)
        voc2007, voc2010 = voc(boxes, predictions, names, year=2007), voc(boxes, predictions, names, year=2010)
        return {
            "metric": self.main.title,
            "score": scores.ap50,
            "interval": [bounds["ap50"].low, bounds["ap50"].high],
            "level": LEVEL,
            "protocol": "COCO; original pixels; at most 100 detections per class and image; crowd and difficult "
            "ignored",
            "objects_measured": scores.objects,
            "coco": {key: value for key, value in scores._asdict().items() if isinstance(value, float)},
            "intervals": {key: list(value) for key, value in bounds.items()},
            "voc2007": voc2007.map50,
            "voc2010": voc2010.map50,
            "classes": {
                each.name: {
                    "objects": each.objects,
                    "ap": each.ap,
                    "ap50": each.ap50,
                    "voc2007": old.ap,
                    "voc2010": new.ap,
                }
                for each, old, new in zip(scores.classes, voc2007.classes, voc2010.classes, strict=True)
            },
            "absent": scores.absent,
            "dummy_baseline": {"name": "each class's mean box in every image", "score": dummy.ap50, "ap": dummy.ap},
            "errors": {
                **count_errors(boxes, predictions, CONFIDENT).summary(names),
                "lower_conf": {"conf": LOWER, **count_errors(boxes, predictions, LOWER).totals},
            },
            "train_objects": dict(zip(names, object_counts(train), strict=True)),
        }

    def save(self, path: Path, targets: Targets, predictions: Mapping[str, Detections]) -> None:
        """Write the :data:`TOP` highest-scoring detections of each image as float32, best first, and the targets."""
        best = [found.scores.argsort(descending=True, stable=True)[:TOP] for found in predictions.values()]
        found = [each.take(index) for each, index in zip(predictions.values(), best, strict=True)]
        store.write(
            path,
            self.name,
            targets.names,
            predictions,
            counts=store.count_rows(each.scores for each in found),
            boxes=store.concat_float32(each.boxes for each in found).reshape(-1, 4),
            scores=store.concat_float32(each.scores for each in found),
            labels=store.concat(each.labels for each in found).astype(np.int64),
        )
        save_targets(targets_path(path), targets.gathered, targets.names)

    def load(self, path: Path, task: str) -> Tested:
        """Read detections and targets."""
        table = store.read(path, {}, _FOUND)
        columns = [store.split_by_sample(table[column], table["counts"]) for column in _FOUND]
        found = [Detections(*row) for row in zip(*columns, strict=True)]
        targets, names = load_targets(targets_path(path))
        if table["names"].tolist() != names or not set(table["ids"].tolist()) <= set(targets):
            raise store.broken(path, "its class names or images are not those of its targets")
        if not ((table["labels"] >= 0) & (table["labels"] < len(names))).all():
            raise store.broken(path, f"labels do not fit the {len(names)} class names")
        return TestedBoxes(self, task, targets, dict(zip(table["ids"].tolist(), found, strict=True)), names)

    def decisions(self, tested: Tested, temperature: float = 1.0) -> Decisions:
        """Return the detections; a temperature is not used (``docs/evaluate.md`` says why)."""
        assert isinstance(tested, TestedBoxes)
        return box_decisions(tested)

    def confident(self, prediction: Detections, conf: Conf) -> Detections:
        """Return the detections with at least this score."""
        return prediction.take(reach(prediction, conf))

    def take(self, prediction: Detections, index: Any) -> Detections:
        """Return the detections with these indices."""
        return prediction.take(torch.as_tensor(index))

    def columns(self, prediction: Detections) -> Columns:
        """Return the detections as arrays."""
        boxes, scores, classes = prediction.boxes.numpy(), prediction.scores.numpy(), prediction.labels.numpy()
        return Columns(scores, classes, boxes)

    def items(self, prediction: Detections, names: Sequence[str]) -> list[Item]:
        """Return the objects."""
        captions = self.marks(prediction, names).captions
        columns = (captions, prediction.scores.tolist(), prediction.labels.tolist(), prediction.boxes)
        return [Item(number, *row) for number, row in enumerate(zip(*columns, strict=True))]

    def agreement(self, prediction: Detections, item: Item, other: Detections) -> float:
        """Return score times IoU of the box of the same class that agrees best."""
        same = other.labels == item.label  # [n]
        overlaps = pairwise_iou(prediction.boxes[item.number][None], other.boxes[same])[0]  # [n]
        return max((other.scores[same] * overlaps).tolist(), default=0.0)

    def mistakes(self, target: Boxes, prediction: Detections, names: Sequence[str], conf: Conf) -> list[Mistake]:
        """Return the wrong detections and the missed objects."""
        return box_mistakes(target, prediction, names, conf)

    def label_errors(
        self, targets: Mapping[str, Boxes], predictions: Mapping[str, Detections], names: Sequence[str]
    ) -> list[LabelError]:
        """Return the boxes that are overlooked, badly located or of another class."""
        return box_label_errors(targets, predictions, names)

    def describe(self, prediction: Detections, names: Sequence[str]) -> str:
        """Return how many objects of each class were detected, such as ``2 person, 1 car``."""
        counts = torch.bincount(prediction.labels, minlength=len(names)).numpy()
        order = [index for index in np.argsort(-counts, kind="stable") if counts[index]]
        return ", ".join(f"{counts[index]} {names[index]}" for index in order) or "nothing"

    def marks(
        self, prediction: Detections, names: Sequence[str], title: str = "", first: int = 0, by_class: bool = True
    ) -> Marks:
        """Return the boxes with their class names and scores."""
        labels, scores = prediction.labels.tolist(), prediction.scores.tolist()
        captions = [f"{names[label]} {score:.2f}" for label, score in zip(labels, scores, strict=True)]
        colors = [draw.color(first + label * by_class) for label in labels]
        return Marks(title, prediction.boxes.tolist(), captions, colors)

    def target_marks(self, target: Boxes, names: Sequence[str]) -> Marks:
        """Return the boxes with their class names; ignored ones are gray."""
        labels, ignore = target.labels.tolist(), target.ignore.tolist()
        captions = ["ignored" if skip else names[label] for label, skip in zip(labels, ignore, strict=True)]
        colors = [draw.GRAY if skip else draw.color(label) for label, skip in zip(labels, ignore, strict=True)]
        return Marks("", target.boxes.tolist(), captions, colors)

    def to_supervision(self, prediction: Detections, names: Sequence[str]) -> Any:
        """Convert to ``supervision.Detections`` with ``class_name``."""
        import supervision as sv

        boxes, scores, classes = prediction.boxes.numpy(), prediction.scores.numpy(), prediction.labels.numpy()
        data: dict[str, Any] = {"class_name": np.array([names[label] for label in classes], dtype=np.str_)}
        return sv.Detections(xyxy=boxes, confidence=scores, class_id=classes, data=data)

    def facts(self, numbers: Mapping[str, Any]) -> list[str]:
        """Report objectness, the main kind of error and what helps, small objects, and classes with few objects."""
        return [
            *error_facts.objectness(numbers),
            *error_facts.main_error(numbers),
            *error_facts.small_objects(numbers),
            *confusions.rare(numbers, "objects"),
        ]

    def plot_data(self, targets: Targets, task: str, path: Path) -> Path | None:
        """Plot how many objects each class has, where their centers are and how large they are."""
        counts = np.array(object_counts(targets))
        return box_plots.objects(counts, relative_boxes(targets), targets.names, task, len(targets), path)
