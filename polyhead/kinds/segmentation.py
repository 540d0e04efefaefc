"""Semantic segmentation: a class for each pixel.

Targets and predictions are masks. They are reduced to counts at once, so that the masks of a data set are never in
memory together. Targets are gathered as the number of pixels of each class in each image, ``[n, c]``.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

from polyhead.contracts.analyzed import Cases
from polyhead.contracts.explained import Item, Mistake
from polyhead.contracts.kind import Targets, Tested
from polyhead.contracts.operating import Conf
from polyhead.contracts.score import Columns, Counts, Score
from polyhead.data.io.images import read_classes
from polyhead.errors import PolyheadError
from polyhead.kinds.mask_card import MaskCard
from polyhead.kinds.mask_cases import region_cases
from polyhead.kinds.mask_mistakes import bounding_box, mask_mistakes
from polyhead.kinds.statistics import StatisticsKind, TestedStatistics
from polyhead.kinds.targets import class_mask
from polyhead.metrics import confusions, masks, store
from polyhead.metrics.intervals import LEVEL
from polyhead.metrics.masks import METRICS, PixelCounts, count_pixels
from polyhead.plotting import draw
from polyhead.plotting.figures import confusion_matrix
from polyhead.plotting.mask_plots import iou_bars, pixel_fractions
from polyhead.types import IGNORED, Marks, Mask, MaskBatch, Meta, ShownClass, Size, TaskInfo

SHOWN = 3
"""Number of classes of a mask in its description."""
COLUMNS: store.ColumnTypes = {"pixels": ("i", (-1, -1))}


class Segmentation(MaskCard, StatisticsKind):
    """The kind of a task whose head predicts a class for each pixel; the first class is the background."""

    title = "segmentation"
    hub_task = "{modality}-segmentation"
    annotations = "masks"
    target = Mask
    prediction = Mask
    mixes = True
    background = True
    scores = (Score("miou", "mIoU"), Score("pixel_accuracy", "pixel accuracy"))
    measures = scores
    extras = ("miou_foreground", "pixel_accuracy", "mean_accuracy")
    counted = "pixels"
    unmatched = "images in which they are ignored"

    @property
    def name(self) -> str:
        """The short name."""
        return "segmentation"

    def collate(self, targets: Sequence[Mask]) -> MaskBatch:
        """Stack the masks."""
        return MaskBatch(torch.stack([target.classes for target in targets]))  # [b, h, w]

    def as_target(self, value: Any, size: Size | None, names: Sequence[str]) -> Mask:
        """Return a mask of class indices as uint8."""
        return Mask(class_mask(value.classes if isinstance(value, Mask) else value, size, names))

    def example(self, names: Sequence[str], size: Size) -> Mask:
        """Return a mask of background."""
        return Mask(torch.zeros(size, dtype=torch.uint8))

    def restore(self, prediction: Mask, meta: Meta) -> Mask:
        """Map the mask to the original image; pixels that were not on the canvas become 255."""
        return Mask(meta.raster(prediction.classes.cpu(), IGNORED))

    def save_target(self, target: Mask, folder: Path, name: str) -> dict[str, Any]:
        """Write the mask as PNG, without loss."""
        file = folder / f"{name}.mask.png"
        Image.fromarray(np.asarray(target.classes)).save(file)
        return {"files": [file.name]}

    def load_target(self, entry: Mapping[str, Any], folder: Path) -> Mask:
        """Return the stored mask.

        Raises:
            InvalidFileError: when the file cannot be read.
        """
        return Mask(torch.from_numpy(read_classes(folder / str(entry["files"][0]))))

    def gather(self, targets: Mapping[str, Mask], names: Sequence[str]) -> Int[Tensor, "n c"]:
        """Return the number of pixels of each class in each mask; ignored pixels do not count."""
        counts = [
            torch.bincount(each.classes.as_subclass(Tensor).flatten(), minlength=256) for each in targets.values()
        ]
        return torch.stack(counts)[:, : len(names)]  # [n, 256] -> [n, c]

    def match(self, target: Mask, labels: Tensor, classes: int) -> tuple[Mask, list[int]]:
        """Return the mask; pixels of unknown classes are ignored."""
        found = torch.bincount(target.classes.flatten(), minlength=IGNORED)[:IGNORED].nonzero().flatten().tolist()
        mask = target.relabel(labels.where(labels >= 0, torch.tensor(IGNORED)), classes)
        return mask, [label for label in found if labels[label] < 0]

    def shown(self, targets: Targets) -> list[set[ShownClass]]:
        """Return the classes that have a pixel in each mask."""
        return [{("mask", label) for label in row.nonzero().flatten().tolist()} for row in targets.gathered]

    def has_content(self, targets: Targets) -> list[bool]:
        """Return whether each mask has a pixel that is not background."""
        return [bool(row[1:].any()) for row in targets.gathered]

    def info(self, targets: Targets, categories: Sequence[int | str]) -> TaskInfo:
        """Return the number of pixels of each class."""
        counts = dict(zip(targets.names, targets.gathered.sum(0).tolist(), strict=True))
        return TaskInfo(targets.names, list(categories), counts)

    def can_be_scored(self, targets: Targets) -> bool:
        """Return whether any mask has a pixel that is not ignored; the background is scored, too."""
        return bool(targets.gathered.any())

    def reduce(self, prediction: Mask, target: Callable[[], Mask], names: Sequence[str]) -> PixelCounts:
        """Count the pixels by target class and predicted class."""
        return count_pixels(prediction, target().classes, len(names))

    def statistics(self, targets: Targets, predictions: Mapping[str, PixelCounts]) -> Float[np.ndarray, "n k"]:
        """Return correct, target and predicted pixels of each image by class, ``k = 3 * classes``."""
        return np.concatenate(masks.sum_pixels([predictions[each] for each in targets.ids]), axis=1)

    def measure(self, score: str, sums: Float[np.ndarray, "b k"]) -> Float[np.ndarray, " b"]:
        """Compute a score from the pixels of each resample."""
        correct, target, predicted = sums.reshape(len(sums), 3, -1).swapaxes(0, 1)  # [b, c] each
        return masks.measure(score, correct, target, predicted)

    def count(self, sums: Float[np.ndarray, " k"], samples: int) -> Counts:
        """Return the number of images, of pixels, and of classes that occur."""
        target = np.split(sums, 3)[1]
        return Counts(samples, int(target.sum()), int((target > 0).sum()))

    def score(self, targets: Targets, predictions: Mapping[str, PixelCounts]) -> dict[str, float]:
        """Compute mIoU and pixel accuracy."""
        scores = masks.masks([*predictions.values()], targets.names)
        return {each.name: getattr(scores, each.name) for each in self.scores}

    def dummy(self, train: Targets, targets: Targets) -> float:
        """Return the mIoU of predicting the most frequent class everywhere."""
        rows = [PixelCounts(torch.cat([torch.diag(row), row.new_zeros(len(row), 1)], 1)) for row in targets.gathered]
        return masks.masks(masks.constant_baseline(rows, _most_frequent(train)), targets.names).miou

    def report(
        self, targets: Targets, predictions: Mapping[str, PixelCounts], train: Targets, source: str = "in training"
    ) -> dict[str, Any]:
        """Return the IoU of each class, intervals, the dummy baseline and the most common mistakes.

        The dummy baseline assigns every pixel to the most frequent class.
        """
        names, found = targets.names, [*predictions.values()]
        scores = masks.masks(found, names)
        bounds = self.intervals(self.statistics(targets, predictions), METRICS)
        most_frequent = _most_frequent(train)
        counts = torch.stack([image.counts for image in found]).sum(0).numpy()  # [n, c, c + 1] -> [c, c + 1]
        return {
            "metric": self.main.title,
            "score": scores.miou,
            "interval": [bounds["miou"].low, bounds["miou"].high],
            "level": LEVEL,
            "protocol": "IoU of each class over the pixels of all images, background included; original pixels; "
            "255 ignored; classes neither annotated nor predicted left out",
            "miou_foreground": scores.miou_foreground,
            "pixel_accuracy": scores.pixel_accuracy,
            "mean_accuracy": scores.mean_accuracy,
            "intervals": {key: list(value) for key, value in bounds.items()},
            "classes": {name: {"pixels": scores.pixels[name], "iou": scores.iou[name]} for name in names},
            "absent": scores.absent,
            "dummy_baseline": {
                "name": f"every pixel {names[most_frequent]!r}, the most frequent {source}",
                "score": masks.masks(masks.constant_baseline(found, most_frequent), names).miou,
            },
            "confusions": confusions.largest(counts, names),
            "train_images": dict(zip(names, (train.gathered > 0).sum(0).tolist(), strict=True)),
        }

    def save(self, path: Path, targets: Targets, predictions: Mapping[str, PixelCounts]) -> None:
        """Write the pixel counts of each image, never the masks."""
        classes = len(targets.names)
        counts = store.concat([found.counts[None] for found in predictions.values()]).astype(np.int64)
        shape = (len(predictions), classes, classes + 1)  # given in full, for the case without images
        store.write(path, self.name, targets.names, predictions, pixels=counts.reshape(shape))

    def load(self, path: Path, task: str) -> Tested:
        """Read the pixel counts of each image."""
        table = store.read(path, COLUMNS)
        classes = table["names"].shape[0]
        pixels = table["pixels"]  # [n, c, c + 1]
        if pixels.shape[1:] != (classes, classes + 1) or (pixels < 0).any():
            raise store.broken(path, f"pixels are not counts of the {classes} classes")
        return TestedMasks(self, task, table["names"].tolist(), table["ids"].tolist(), pixels)

    def columns(self, prediction: Mask) -> Columns:
        """Return the mask, and its classes, scored by the fraction of the image that they cover, largest first."""
        mask = prediction.classes.numpy()
        counts = np.bincount(mask.ravel(), minlength=256)[:IGNORED]  # pixels of each class, without 255
        classes = np.array([label for label in np.argsort(-counts, kind="stable") if counts[label]], dtype=np.int64)
        return Columns((counts[classes] / mask.size).astype(np.float32), classes, mask=mask)

    def items(self, prediction: Mask, names: Sequence[str]) -> list[Item]:
        """Return the regions of the classes but the background, largest first."""
        classes = prediction.classes.as_subclass(Tensor)
        found = []
        for item in super().items(Mask(classes.cpu().to(torch.uint8)), names):
            if item.label == 0:
                continue
            inside = classes == item.label  # [h, w]
            found.append(item._replace(box=bounding_box(inside), inside=inside))
        return found

    def agreement(self, prediction: Mask, item: Item, other: Mask) -> float:
        """Return the IoU of the two regions of the class."""
        one, two = prediction.classes == item.label, other.classes == item.label
        union = (one | two).sum()
        return float((one & two).sum() / union) if union else 0.0

    def mistakes(self, target: Mask, prediction: Mask, names: Sequence[str], conf: Conf) -> list[Mistake]:
        """Return the largest wrong regions; a mask has no scores, so ``conf`` is not used."""
        return mask_mistakes(target, prediction, names)

    def describe(self, prediction: Mask, names: Sequence[str]) -> str:
        """Return the classes that cover most of the image, such as ``background 71 %, cat 29 %``."""
        columns = self.columns(prediction)
        fractions = zip(columns.classes[:SHOWN].tolist(), columns.scores[:SHOWN].tolist(), strict=True)
        return (
            ", ".join(f"{names[label]} {fraction:.0%}".replace("%", " %") for label, fraction in fractions) or "nothing"
        )

    def marks(
        self, prediction: Mask, names: Sequence[str], title: str = "", first: int = 0, by_class: bool = True
    ) -> Marks:
        """Return the mask in the colors of its classes."""
        del by_class
        mask = prediction.classes.as_subclass(Tensor).to(torch.uint8).numpy()
        return Marks(title, overlay=draw.mask_overlay(mask, names, first))

    def target_marks(self, target: Mask, names: Sequence[str]) -> Marks:
        """Return the mask in the colors of its classes."""
        return self.marks(target, names)

    def colors(self, names: Sequence[str]) -> int:
        """Return the number of classes: each has a color of its own."""
        return len(names)

    def save_prediction(self, prediction: Mask, names: Sequence[str], path: Path) -> Path | None:
        """Write the mask as a PNG file of class indices, with the colors of :meth:`marks` as its palette.

        Raises:
            PolyheadError: when the file name does not end in ``.png``.
        """
        if path.suffix.lower() != ".png":
            raise PolyheadError(f"{str(path)!r}: a mask needs a lossless format. Use the suffix .png.")
        image = Image.fromarray(prediction.classes.numpy())
        palette = [draw.color(index) if index else (0, 0, 0) for index in range(256)]
        image.putpalette([channel for color in palette for channel in color])
        image.save(path)
        return path

    def to_supervision(self, prediction: Mask, names: Sequence[str]) -> Any:
        """Convert to ``supervision.Detections``: one for each class of the mask except the background."""
        import supervision as sv

        mask, classes = prediction.classes.numpy(), self.columns(prediction).classes
        labels = np.sort(classes[classes > 0])
        masks_of_labels = np.stack([mask == label for label in labels]) if labels.size else None  # [labels, h, w]
        corners = np.zeros((0, 4)) if masks_of_labels is None else sv.mask_to_xyxy(masks_of_labels)
        class_names = np.array([names[label] for label in labels], dtype=np.str_)
        return sv.Detections(xyxy=corners, mask=masks_of_labels, class_id=labels, data={"class_name": class_names})

    def facts(self, numbers: Mapping[str, Any]) -> list[str]:
        """Report the most frequent confusion, and classes with few training images."""
        return [*confusions.most_frequent(numbers, "pixels"), *confusions.rare(numbers, "images", skip=1)]

    def plot_data(self, targets: Targets, task: str, path: Path) -> Path | None:
        """Plot the fraction of the pixels of each class."""
        return pixel_fractions(targets.gathered, targets.names, task, path)

    def plot_results(self, tested: Tested, subject: str, file: Callable[[str], Path]) -> list[Path]:
        """Plot the IoU of each class, and the confusion matrix of the pixels."""
        assert isinstance(tested, TestedMasks)
        scores = masks.masks([PixelCounts(torch.from_numpy(each)) for each in tested.pixels], tested.names)
        title = f"mIoU {scores.miou:.3f}, without background {scores.miou_foreground:.3f}\n{subject}"
        matrix = self.confusion(tested)
        return [
            iou_bars(scores.iou, title, file("iou")),
            confusion_matrix(matrix, tested.names, file("confusion_matrix"), f"confusion of pixels\n{subject}"),
        ]

    def confusion(self, tested: "TestedMasks") -> Int[np.ndarray, "c d"]:
        """Count the pixels by class and predicted class; the last column is for pixels without a prediction."""
        counts: Int[np.ndarray, "c d"] = tested.pixels.sum(axis=0)  # [n, c, c + 1] -> [c, c + 1]
        return counts

    def cases(self, tested: "TestedMasks") -> list[Cases]:
        """Return the regions of each annotated class of each image, wrong where their IoU is below .5."""
        return [region_cases(tested.pixels)]


class TestedMasks(TestedStatistics):
    """The pixel counts of each image of a test, ``[n, c, c + 1]``."""

    def __init__(
        self, kind: Segmentation, task: str, names: list[str], ids: list[str], pixels: Int[np.ndarray, "n c d"]
    ) -> None:
        sums = masks.sum_pixels([PixelCounts(torch.from_numpy(each)) for each in pixels])
        super().__init__(kind, task, names, ids, np.concatenate(sums, axis=1), sums.target)
        self.pixels = pixels


def _most_frequent(train: Targets) -> int:
    """Return the class with the most pixels."""
    return int(train.gathered.sum(0).argmax())  # [n, c] -> [c]
