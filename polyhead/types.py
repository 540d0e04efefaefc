"""The types that the layers exchange: samples, batches, targets, predictions and pyramids.

Targets and predictions are named tuples of tensors; a kind of task may bring its own. Boxes are ``xyxy`` in pixels
everywhere; other formats exist only in readers and writers. Classes are ``0..C-1``; only losses have a background.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped, UInt8
from torch import Tensor

Size = tuple[int, int]
"""Height and width in pixels."""

Color = tuple[int, int, int]
"""Red, green and blue, 0..255."""

Inputs = Tensor | dict[str, Tensor]
"""What a backbone reads: images or other values as one tensor, or named tensors; the first axis is the batch."""

ShownClass = tuple[str, int]
"""A class that an image shows, and where: in an ``object``, in its ``mask``, or as its own ``value``."""

IGNORED = 255
"""Class of mask pixels that take no part in loss and score; in a predicted mask, pixels that were not on the canvas."""


class Boxes(NamedTuple):
    """The objects of one image: the target of detection.

    Attributes:
        boxes: xyxy in pixels of an image of ``size``.
        labels: class of each box, ``0..C-1``.
        ignore: boxes that take no part in loss and score (VOC ``difficult``, COCO ``iscrowd``).
        areas: area of each object in pixels: COCO's ``area`` if the data has it, else the area of the box.
        annotated: the classes that are exhaustively annotated in this image; the others have no negatives here.
        size: height and width of the image in pixels.
    """

    boxes: Float[Tensor, "n 4"]
    labels: Int[Tensor, " n"]
    ignore: Bool[Tensor, " n"]
    areas: Float[Tensor, " n"]
    annotated: Bool[Tensor, " c"]
    size: Size

    def relabel(self, labels: Int[Tensor, " c"], classes: int, *, partial: bool = True) -> "Boxes":
        """Return the same objects among more classes.

        Args:
            labels: the new label of each class.
            classes: number of all classes.
            partial: whether the other classes count as not annotated.
        """
        annotated = torch.full((classes,), not partial)
        annotated[labels] |= self.annotated
        return self._replace(labels=labels[self.labels], annotated=annotated)  # pylint: disable=no-member


class ClassLabel(NamedTuple):
    """The class of one sample: the target of classification."""

    label: Int[Tensor, ""]

    def relabel(self, labels: Int[Tensor, " c"], classes: int, *, partial: bool = True) -> "ClassLabel":
        """Return the same class among more classes; see :meth:`Boxes.relabel`."""
        del classes, partial
        return ClassLabel(labels[self.label])


class MaskOverlay(NamedTuple):
    """A mask to draw over an image.

    Attributes:
        classes: class index of each pixel; resized to the image if necessary.
        names: class index -> name, of the classes in the legend, in its order.
        colors: class index -> color, of the classes that are painted; pixels of other classes stay as they are.
    """

    classes: UInt8[np.ndarray, "h w"]
    names: Mapping[int, str]
    colors: Mapping[int, Color]


class Marks(NamedTuple):
    """What to draw on an image for one task.

    Attributes:
        title: the task; shown in the legend.
        boxes: xyxy in pixels of the image, best first; the first are drawn on top.
        captions: the caption of each box; an empty one is not drawn.
        colors: the color of each box.
        notes: lines about the image as a whole, such as the predicted classes of a classifier.
        overlay: a mask, drawn under everything else.
    """

    title: str = ""
    boxes: Sequence[Sequence[float]] = ()
    captions: Sequence[str] = ()
    colors: Sequence[Color] = ()
    notes: Sequence[str] = ()
    overlay: MaskOverlay | None = None

    def scaled(self, factor: float) -> "Marks":
        """Return the marks for an image that is larger by a factor; the overlay is resized when it is drawn."""
        boxes = [[factor * side for side in box] for box in self.boxes]
        return self._replace(boxes=boxes)  # pylint: disable=no-member


class Meta:
    """The ``id`` of a sample, and the inverse of what the transforms did to its input; by default nothing.

    Predictions are in the space of the network's input; a kind maps them back with these methods.
    """

    def __init__(self, sample_id: str) -> None:
        self.id = sample_id

    def points(self, points: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        """Map points x, y of the input to the original sample, in its coordinates; float64."""
        return points.double()

    def raster(self, plane: Shaped[Tensor, "h w"], fill: int) -> Shaped[Tensor, "_ _"]:
        """Map a plane of the input to the original sample; ``fill`` is for places that were not on the input."""
        del fill
        return plane

    def values(self, values: Shaped[Tensor, " *k"]) -> Shaped[Tensor, " *k"]:
        """Map predicted numbers to the units of the original sample."""
        return values

    @property
    def extent(self) -> tuple[float, float] | None:
        """Largest x and y of the original sample; None without geometry."""
        return None


class Entry(NamedTuple):
    """What a reader knows of a sample without reading it.

    Attributes:
        id: unique within the reader.
        files: the files that it is read from: the input's first, then the target's; empty if there are none.
        bytes: size of the input and the target in bytes where there are no files.
    """

    id: str
    files: tuple[str, ...] = ()
    bytes: int = 0

    @property
    def path(self) -> str:
        """The file of the input; empty if there is none."""
        return self.files[0] if self.files else ""


class Sample(NamedTuple):
    """An input and its target.

    Attributes:
        input: as the reader returns it (a path, an array, a text), and after decoding what the transforms take.
        target: a named tuple of tensors that the kind of the task knows; None if there is none.
        meta: its id, and the inverse of the transforms.
    """

    input: Any
    target: Any
    meta: Meta


class Batch(NamedTuple):
    """Samples of one task.

    Attributes:
        inputs: what the backbone takes: uint8 images ``[b, 3, h, w]``, or any tensor or dictionary of tensors.
        target: targets of all samples, as the kind collates them; None if there are none.
        meta: of each sample.
    """

    inputs: Inputs
    target: Any
    meta: list[Meta]

    @property
    def ids(self) -> list[str]:
        """The ids of the samples."""
        return [each.id for each in self.meta]


class BoxBatch(NamedTuple):
    """The objects of a batch, padded to the same number; there is at least one row, so that ``max`` works on it.

    Attributes:
        boxes: xyxy in pixels of the input; zeros where padded.
        labels: -1 where padded.
        ignore: False where padded.
        annotated: see :class:`Boxes`.
    """

    boxes: Float[Tensor, "b m 4"]
    labels: Int[Tensor, "b m"]
    ignore: Bool[Tensor, "b m"]
    annotated: Bool[Tensor, "b c"]


class MaskBatch(NamedTuple):
    """The class of each pixel of a batch of images; 255 is :data:`IGNORED`."""

    classes: UInt8[Tensor, "b h w"]


class LabelBatch(NamedTuple):
    """The class of each sample of a batch."""

    labels: Int[Tensor, " b"]


class Pyramid(NamedTuple):
    """Features, finest level first, and what cannot be derived from them.

    Attributes:
        levels: maps ``[b, c, h, w]`` of images, sequences ``[b, c, t]`` of texts and series, or ``[b, c]`` of rows.
        canvas: height and width of the images that they were computed from, as inputs of 300 and of 304 pixels both
            have 38 cells of stride 8; None for other inputs.
        mask: True at the positions of sequences that are not padding; None where nothing is padded.
    """

    levels: list[Tensor]
    canvas: Size | None = None
    mask: Bool[Tensor, "b t"] | None = None


class PyramidSpec(NamedTuple):
    """The shape of a pyramid, from which necks and heads are built.

    Attributes:
        channels: channels of each level, finest first.
        strides: input positions (pixels of an image) per cell of each level, strictly increasing.
    """

    channels: list[int]
    strides: list[int]


class TaskInfo(NamedTuple):
    """What a head is built from besides the pyramid: plain types, so that a weights file can hold them.

    Attributes:
        names: class names.
        categories: the data's own id of each class; empty if unknown.
        counts: number of training samples or objects of each class, by class name; empty if unknown.
        target: further statistics of the training targets, such as box sizes, or the mean and deviation of numbers.
        weights: weight of each class in the loss, by class name; empty if all weigh the same.
    """

    names: list[str]
    categories: Sequence[int | str] = ()
    counts: Mapping[str, int] = {}  # pylint: disable=dangerous-default-value  # nobody can set items of a Mapping
    target: Mapping[str, Any] = {}  # pylint: disable=dangerous-default-value  # nobody can set items of a Mapping
    weights: Mapping[str, float] = {}  # pylint: disable=dangerous-default-value  # nobody can set items of a Mapping


class InputSpec(NamedTuple):
    """What a backbone is built from: the inputs of a task, as its data was read.

    Attributes:
        key: tasks whose inputs have the same key share a backbone.
        size: height and width of images in pixels; None for other inputs.
        info: what was fitted to the training data, in plain types, such as the size of the vocabulary.
    """

    key: str = "image"
    size: Size | None = None
    info: Mapping[str, Any] = {}  # pylint: disable=dangerous-default-value  # nobody can set items of a Mapping


SumCount = tuple[Tensor, Tensor | int | float]
"""A scalar that is a sum, and the number of values in it, without gradient; the mean is their quotient.

