"""Plots of segmentation: fraction of the pixels and IoU of each class, and target masks next to predicted ones."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from polyhead.contracts.reader import Reader
from polyhead.metrics.masks import MaskScores
from polyhead.plotting import draw
from polyhead.plotting.figures import CELL, cell_image, class_bars, evenly_spaced, save_image
from polyhead.types import Mask, Prediction, Sample


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
    title = f"{task}: {counts.shape[0]} images, {len(names)} classes"
    return class_bars(
        fractions.numpy(), names, tags, (title, "fraction of the training pixels, number of images"), path
    )


def iou_bars(scores: MaskScores, task: str, path: Path) -> Path:
    """Plot the IoU of each class that occurs in a target or a prediction."""
    defined = {name: iou for name, iou in scores.iou.items() if not math.isnan(iou)}
    title = f"{task}: mIoU {scores.miou:.3f}, without background {scores.miou_foreground:.3f}"
    tags = [f"{iou:.3f}" for iou in defined.values()]
    return class_bars(np.array([*defined.values()]), [*defined], tags, (title, "IoU"), path)


def targets_and_masks(
    reader: Reader, predict: Callable[[Sample], Prediction], names: Sequence[str], path: Path, count: int = 8
) -> Path:
    """Draw up to ``count`` evenly spaced images of the split: the target mask on the left, the prediction on the right.

    Args:
        reader: the split.
        predict: returns the mask of a sample, in original pixels.
        names: class names, the background first.
        path: the PNG file.
        count: number of images.
    """
    images, titles = [], []
    for index in evenly_spaced(len(reader), count):
        sample = reader[index]
        image = cell_image(sample)
        predicted = predict(sample)
        assert isinstance(predicted, Mask)
        assert sample.mask is not None
        for classes in (sample.mask, predicted.classes):
            overlay = draw.mask_overlay(classes.as_subclass(Tensor).to(torch.uint8).numpy(), names)
            images.append(draw.draw(image, [draw.Marks("", [], [], [], overlay=overlay)]))
        titles += [f"{Path(sample.id).name}: target", "prediction"]
    return save_image(draw.grid(images, columns=4, cell=CELL, titles=titles), path)
