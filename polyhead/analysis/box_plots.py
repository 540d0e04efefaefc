"""Plots of boxes: where objects lie, what was found beside what is there, precision, recall and F1."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyhead.analysis.errors import CONFIDENT
from polyhead.contracts.reader import Reader
from polyhead.metrics.curves import Curves
from polyhead.plotting import draw, figures
from polyhead.types import Annotation, Detections

MANY = 10
"""More classes than these are drawn as thin grey lines without a legend."""


def labels(truths: Sequence[Annotation], names: Sequence[str], task: str, path: Path) -> Path:
    """How many objects each class has, where they lie and how large they are; pictures where these have a class."""
    boxes = _relative(truths)
    height = max(3.0, 0.24 * min(figures.LISTED, len(names)) + 1)
    figure = Figure(figsize=(13 if boxes.shape[0] else 7, height), layout="constrained")
    spaces = figure.add_gridspec(1, 3, width_ratios=[2, 1, 1]) if boxes.shape[0] else figure.add_gridspec(1, 1)
    _bars(figure.add_subplot(spaces[0, 0]), task, truths, names)
    if boxes.shape[0]:
        centre, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
        centres, sides = figure.add_subplot(spaces[0, 1]), figure.add_subplot(spaces[0, 2])
        _density(centres, centre, ("where objects lie", "x / width of the picture", "y / height of the picture"))
        centres.invert_yaxis()
        _density(sides, size, ("how large they are", "width / width of the picture", "height / height of the picture"))
    return figures.save(figure, path)


def truth_beside_prediction(
    reader: Reader, predictions: Mapping[str, Detections], names: Sequence[str], path: Path, count: int = 8
) -> Path:
    """Up to ``count`` pictures, evenly taken from the set: truth on the left, confident predictions on the right."""
    pictures, titles = [], []
    for index in figures.evenly(len(reader), count):
        picture, truth = figures.cell(reader[index]), reader.annotation(index)
        scale = figures.CELL / max(truth.size)
        found = predictions[truth.id]
        sure = Detections(*(column[found.scores >= CONFIDENT] for column in found))
        kinds = zip(truth.labels.tolist(), truth.ignore.tolist(), strict=True)
        shades = [draw.GREY if skip else draw.colour(label) for label, skip in kinds]
        tags = [names[label] for label in truth.labels.tolist()]
        guesses = [draw.colour(label) for label in sure.labels.tolist()]
        captions = [
            f"{names[k]} {score:.2f}" for k, score in zip(sure.labels.tolist(), sure.scores.tolist(), strict=True)
        ]
        pictures += [
            draw.draw(picture, [draw.Marks("", (truth.boxes * scale).tolist(), tags, shades)]),
            draw.draw(picture, [draw.Marks("", (sure.boxes * scale).tolist(), captions, guesses)]),
        ]
        titles += [f"{Path(truth.id).name}: truth", "prediction"]
    return figures.save_picture(draw.grid(pictures, columns=4, cell=figures.CELL, titles=titles), path)


def precision_recall(steps: Curves, names: Sequence[str], path: Path) -> Path:
    """Precision over recall of each class that has objects, and their mean."""
    figure, axes = _square(
        "precision and recall, IoU 0.5", "recall: objects that are found", "precision: boxes that are right"
    )
    there = np.flatnonzero(~np.isnan(steps.recall[:, 0])).tolist()
    grid = np.linspace(0, 1, 101)
    envelopes = []
    for place in there:
        known = ~np.isnan(steps.precision[place])
        recall, precision = steps.recall[place, known], steps.precision[place, known]
        reached = recall[None] >= grid[:, None]
        envelopes.append(np.max(np.where(reached, precision[None], 0.0), axis=1, initial=0.0))
        axes.plot(recall, precision, **_style(place, len(there), names))
    return _finish(figure, axes, grid, envelopes, path)


def f1(steps: Curves, names: Sequence[str], path: Path) -> Path:
    """F1 over the score threshold of each class that has objects, and their mean with its best threshold."""
    figure, axes = _square("F1 over the score threshold, IoU 0.5", "score threshold", "F1")
    there = np.flatnonzero(~np.isnan(steps.f1[:, 0])).tolist()
    for place in there:
        axes.plot(steps.thresholds, steps.f1[place], **_style(place, len(there), names))
    if there:
        mean = steps.f1[there].mean(axis=0)
        best = int(mean.argmax())
        axes.axvline(steps.thresholds[best], color=figures.FAINT, linestyle=":", linewidth=1)
        axes.set_title(
            f"F1 over the score threshold, IoU 0.5\nbest {mean[best]:.2f} at {steps.thresholds[best]:.2f}", fontsize=11
        )
    return _finish(figure, axes, steps.thresholds, list(steps.f1[there]), path)


def _bars(axes: Axes, task: str, truths: Sequence[Annotation], names: Sequence[str]) -> None:
    boxed = any(truth.labels.numel() for truth in truths)  # generated scenes have a value beside their boxes
    own = [int(truth.value) for truth in truths if truth.value is not None and truth.value.ndim == 0 and not boxed]
    kind = "pictures" if own else "objects"
    found = torch.tensor(own) if own else torch.cat([truth.labels[~truth.ignore] for truth in truths])
    counts = torch.bincount(found, minlength=len(names)).numpy()
    more = f" (the {figures.LISTED} most frequent)" if len(names) > figures.LISTED else ""
    total = f"{counts.sum()} objects in {len(truths)} pictures" if kind == "objects" else f"{len(truths)} pictures"
    figures.dress(axes, f"{task}: {total}, {len(names)} classes{more}", f"training {kind}", "")
    axes.bar_label(figures.bars(axes, counts, names, figures.longest(counts)), padding=3, fontsize=8)
    axes.margins(x=0.1)


def _relative(truths: Sequence[Annotation]) -> Float[np.ndarray, "n 4"]:
    """All boxes, ignored ones left out, as shares of their picture's sides."""
    edges = [torch.tensor([truth.size[1], truth.size[0]] * 2) for truth in truths]
    parts = [truth.boxes[~truth.ignore] / edge for truth, edge in zip(truths, edges, strict=True)]
    return torch.cat([torch.zeros(0, 4), *parts]).numpy()


def _density(axes: Axes, points: Float[np.ndarray, "n 2"], words: tuple[str, str, str]) -> None:
    figures.dress(axes, *words)
    axes.hist2d(points[:, 0], points[:, 1], bins=32, range=[[0, 1], [0, 1]], cmap="Blues")
    axes.set_aspect("equal")
    axes.grid(visible=False)


def _square(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.5, 5.5), layout="constrained")
    axes = figure.add_subplot()
    figures.dress(axes, title, x, y)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    return figure, axes


def _style(place: int, count: int, names: Sequence[str]) -> dict[str, Any]:
    """A class's line: its colour and name while there are few, thin grey when there are many."""
    if count > MANY:
        return {"color": figures.FAINT, "linewidth": 0.8}
    return {"color": figures.shade(place), "linewidth": 1.6, "label": figures.literal(names[place])}


def _finish(figure: Figure, axes: Axes, x: np.ndarray, lines: list[np.ndarray], path: Path) -> Path:
    """Add the mean of all classes when there are several, and the legend."""
    if len(lines) > 1:
        axes.plot(x, np.mean(lines, axis=0), color=figures.INK, linewidth=2.6, label=f"mean of {len(lines)} classes")
    if lines:
        axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    else:
        axes.text(0.5, 0.5, "no objects", ha="center", va="center")
    return figures.save(figure, path)
