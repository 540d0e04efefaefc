"""Update the objects of samples whose images were moved, cropped, covered or combined."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision import tv_tensors as tv

from polyhead.data.geometry.plane import ImageSample
from polyhead.types import Size

MIN_VISIBLE = 0.1
"""An object with a smaller visible fraction of its box becomes ignored."""

MIN_SIDE = 2.0
"""Pixels; an object whose visible box is at most this wide or at most this high becomes ignored."""


def as_plain(boxes: Tensor) -> Tensor:
    """Return boxes or points as a plain tensor: operators on ``tv_tensors`` take ten times as long."""
    return boxes.as_subclass(Tensor)


def update_visible(sample: ImageSample, boxes: Tensor, fraction: Tensor, size: Size) -> ImageSample:
    """Return the sample with its objects reduced to their visible parts.

    Objects that are not visible at all are removed. Objects that are barely visible (:data:`MIN_VISIBLE`,
    :data:`MIN_SIDE`) become ignored: a detector need not find them, and finding them is no false positive.

    Args:
        sample: the sample whose objects are updated.
        boxes: the visible box of each object, xyxy ``[n, 4]``; without width or height if nothing is visible.
        fraction: the visible fraction of each object's box, ``[n]``, 0..1.
        size: height and width of the canvas.
    """
    sides = boxes[:, 2:] - boxes[:, :2]  # [n, 2]: width and height
    visible = (sides > 0).all(1) & (fraction > 0)  # [n]
    barely = (fraction < MIN_VISIBLE) | (sides <= MIN_SIDE).any(1)  # [n]
    return sample._replace(
        boxes=tv.BoundingBoxes(boxes[visible], format="XYXY", canvas_size=size),
        labels=sample.labels[visible],
        ignore=(sample.ignore | barely)[visible],
    )


def concat(samples: Sequence[ImageSample]) -> ImageSample:
    """Return the first sample with the objects of all samples.

    A class counts as annotated only if it is annotated in every sample. Objects of a class that was not annotated in
    one of the images may still be there, so the class must give no loss for negatives.
    """
    first = samples[0]
    if len(samples) == 1:
        return first
    boxes = torch.cat([as_plain(sample.boxes) for sample in samples])
    return first._replace(
        boxes=tv.BoundingBoxes(boxes, format="XYXY", canvas_size=first.boxes.canvas_size),
        labels=torch.cat([sample.labels for sample in samples]),
        ignore=torch.cat([sample.ignore for sample in samples]),
        annotated=torch.stack([sample.annotated for sample in samples]).all(0),  # [c]
    )
