"""Plots of masks: shares of the pixels, the IoU of each class, what was said beside what is there."""

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
from polyhead.plotting.figures import CELL, cell, class_bars, evenly, save_picture
from polyhead.types import Mask, Prediction, Sample


def pixel_shares(counts: Int[Tensor, "p c"], names: Sequence[str], task: str, path: Path) -> Path:
    """The share of the training pixels that each class has, and how many pictures show it."""
    shares, shown = counts.sum(0) / counts.sum().clamp(min=1), (counts > 0).sum(0)
    tags = [f"{share:.1%} in {count}" for share, count in zip(shares.tolist(), shown.tolist(), strict=True)]
    title = f"{task}: {counts.shape[0]} pictures, {len(names)} classes"
    return class_bars(shares.numpy(), names, tags, (title, "share of the training pixels, and pictures"), path)


def iou_bars(scores: MaskScores, task: str, path: Path) -> Path:
    """The IoU of each class that was there or predicted."""
    known = {name: iou for name, iou in scores.iou.items() if not math.isnan(iou)}
    title = f"{task}: mIoU {scores.miou:.3f}, without background {scores.miou_foreground:.3f}"
    tags = [f"{iou:.3f}" for iou in known.values()]
    return class_bars(np.array([*known.values()]), [*known], tags, (title, "IoU"), path)


def truth_beside_mask(
    reader: Reader, predict: Callable[[Sample], Prediction], names: Sequence[str], path: Path, count: int = 8
) -> Path:
    """Up to ``count`` pictures, evenly taken from the set: the true mask on the left, the predicted one on the right.

    Args:
        reader: of the set.
        predict: gives the mask of a sample, in its own pixels.
        names: class names, the background first.
        path: the PNG file.
        count: of pictures.
    """
    pictures, titles = [], []
    for index in evenly(len(reader), count):
        sample = reader[index]
        picture = cell(sample)
        said = predict(sample)
        assert isinstance(said, Mask)
        assert sample.mask is not None
        for classes in (sample.mask, said.classes):
            layer = draw.layer(classes.as_subclass(Tensor).to(torch.uint8).numpy(), names)
            pictures.append(draw.draw(picture, [draw.Marks("", [], [], [], layer=layer)]))
        titles += [f"{Path(sample.id).name}: truth", "prediction"]
    return save_picture(draw.grid(pictures, columns=4, cell=CELL, titles=titles), path)