They stay apart so that the mean over several batches or processes is that over all of their samples.
"""


class LossTerm(NamedTuple):
    """One of the named losses of a head, ``weight * sum / count``; the task's loss is the sum of these values.

    Attributes:
        sum: float32 scalar: the sum over the samples of this process.
        count: number of values in ``sum`` (positives, pixels, images), without gradient. It may be 0: where all
            processes together have a count below 1, it counts as 1, so that a batch without objects has a finite loss.
        weight: factor of the mean.
    """

    sum: Tensor
    count: Tensor | int | float  # type: ignore[assignment]  # it hides tuple.count, which no one needs
    weight: float = 1.0

    @property
    def value(self) -> Tensor:
        """The loss of one process that trains alone, a scalar; see :func:`polyhead.engine.reduce.loss_values`."""
        count = self.count.clamp(min=1) if isinstance(self.count, Tensor) else max(self.count, 1)
        return self.weight * (self.sum / count)


class Detections(NamedTuple):
    """The detected objects of one image, best first.

    Attributes:
        boxes: xyxy in pixels.
        scores: scores, 0..1.
        labels: class of each box.
        anchors: index of the anchor that predicted each box, for explanations; None where there are no anchors, and in
            detections that were stored.
    """

    boxes: Float[Tensor, "n 4"]
    scores: Float[Tensor, " n"]
    labels: Int[Tensor, " n"]
    anchors: Int[Tensor, " n"] | None = None

    def take(self, index: Tensor) -> "Detections":
        """Return some of the detections.

        Args:
            index: their indices ``[m]``, in the order of the result, or a flag for each detection ``[n]``.
        """
        anchors = None if self.anchors is None else self.anchors[index]
        return Detections(self.boxes[index], self.scores[index], self.labels[index], anchors)


class Labels(NamedTuple):
    """Class probabilities of one image or text."""

    scores: Float[Tensor, " c"]


class Mask(NamedTuple):
    """Class of each pixel of one image: target and prediction of segmentation; 255 is :data:`IGNORED`."""

    classes: UInt8[Tensor, "h w"]

    def relabel(self, labels: Int[Tensor, " c"], classes: int, *, partial: bool = True) -> "Mask":
        """Return the same mask among more classes; 255 stays 255. See :meth:`Boxes.relabel`."""
        del classes, partial
        table = torch.full((256,), IGNORED, dtype=torch.uint8)  # new label of each pixel value
        table[: len(labels)] = labels.to(torch.uint8)
        return Mask(table[self.classes.long()])  # [h, w]
