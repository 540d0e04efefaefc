"""The objects of samples whose pictures were moved, cut, covered or put together."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision import tv_tensors as tv

from polyhead.types import Sample, Size

SEEN = 0.1
"""Share of an object's box; an object of which less is seen becomes ignored."""

LEAST = 2.0
"""Pixels; an object whose seen part is not wider or higher becomes ignored."""


def plain(boxes: Tensor) -> Tensor:
    """Boxes or points as a plain tensor: operators on ``tv_tensors`` cost ten times as much."""
    return boxes.as_subclass(Tensor)


def areas(boxes: Tensor) -> Tensor:
    """Areas of xyxy boxes ``[n, 4]``; of one without width or height, 0."""
    return (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1)


def see(sample: Sample, boxes: Tensor, share: Tensor, size: Size) -> Sample:
    """The sample with what is seen of its objects.

    Objects of which nothing is seen go. Those of which hardly anything is seen (:data:`SEEN`, :data:`LEAST`) become
    ignored: they are not to be found, but finding what is left of them is no fault either.

    Args:
        sample: whose objects are meant.
        boxes: what is seen of each, xyxy ``[n, 4]``; empty where nothing is.
        share: of each object's box that is seen, 0..1.
        size: height and width of the canvas.
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    keep = (sides > 0).all(1) & (share > 0)
    hardly = (share < SEEN) | (sides <= LEAST).any(1)
    return sample._replace(
        boxes=tv.BoundingBoxes(boxes[keep], format="XYXY", canvas_size=size),
        labels=sample.labels[keep],
        ignore=(sample.ignore | hardly)[keep],
    )


def join(samples: Sequence[Sample]) -> Sample:
    """The objects of all, in what is otherwise the first sample.

    A class counts as annotated only where it is in every sample: objects of a class that was not looked for in one of
    the pictures may well be there, and must give no negative loss.
    """
    first = samples[0]
    if len(samples) == 1:
        return first
    boxes = torch.cat([plain(sample.boxes) for sample in samples])
    return first._replace(
        boxes=tv.BoundingBoxes(boxes, format="XYXY", canvas_size=first.boxes.canvas_size),
        labels=torch.cat([sample.labels for sample in samples]),
        ignore=torch.cat([sample.ignore for sample in samples]),
        annotated=torch.stack([sample.annotated for sample in samples]).all(0),
    )
