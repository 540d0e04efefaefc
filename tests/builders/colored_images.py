"""Images whose objects can be located by their color after any transform."""

from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor
from torchvision import tv_tensors as tv

from polyhead.data.geometry.plane import ImageMeta, ImageSample
from polyhead.types import Meta, Size

COLORS = ((250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0))
"""The color of each label."""

SIDES = st.integers(30, 120)


def painted(
    size: tuple[int, int],
    box: tuple[int, int, int, int],
    color: tuple[int, int, int],
    label: int = 0,
    classes: int = 4,
) -> ImageSample:
    """Return a black image with one rectangle of a color, whose mask is its label + 1."""
    height, width = size
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    mask = torch.zeros(height, width, dtype=torch.uint8)
    left, top, right, bottom = box
    image[:, top:bottom, left:right] = torch.tensor(color, dtype=torch.uint8)[:, None, None]
    mask[top:bottom, left:right] = label + 1
    return ImageSample(
        input=tv.Image(image),
        boxes=tv.BoundingBoxes(torch.tensor([box]).float(), format="XYXY", canvas_size=size),
        labels=torch.tensor([label]),
        ignore=torch.tensor([False]),
        annotated=torch.ones(classes, dtype=torch.bool),
        frame=tv.KeyPoints(torch.tensor([[0.0, 0.0], [width, 0.0], [0.0, height]]), canvas_size=size),
        mask=tv.Mask(mask),
    )


@st.composite
def scenes(draw: st.DrawFn, label: int = 0) -> ImageSample:
    """Draw an image of any aspect ratio with one rectangle in the label's color."""
    height, width = draw(SIDES), draw(SIDES)
    left, top = draw(st.integers(0, width - 16)), draw(st.integers(0, height - 16))
    right, bottom = draw(st.integers(left + 14, width)), draw(st.integers(top + 14, height))
    return painted((height, width), (left, top, right, bottom), COLORS[label], label)


def extent(shown: Tensor) -> Tensor | None:
    """Return the box around the true pixels of ``[h, w]``; None if there are none."""
    rows, columns = shown.any(1).nonzero(), shown.any(0).nonzero()
    if rows.shape[0] == 0:
        return None
    return torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()


def colored(sample: ImageSample, label: int) -> Tensor:
    """Return which pixels ``[h, w]`` have a label's color, within half the range of each channel."""
    image = sample.input.as_subclass(Tensor).float()
    goal = torch.tensor(COLORS[label]).float()[:, None, None]
    shown: Tensor = ((image - goal).abs() < 125).all(0)
    return shown


def size_of(sample: ImageSample) -> Size:
    """Return height and width of an image."""
    return int(sample.input.shape[-2]), int(sample.input.shape[-1])


def meta_of(result: ImageSample, size: Size) -> ImageMeta:
    """Return the inverse of the transforms of an image that had this size before them."""
    corners: list[list[float]] = result.frame.as_subclass(Tensor).tolist()
    return ImageMeta("", size, tuple((x, y) for x, y in corners))


def same(one: Any, other: Any) -> bool:
    """Return whether two samples, or two of their fields, are equal bit for bit."""
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return vars(one) == vars(other) if isinstance(one, Meta) else bool(one == other)
