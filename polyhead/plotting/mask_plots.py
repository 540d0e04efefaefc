"""Plots of segmentation: fraction of the pixels and IoU of each class."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int
from torch import Tensor

from polyhead.errors import counted
from polyhead.plotting.figures import class_bars


def pixel_fractions(counts: Int[Tensor, "p c"], names: Sequence[str], task: str, path: Path) -> Path:
    """Plot the fraction of the training pixels that each class has, and the number of images that show it.

    Args:
        counts: pixels of each class in each training image.
        names: class names, the background first.
        task: task name.
        path: the PNG file.
    """
    fractions, images = counts.sum(0) / counts.sum().clamp(min=1), (counts > 0).sum(0)  # [c] each
    tags = [f"{fraction:.1%} in {count}" for fraction, count in zip(fractions.tolist(), images.tolist(), strict=True)]
    title = f"{task}: {counted(counts.shape[0], 'image')}, {counted(len(names), 'class', 'classes')}"
    return class_bars(
        fractions.numpy(), names, tags, (title, "fraction of the training pixels, number of images"), path
    )


def iou_bars(iou: Mapping[str, float], title: str, path: Path) -> Path:
    """Plot the IoU of each class by name; classes whose IoU is NaN are left out."""
    defined = {name: value for name, value in iou.items() if not math.isnan(value)}
    tags = [f"{value:.3f}" for value in defined.values()]
    return class_bars(np.array([*defined.values()]), [*defined], tags, (title, "IoU"), path)
