"""The transforms of image samples: a target that lies in the plane of the image moves with it, others do not."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors as tv

from polyhead.contracts.modality import EvalTransform, Partner, TrainTransform
from polyhead.data.augment.transforms import Eval, Train
from polyhead.data.geometry.plane import ImageMeta, ImageSample
from polyhead.types import Boxes, Mask, Sample, Size


class TrainImage(TrainTransform):
    """The training transform of an image sample."""

    def __init__(self, transform: Train) -> None:
        self.transform = transform
        self.mixes = transform.augmentation.mixes

    def __call__(self, sample: Sample, partner: Partner | None = None) -> Sample:
        """Return the augmented sample."""
        others = None if partner is None else lambda: to_plane(partner())
        return from_plane(self.transform(to_plane(sample), others), sample)

    def at(self, side: int) -> "TrainImage":
        """Return the same transform onto a square canvas of another side."""
        return TrainImage(replace(self.transform, size=(side, side)))


class EvalImage(EvalTransform):
    """The evaluation transform of an image sample."""

    def __init__(self, transform: Eval) -> None:
        self.transform = transform

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample on the canvas."""
        return from_plane(self.transform(to_plane(sample)), sample)


def to_plane(sample: Sample) -> ImageSample:
    """Return a decoded image with what lies in its plane: boxes or a mask, if the target has any."""
    meta = sample.meta
    assert isinstance(meta, ImageMeta)
    canvas: Size = (int(sample.input.shape[-2]), int(sample.input.shape[-1]))
    mask = sample.target.classes if isinstance(sample.target, Mask) else None
    if isinstance(sample.target, Boxes):
        boxes, labels, ignore, _, annotated, _ = sample.target
    else:
        boxes, labels, annotated = torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.ones(0, dtype=torch.bool)
        ignore = torch.zeros(0, dtype=torch.bool)
    return ImageSample(
        input=sample.input,
        boxes=tv.BoundingBoxes(boxes, format="XYXY", canvas_size=canvas),
        labels=labels,
        ignore=ignore,
        annotated=annotated,
        frame=tv.KeyPoints(torch.tensor(meta.frame), canvas_size=canvas),
        mask=None if mask is None else tv.Mask(mask),
    )


def from_plane(plane: ImageSample, sample: Sample) -> Sample:
    """Return a sample after its image was transformed to ``plane``."""
    assert isinstance(sample.meta, ImageMeta)
    corners: list[list[float]] = plane.frame.as_subclass(Tensor).tolist()
    frame = tuple((x, y) for x, y in corners)
    return Sample(plane.input, _target(plane, sample.target), ImageMeta(sample.meta.id, sample.meta.size, frame))


def _target(plane: ImageSample, target: Any) -> Any:
    """Return a target as it lies in a plane."""
    if isinstance(target, Mask):
        assert plane.mask is not None
        return Mask(plane.mask.as_subclass(Tensor))
    if isinstance(target, Boxes):
        boxes = plane.boxes.as_subclass(Tensor)
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)  # [n]
        size = (int(plane.input.shape[-2]), int(plane.input.shape[-1]))
        return Boxes(boxes, plane.labels, plane.ignore, areas, plane.annotated, size)
    return target
