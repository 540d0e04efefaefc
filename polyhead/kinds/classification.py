"""Classification: one class for each sample. Targets are gathered as they are, by sample id."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from polyhead.contracts.analyzed import Cases
from polyhead.contracts.explained import Item, Mistake
from polyhead.contracts.kind import Targets, Tested
from polyhead.contracts.label_errors import LabelError
from polyhead.contracts.operating import Conf, Decisions
from polyhead.contracts.score import Columns, Counts, Score
from polyhead.kinds.label_errors import class_label_errors
from polyhead.kinds.statistics import StatisticsKind, TestedStatistics
from polyhead.kinds.targets import class_index
from polyhead.metrics import confusions, masks, store
from polyhead.metrics.intervals import LEVEL, wilson
from polyhead.metrics.labels import gather_labels, labels
from polyhead.metrics.operating import at_temperature
from polyhead.plotting.figures import class_counts, confusion_matrix
from polyhead.types import ClassLabel, LabelBatch, Labels, Marks, ShownClass, Size, TaskInfo

SHOWN = 3
"""Number of classes that are written on an image."""
COLUMNS: store.ColumnTypes = {"probabilities": ("f", (-1,)), "true": ("i", ())}


class Classification(StatisticsKind):
    """The kind of a task whose head predicts the probability of each class."""

    title = "classification"
    hub_task = "{modality}-classification"
    annotations = "image labels"
    target = ClassLabel
    prediction = Labels
    always_answers = True
    scores = (Score("accuracy", "accuracy"), Score("f1", "F1"))
    extras = ("macro_f1", "top5", "calibration_error")
    measures = (Score("accuracy", "accuracy"), Score("mean_accuracy", "mean accuracy"))
    croissant_columns = MappingProxyType({"label": ("sc:Text", "cr:Label")})

    @property
    def name(self) -> str:
        """The short name."""
        return "classification"

    def as_target(self, value: Any, size: Size | None, names: Sequence[str]) -> ClassLabel:
        """Return the index of a class, of any integer type, as int64."""
        return ClassLabel(class_index(value.label if isinstance(value, ClassLabel) else value, names))

    def example(self, names: Sequence[str], size: Size) -> ClassLabel:
        """Return the first class."""
        return ClassLabel(torch.tensor(0))

    def collate(self, targets: Sequence[ClassLabel]) -> LabelBatch:
        """Stack the classes."""
        return LabelBatch(torch.stack([target.label for target in targets]))  # [b]

    def gather(self, targets: Mapping[str, ClassLabel], names: Sequence[str]) -> dict[str, ClassLabel]:
        """Return the targets as they are."""
        del names
        return dict(targets)

    def match(self, target: ClassLabel, labels: Tensor, classes: int) -> tuple[ClassLabel | None, list[int]]:
        """Return the class; nothing is left of a sample of an unknown one."""
        known = bool(labels[target.label] >= 0)
        return (target.relabel(labels, classes), []) if known else (None, [int(target.label)])

    def shown(self, targets: Targets) -> list[set[ShownClass]]:
        """Return the class of each sample."""
        return [{("value", int(target.label))} for target in targets.gathered.values()]

    def info(self, targets: Targets, categories: Sequence[int | str]) -> TaskInfo:
        """Return the number of samples of each class."""
        return TaskInfo(targets.names, list(categories), dict(zip(targets.names, _class_counts(targets), strict=True)))

    def croissant_rows(self, target: ClassLabel, names: Sequence[str]) -> list[list[Any]]:
        """Return the class."""
        return [[names[int(target.label)]]]

    def statistics(self, targets: Targets, predictions: Mapping[str, Labels]) -> Float[np.ndarray, "n k"]:
        """Return whether each class is correct, the target and predicted, ``k = 3 * classes``."""
        return _statistics(*gather_labels(targets.gathered, predictions))

    def measure(self, score: str, sums: Float[np.ndarray, "b k"]) -> Float[np.ndarray, " b"]:
        """Compute a score; a sample counts like a pixel of a mask."""
        correct, target, predicted = sums.reshape(len(sums), 3, -1).swapaxes(0, 1)  # [b, c] each
        return masks.measure("pixel_accuracy" if score == "accuracy" else score, correct, target, predicted)

    def count(self, sums: Float[np.ndarray, " k"], samples: int) -> Counts:
        """Return the number of samples, and of classes that occur."""
        target = np.split(sums, 3)[1]
        return Counts(samples, int(target.sum()), int((target > 0).sum()))

    def score(self, targets: Targets, predictions: Mapping[str, Labels]) -> dict[str, float]:
        """Compute accuracy and the mean F1 over the classes."""
        scores = labels(targets.gathered, predictions, targets.names)
        return {"accuracy": scores.accuracy, "f1": scores.macro_f1}

    def dummy(self, train: Targets, targets: Targets) -> float:
        """Return the accuracy of always predicting the most frequent class."""
        most_frequent = _most_frequent(train)
        return sum(int(target.label) == most_frequent for target in targets.gathered.values()) / len(targets)

    def report(
        self, targets: Targets, predictions: Mapping[str, Labels], train: Targets, source: str = "in training"
    ) -> dict[str, Any]:
        """Return the accuracy with a Wilson interval, the dummy baseline and the most common mistakes.

        The dummy baseline always predicts the most frequent class.
        """
        names = targets.names
        scores = labels(targets.gathered, predictions, names)
        return {
            "metric": self.main.title,
            "score": scores.accuracy,
            "interval": list(wilson(scores.accuracy, len(targets))),
            "level": LEVEL,
            "protocol": "top-1, one view of each image",
            "macro_f1": scores.macro_f1,
            "top5": scores.top5,
            "calibration_error": scores.calibration,
            "classes": {name: {"images": scores.images[name], "f1": scores.f1[name]} for name in names},
            "dummy_baseline": {
                "name": f"always {names[_most_frequent(train)]!r}, the most frequent class {source}",
                "score": self.dummy(train, targets),
            },
            "confusions": confusions.largest(scores.confusion, names),
            "train_images": dict(zip(names, _class_counts(train), strict=True)),
        }

    def save(self, path: Path, targets: Targets, predictions: Mapping[str, Labels]) -> None:
        """Write the probabilities of each class as float32, and the target, in the order of the targets."""
        target, scores = gather_labels(targets.gathered, predictions)
        store.write(path, self.name, targets.names, targets.ids, probabilities=scores.astype(np.float32), true=target)

    def load(self, path: Path, task: str) -> Tested:
        """Read probabilities and targets."""
        table = store.read(path, COLUMNS)
        classes, true = table["names"].shape[0], table["true"]
        if table["probabilities"].shape[1] != classes or not ((true >= 0) & (true < classes)).all():
            raise store.broken(path, f"probabilities or target classes do not fit the {classes} class names")
        return TestedLabels(self, task, table["names"].tolist(), table["ids"].tolist(), table["probabilities"], true)

    def columns(self, prediction: Labels) -> Columns:
        """Return all classes with their probabilities, the most probable first."""
        best, order = prediction.scores.float().sort(descending=True, stable=True)  # [c]
        return Columns(best.numpy(), order.numpy())

    def decisions(self, tested: Tested, temperature: float = 1.0) -> Decisions:
        """Return the most probable class of each sample, with its probability at the temperature."""
        assert isinstance(tested, TestedLabels)
        scores = at_temperature(torch.from_numpy(tested.probabilities), temperature).numpy()  # [n, c]
        best = scores.argmax(axis=1)
        objects = np.eye(scores.shape[1], dtype=np.int64)[tested.true]  # [n, c]
        return Decisions(np.arange(len(best)), best, scores.max(axis=1), best == tested.true, objects)

    def probabilities(self, tested: Tested) -> tuple[Float[np.ndarray, "n c"], Int[np.ndarray, " n"]]:
        """Return the stored probabilities and the correct classes."""
        assert isinstance(tested, TestedLabels)
        return tested.probabilities, tested.true

    def calibrated(self, prediction: Labels, temperature: float) -> Labels:
        """Return the probabilities at the temperature; their order stays the same."""
        return Labels(at_temperature(prediction.scores, temperature))

    def certain(self, prediction: Labels, conf: Conf) -> bool:
        """Return whether the most probable class has at least the probability ``conf``."""
        scores, classes, _, _ = self.columns(prediction)
        return bool(scores[0] >= (conf[classes[0]] if isinstance(conf, list) else conf))

    def agreement(self, prediction: Labels, item: Item, other: Labels) -> float:
        """Return the probability of the class."""
        return float(other.scores[item.number])

    def mistakes(self, target: ClassLabel, prediction: Labels, names: Sequence[str], conf: Conf) -> list[Mistake]:
        """Return the most probable class where it is wrong, also below ``conf``; its severity is its probability."""
        label, found = int(target.label), int(self.columns(prediction).classes[0])
        score = float(prediction.scores[found])
        caption = f"{names[label]} taken for {names[found]}, probability {score:.2f}"
        return [] if found == label else [Mistake("wrong class", caption, score, found)]

    def label_errors(
        self, targets: Mapping[str, ClassLabel], predictions: Mapping[str, Labels], names: Sequence[str]
    ) -> list[LabelError]:
        """Return the samples that are confidently of another class."""
        return class_label_errors(targets, predictions, names)

    def describe(self, prediction: Labels, names: Sequence[str]) -> str:
        """Return the most probable class, such as ``kitchen 0.93``."""
        return self._notes(prediction, names)[0]

    def marks(
        self, prediction: Labels, names: Sequence[str], title: str = "", first: int = 0, by_class: bool = True
    ) -> Marks:
        """Return the most probable classes as notes."""
        del first, by_class
        return Marks(title, notes=self._notes(prediction, names)[:SHOWN])

    def target_marks(self, target: ClassLabel, names: Sequence[str]) -> Marks:
        """Return the class as a note."""
        return Marks(notes=[names[int(target.label)]])

    def to_supervision(self, prediction: Labels, names: Sequence[str]) -> Any:
        """Convert to ``supervision.Classifications``."""
        import supervision as sv

        columns = self.columns(prediction)
        return sv.Classifications(class_id=columns.classes, confidence=columns.scores)

    def _notes(self, prediction: Labels, names: Sequence[str]) -> list[str]:
        """Return all classes with their probabilities, the most probable first."""
        scores, classes, _, _ = self.columns(prediction)
        return [f"{names[label]} {score:.2f}" for label, score in zip(classes, scores, strict=True)]

    def facts(self, numbers: Mapping[str, Any]) -> list[str]:
        """Report the most frequent confusion, and classes with few training images."""
        return [*confusions.most_frequent(numbers, "images"), *confusions.rare(numbers, "images")]

    def plot_data(self, targets: Targets, task: str, path: Path) -> Path | None:
        """Plot how many samples each class has."""
        counts = np.array(_class_counts(targets))
        return class_counts(counts, targets.names, f"{task}: {len(targets)} images", "images", path)

    def plot_results(self, tested: Tested, subject: str, file: Callable[[str], Path]) -> list[Path]:
        """Plot the confusion matrix."""
        assert isinstance(tested, TestedLabels)
        title = f"confusion\n{subject}"
        return [confusion_matrix(self.confusion(tested), tested.names, file("confusion_matrix"), title)]

    def confusion(self, tested: "TestedLabels") -> Int[np.ndarray, "c c"]:
        """Count the samples by class and most probable class."""
        matrix = np.zeros((len(tested.names), len(tested.names)), dtype=np.int64)
        np.add.at(matrix, (tested.true, tested.best), 1)
        return matrix

    def cases(self, tested: "TestedLabels") -> list[Cases]:
        """Return the samples, wrong where another class is the most probable one."""
        samples = np.arange(len(tested.true))
        return [Cases("wrong classes", "samples", samples, tested.best != tested.true, tested.true, {})]


class TestedLabels(TestedStatistics):
    """The probabilities ``[n, c]`` and the target class ``[n]`` of each sample of a test."""

    def __init__(
        self,
        kind: Classification,
        task: str,
        names: list[str],
        ids: list[str],
        probabilities: Float[np.ndarray, "n c"],
        true: Int[np.ndarray, " n"],
    ) -> None:
        super().__init__(kind, task, names, ids, _statistics(true, probabilities), true)
        self.probabilities, self.true = probabilities, true

    @property
    def best(self) -> Int[np.ndarray, " n"]:
        """The most probable class of each sample."""
        best: Int[np.ndarray, " n"] = self.probabilities.argmax(axis=1)
        return best


def _statistics(true: Int[np.ndarray, " n"], probabilities: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n k"]:
    """Return whether each class is correct, the target and predicted; the most probable class is predicted."""
    one_hot = np.eye(probabilities.shape[1])
    target, best = one_hot[true], one_hot[probabilities.argmax(axis=1)]  # [n, c] each
    return np.concatenate([target * best, target, best], axis=1)


def _class_counts(targets: Targets) -> list[int]:
    """Return the number of samples of each class."""
    counts = Counter(int(target.label) for target in targets.gathered.values())
    return [counts[label] for label in range(len(targets.names))]


def _most_frequent(train: Targets) -> int:
    """Return the class with the most samples, the first of several."""
    counts = _class_counts(train)
    return max(range(len(counts)), key=counts.__getitem__)
