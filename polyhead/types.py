"""The words of the house as types (floor 0).

Named tuples that hold ``tv_tensors``: they pass through ``torchvision.transforms.v2``, through Lightning's device moves
and through ``torch.export``. Boxes are ``xyxy`` in pixels everywhere inside the program; other formats exist only in
readers and writers. Classes are ``0..C-1``; background is a private matter of the losses that need it.
"""

from typing import NamedTuple

from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torchvision import tv_tensors as tv

Size = tuple[int, int]
"""Height and width in pixels."""

Kind = tuple[str, int]
"""A class that a picture shows, and where: in an ``object``, in its ``mask``, or as its own ``value``."""

IGNORED = 255
"""In a mask: a pixel that is neither rewarded nor punished, and in a predicted one, a pixel that was not seen."""


class Annotation(NamedTuple):
    """What a reader knows of one picture without opening it, in the pixels of the original (upright) picture.

    Attributes:
        id: unique within the reader.
        path: the picture's file; empty where there is none.
        size: height and width of the upright picture.
        boxes: xyxy in pixels, ``0 <= x1 < x2 <= w`` and ``0 <= y1 < y2 <= h``.
        labels: class of each box, ``0..C-1``.
        ignore: boxes that are neither to be found nor to be punished (VOC ``difficult``, COCO ``iscrowd``).
        areas: pixels of each object; COCO's ``area`` where the data has one, else the box's.
        annotated: the classes that were looked for in this picture; the rest give no negative loss.
        value: the answer of the picture as a whole: an int64 scalar (class) or float32 ``[k]`` (numbers).
        mask: the file of the picture's mask; empty where there is none. Readers read it.
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
    """One picture and its truth, in the pixels of ``input``; what transforms take and give.

    Attributes:
        input: uint8 ``[3, h, w]``.
        boxes: float32 xyxy, canvas size that of ``input``.
        labels, ignore, annotated, value, id: as in :class:`Annotation`.
        mask: uint8 ``[h, w]`` class of each pixel, 255 = ignored.
        frame: three corners of the original picture, (0, 0), (w, 0) and (0, h), as they lie in ``input``. They go
            through every geometric transform with the boxes, and so hold its inverse (:mod:`polyhead.boxes.postprocess`).
        size: height and width of the original picture.
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
    """Samples of one size, padded to the same number of boxes (at least one, so that ``max`` and ``gather`` are safe).

    Attributes:
        inputs: uint8; models normalise.
        boxes: xyxy in pixels of the input; zeros where padded.
        labels: -1 where padded.
        ignore: False where padded.
        frames: see :class:`Sample`.
        sizes: height and width of each original picture.
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
    """Feature maps, finest first, and the size of the picture they come from.

    The canvas cannot be found from the features: 300 pixels make 38 cells of stride 8, and so do 304.
    """

    levels: list[Tensor]
    canvas: Size


class Detections(NamedTuple):
    """What a detector saw in one picture, best first."""

    boxes: Float[Tensor, "n 4"]
    scores: Float[Tensor, " n"]
    labels: Int[Tensor, " n"]


class Labels(NamedTuple):
    """Class probabilities of one picture or text."""

    scores: Float[Tensor, " c"]


class Mask(NamedTuple):
    """Class of each pixel."""

    classes: UInt8[Tensor, "h w"]


class Values(NamedTuple):
    """Predicted numbers."""

    values: Float[Tensor, " k"]


Prediction = Detections | Labels | Mask | Values
