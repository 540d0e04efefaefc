"""Pictures whose objects can be found again by their colour, wherever they were moved to."""

from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor
from torchvision import tv_tensors as tv

from polyhead.types import Sample

COLOURS = ((250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0))
"""By label."""

SIDES = st.integers(30, 120)


def painted(
    size: tuple[int, int],
    box: tuple[int, int, int, int],
    colour: tuple[int, int, int],
    label: int = 0,
    classes: int = 4,
) -> Sample:
    """A black picture with one rectangle of a colour, whose mask is its label + 1."""
    height, width = size
    picture = torch.zeros(3, height, width, dtype=torch.uint8)
    mask = torch.zeros(height, width, dtype=torch.uint8)
    left, top, right, bottom = box
    picture[:, top:bottom, left:right] = torch.tensor(colour, dtype=torch.uint8)[:, None, None]
    mask[top:bottom, left:right] = label + 1
    return Sample(
        input=tv.Image(picture),
        boxes=tv.BoundingBoxes(torch.tensor([box]).float(), format="XYXY", canvas_size=size),
        labels=torch.tensor([label]),
        ignore=torch.tensor([False]),
        annotated=torch.ones(classes, dtype=torch.bool),
        frame=tv.KeyPoints(torch.tensor([[0.0, 0.0], [width, 0.0], [0.0, height]]), canvas_size=size),
        id=f"painted {label}",
        size=size,
        mask=tv.Mask(mask),
        value=torch.tensor(label),
    )


@st.composite
def scenes(draw: st.DrawFn, label: int = 0) -> Sample:
    """A picture of any ratio with one rectangle, of the label's colour."""
    height, width = draw(SIDES), draw(SIDES)
    left, top = draw(st.integers(0, width - 16)), draw(st.integers(0, height - 16))
    right, bottom = draw(st.integers(left + 14, width)), draw(st.integers(top + 14, height))
    return painted((height, width), (left, top, right, bottom), COLOURS[label], label)


def extent(shown: Tensor) -> Tensor | None:
    """Box around the true pixels of ``[h, w]``; None where there is none."""
    rows, columns = shown.any(1).nonzero(), shown.any(0).nonzero()
    if rows.shape[0] == 0:
        return None
    return torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()


def coloured(sample: Sample, label: int) -> Tensor:
    """Pixels ``[h, w]`` that are rather of a label's colour than of anything else."""
    picture = sample.input.as_subclass(Tensor).float()
    goal = torch.tensor(COLOURS[label]).float()[:, None, None]
    shown: Tensor = ((picture - goal).abs() < 125).all(0)
    return shown


def same(one: Sample, other: Sample) -> bool:
    """Whether two samples are alike, bit for bit."""
    return all(torch.equal(a, b) if isinstance(a, Tensor) else a == b for a, b in zip(one, other, strict=True))


def copied(sample: Sample) -> Sample:
    """The sample with memory of its own."""
    own: dict[str, Any] = {name: part.clone() for name, part in sample._asdict().items() if isinstance(part, Tensor)}
    return sample._replace(**own)
