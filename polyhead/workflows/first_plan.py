"""What a first recipe does for each kind of task: settings that are known to work, with the reason for each."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, NamedTuple

from torch import Tensor

from polyhead.contracts.class_names import same_classes
from polyhead.contracts.coco_names import COCO_NAMES
from polyhead.contracts.reader import Reader
from polyhead.data.loading.streams import Decoded
from polyhead.errors import PolyheadError, few
from polyhead.modalities import modality_of
from polyhead.workflows.first_backbone import FirstBackbone
from polyhead.workflows.settings_text import Setting

SAMPLED = 24
"""Images that are opened, and targets that are read, to choose settings."""

FEW = 1000
"""Up to so many training images, the first blocks of a detector's pretrained backbone are frozen, and a classifier
begins with a frozen backbone."""

PROBE_EPOCHS = 10
PROBE_COST = 0.4
"""An epoch with a frozen backbone takes about this fraction of one that trains everything."""


class FirstStage(NamedTuple):
    """A stage of a first recipe.

    Attributes:
        why: what it is for.
        settings: its settings besides the epochs.
        epochs: number of epochs, if it does not depend on the size of the data.
    """

    why: str
    settings: list[Setting]
    epochs: int | None = None


class Given(NamedTuple):
    """What a plan depends on.

    Attributes:
        reader: the training data.
        backbone: the backbone.
        task: name of the task.
        images: a few training images (:func:`sampled_images`).
    """

    reader: Reader
    backbone: FirstBackbone
    task: str
    images: Sequence[Tensor]

    @property
    def few(self) -> bool:
        """Whether there are few training images."""
        return len(self.reader) <= FEW


class Plan(NamedTuple):
    """A first recipe without the data, the backbone, and the time that it may take.

    Attributes:
        title: what it trains, for the headline.
        model: class path of the model.
        settings: settings of the model besides those of the backbone and the size.
        sizes: image sizes to choose from, the best first; the last one may be needed to save time.
        size: the size without a time limit.
        transforms: the preset, with its reason.
        batch: images per step.
        stages: the stages, in order.
        images_seen: training images to go through in the last stage, without a time limit.
        epochs: least and most epochs of the last stage.
        untrained: whether the weights detect all classes before any training here.
    """

    title: str
    model: str
    settings: list[Setting]
    sizes: tuple[int, ...]
    size: int
    transforms: Setting
    batch: int
    stages: list[FirstStage]
    images_seen: int
    epochs: tuple[int, int]
    untrained: bool = False

    def default_epochs(self, images: int) -> int:
        """Return the epochs of the last stage without a time limit: the more, the fewer images there are."""
        least, most = self.epochs
        return max(least, min(most, round(self.images_seen / images)))


def plan_of(given: Given) -> Plan:
    """Return the plan for the kind of a data set.

    Raises:
        PolyheadError: if no recipe is known for this kind.
    """
    kind = given.reader.kind
    if kind not in PLANS:
        raise PolyheadError(f"init has no recipe for {kind}. Write one: docs/recipes.md lists every setting.")
    return PLANS[kind](given)


def sampled_images(reader: Reader) -> list[Tensor]:
    """Return a few decoded images of a reader, evenly spaced."""
    decoded = Decoded(reader, modality_of(reader.modality))
    return [decoded(index).input for index in _spaced(reader)]


def _spaced(reader: Reader) -> list[int]:
    count = min(SAMPLED, len(reader))
    return [index * len(reader) // count for index in range(count)]


def _classifier(given: Given) -> Plan:
    """Fine-tune a classifier; with pretrained weights and few images, train a linear one on fixed features first."""
    side = median(max(image.shape[1:]) for image in given.images)
    sizes = (224, 192, 160) if side > 128 else (128, 112, 96) if side > 64 else (96, 80, 64)
    probe = FirstStage(
        "A linear classifier on the pretrained features: the backbone is frozen, so few images suffice.",
        [
            Setting("lr", 0.01),
            Setting("lr_mult", {"backbone": 0}),
            Setting("checkpoint", "last", "on few val images, the best of ten similar epochs is chance"),
        ],
        PROBE_EPOCHS,
    )
    tune = FirstStage(
        "Fine-tuning from there, the backbone at a tenth of the rate. It is kept only if it is better on val.",
        [
            Setting("lr", 0.0003, "low: more would undo what few images cannot teach again"),
            Setting("lr_mult", {"backbone": 0.1}),
            Setting("freeze_bn_stats", True, "batches of the new images would shift the statistics"),
            *_average(),
        ],
    )
    slow = FirstStage(
        "Fine-tuning, the pretrained backbone at a tenth of the rate.",
        [Setting("lr", 0.001), Setting("lr_mult", {"backbone": 0.1}), *_average()],
    )
    scratch = FirstStage("From random weights: a higher rate, and more epochs.", [Setting("lr", 0.003), *_average()])
    pretrained = [probe, tune] if given.few else [slow]
    return Plan(
        title="Classifier",
        model="classifier",
        settings=[],
        sizes=sizes,
        size=sizes[0],
        transforms=Setting("transforms", "light", "small changes of the training images; 'classify' crops more"),
        batch=8 if given.few else 16,
        stages=pretrained if given.backbone.weights else [scratch],
        images_seen=8_000 if given.backbone.weights and given.few else 20_000,
        epochs=(4, 30) if given.backbone.weights else (10, 60),
    )


def _detector(given: Given) -> Plan:
    """Fine-tune YOLOX where its official weights are found; else train SSD."""
    scale = _object_scale([given.reader.target(index) for index in _spaced(given.reader)])
    return _ssd(given, scale) if given.backbone.name is not None else _yolox(given, scale)


def _yolox(given: Given, scale: float) -> Plan:
    """Fine-tune YOLOX: the more of the classes its weights know, the lower is the rate."""
    rows = same_classes(given.reader.names, COCO_NAMES)
    new = [name for name, row in zip(given.reader.names, rows, strict=True) if row < 0]
    known = FirstStage(
        "The weights know all classes. The verdict compares with the untrained weights, which are hard to beat.",
        [Setting("lr", 0.0001, "low: more would undo what the weights know"), *_average()],
    )
    some_known = len(new) < len(rows)
    learn = FirstStage(
        f"The weights do not know {few(new, 3)}: the outputs of the classes learn faster than the other layers.",
        [
            Setting("lr", 0.0003, "more would undo what the weights know of the other classes")
            if some_known
            else Setting("lr", 0.001, "the weights know none of the classes"),
            Setting("lr_mult", {f"heads.{given.task}.tower.cls_preds": 5}),
            *_average(),
        ],
    )
    assert given.backbone.weights is not None
    return Plan(
        title="YOLOX",
        model="yolox",
        settings=[
            Setting("scale", given.backbone.weights.removeprefix("yolox_"), "size of the network, as in the weights")
        ],
        sizes=(416, 320),
        size=320 if scale > 0.1 else 416,
        transforms=Setting("transforms", "yolox", "small changes, and padding as the weights expect it"),
        batch=8,
        stages=[learn if new else known],
        images_seen=6_000 if new else 1_500,
        epochs=(10, 40) if new else (4, 15),
        untrained=not new,
    )


def _ssd(given: Given, scale: float) -> Plan:
    """Train SSD, with default boxes that fit the size of the objects."""
    frozen = dict.fromkeys(given.backbone.first_blocks, 0) if given.backbone.weights and given.few else {}
    first = (
        "The first blocks are frozen, because the images are few (the names are those of this backbone). "
        if frozen
        else ""
    )
    boxes = f"default boxes: half of the objects are smaller than {scale:.2f} of the image"
    lr_mult = [Setting("lr_mult", frozen)] if frozen else []
    return Plan(
        title="SSD300",
        model="ssd300",
        settings=[
            Setting("width", 128, "channels of the head; 256 for many classes and images"),
            Setting("smallest", round(min(0.3, max(0.1, scale)), 2), boxes),
        ],
        sizes=(320, 300, 224) if scale > 0.1 else (512, 416, 320),
        size=300 if scale > 0.1 else 416,
        transforms=Setting("transforms", "light", "small changes of the training images; 'ssd' changes more")
        if given.few
        else Setting("transforms", "ssd", "SSD's augmentation of the training images"),
        batch=4 if given.few else 8,
        stages=[
            FirstStage(f"{first}A slower backbone was worse for SSD.", [Setting("lr", 0.001), *lr_mult, *_average()])
            if given.backbone.weights
            else FirstStage("From random weights: a higher rate.", [Setting("lr", 0.003), *_average()])
        ],
        images_seen=6_000 if given.backbone.weights else 12_000,
        epochs=(10, 60) if given.backbone.weights else (20, 80),
    )


def _segmenter(given: Given) -> Plan:
    """Train a network that predicts a class for each pixel."""
    slow = [Setting("lr_mult", {"backbone": 0.1})] if given.backbone.weights else []
    return Plan(
        title="Segmentation",
        model="unified",
        settings=[Setting("heads", {given.task: "segment"}, "a class for each pixel")],
        sizes=(320, 256, 224),
        size=224,
        transforms=Setting("transforms", "light", "small changes of the training images"),
        batch=8,
        stages=[
            FirstStage("The pretrained backbone at a tenth of the rate.", [Setting("lr", 0.001), *slow, *_average()])
            if given.backbone.weights
            else FirstStage("From random weights: a higher rate.", [Setting("lr", 0.003), *_average()])
        ],
        images_seen=6_000 if given.backbone.weights else 12_000,
        epochs=(8, 40) if given.backbone.weights else (15, 60),
    )


def _average() -> list[Setting]:
    """Return the setting of the moving average of the weights."""
    return [Setting("ema", 0.98, "the saved weights are a moving average")]


def _object_scale(targets: Sequence[Any]) -> float:
    """Return the median side of objects (the root of their area) as a fraction of the image's."""
    scales: list[float] = []
    for target in targets:
        height, width = target.size
        sides = (target.boxes[:, 2:] - target.boxes[:, :2]).clamp_min(0)
        scales += (sides.prod(1) / (height * width)).sqrt().tolist()
    return median(scales) if scales else 0.2


PLANS: dict[str, Callable[[Given], Plan]] = {
    "classification": _classifier,
    "detection": _detector,
    "segmentation": _segmenter,
}
"""The plan of each kind of task."""
