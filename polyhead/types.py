"""The types that the layers exchange: samples, batches, pyramids and predictions.

They are named tuples that hold ``tv_tensors``, so ``torchvision.transforms.v2``, Lightning's moves between devices and
``torch.export`` can process them. Boxes are ``xyxy`` in pixels everywhere; other formats exist only in readers and
writers. Classes are ``0..C-1``; a background class exists only inside the losses that need it.
"""

from typing import NamedTuple

from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torchvision import tv_tensors as tv

Size = tuple[int, int]
"""Height and width in pixels."""

ShownClass = tuple[str, int]
"""A class that an image shows, and where: in an ``object``, in its ``mask``, or as its own ``value``."""

IGNORED = 255
"""Class of mask pixels that take no part in loss and score; in a predicted mask, pixels that were not on the canvas."""


class Annotation(NamedTuple):
    """What a reader knows about an image without opening it, in pixels of the original (upright) image.

    Attributes:
        id: unique within the reader.
        path: the image file; empty if there is none.
        size: height and width of the upright image.
        boxes: xyxy in pixels, ``0 <= x1 < x2 <= w`` and ``0 <= y1 < y2 <= h``.
        labels: class of each box, ``0..C-1``.
        ignore: boxes that take no part in loss and score (VOC ``difficult``, COCO ``iscrowd``).
        areas: area of each object in pixels: COCO's ``area`` if the data has it, else the area of the box.
        annotated: the classes that are exhaustively annotated in this image; the others have no negatives here.
        value: target of the whole image: an int64 scalar (class) or float32 ``[k]`` (numbers).
        mask: the file of the image's mask, which readers read; empty if there is none.
    """

    id: str
    path: str
    size: Size
    boxes: Float[Tensor, "n 4"]
    labels: Int[Tensor, " n"]
    ignore: Bool[Tensor, " n"]
    areas: Float[Tensor, " n"]
    annotated: Bool[Tensor, " c"]
    value: Tensor | None = None
    mask: str = ""


class Sample(NamedTuple):
    """An image and its target, in pixels of ``input``; transforms take and return it.

    Attributes:
        input: uint8 ``[3, h, w]``.
        boxes: float32 xyxy; their canvas size is the size of ``input``.
        labels, ignore, annotated, value, id: as in :class:`Annotation`.
        mask: class of each pixel, uint8 ``[h, w]``, 255 = ignored.
        frame: position in ``input`` of the original image's corners (0, 0), (w, 0) and (0, h). They go through every
            geometric transform together with the boxes and thereby define its inverse
            (:mod:`polyhead.boxes.postprocess`).
        size: height and width of the original image.
    """

    input: tv.Image
    boxes: tv.BoundingBoxes
    labels: Int[Tensor, " n"]
    ignore: Bool[Tensor, " n"]
    annotated: Bool[Tensor, " c"]
    frame: tv.KeyPoints
    id: str
    size: Size
    mask: tv.Mask | None = None
    value: Tensor | None = None


class Batch(NamedTuple):
    """Samples of one input size, padded to the same number of boxes.

    There is at least one (padded) box per image, so that ``max`` and ``gather`` work on it.

    Attributes:
        inputs: uint8 images; models normalize them.
        boxes: xyxy in pixels of the input; zeros where padded.
        labels: -1 where padded.
        ignore: False where padded.
        annotated: see :class:`Annotation`.
        frames: see :class:`Sample`.
        sizes: height and width of each original image.
        ids: ids of the samples.
        masks: see :class:`Sample`.
        values: see :class:`Annotation`.
    """

    inputs: UInt8[Tensor, "b 3 h w"]
    boxes: Float[Tensor, "b m 4"]
    labels: Int[Tensor, "b m"]
    ignore: Bool[Tensor, "b m"]
    annotated: Bool[Tensor, "b c"]
    frames: Float[Tensor, "b 3 2"]
    sizes: Int[Tensor, "b 2"]
    ids: list[str]
    masks: UInt8[Tensor, "b h w"] | None = None
    values: Tensor | None = None


class Pyramid(NamedTuple):
    """Feature maps, finest first, and the size of the input that they were computed from.

    The canvas cannot be derived from the features: inputs of 300 and of 304 pixels both have 38 cells of stride 8.
    """

    levels: list[Tensor]
    canvas: Size


class Detections(NamedTuple):
    """Boxes (xyxy in pixels), scores and labels of the detected objects of one image, best first."""

    boxes: Float[Tensor, "n 4"]
    scores: Float[Tensor, " n"]
    labels: Int[Tensor, " n"]


class Labels(NamedTuple):
    """Class probabilities of one image or text."""

    scores: Float[Tensor, " c"]


class Mask(NamedTuple):
    """Predicted class of each pixel of one image."""

    classes: UInt8[Tensor, "h w"]


class Values(NamedTuple):
    """Predicted numbers of one sample."""

    values: Float[Tensor, " k"]


Prediction = Detections | Labels | Mask | Values
