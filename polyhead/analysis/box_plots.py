"""Plots of detection: statistics of the boxes, targets next to predictions, and curves of precision, recall and F1."""

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
"""With more classes than this, lines are thin and gray, and there is no legend."""


def labels(targets: Sequence[Annotation], names: Sequence[str], task: str, path: Path) -> Path:
    """Plot how many objects each class has, where their centers are and how large they are.

    Where the images have a class and no boxes, plot how many images each class has.
    """
    boxes = _relative(targets)  # [n, 4]
    height = max(3.0, 0.24 * min(figures.MAX_BARS, len(names)) + 1)
    figure = Figure(figsize=(13 if boxes.shape[0] else 7, height), layout="constrained")
    grid = figure.add_gridspec(1, 3, width_ratios=[2, 1, 1]) if boxes.shape[0] else figure.add_gridspec(1, 1)
    _class_counts(figure.add_subplot(grid[0, 0]), task, targets, names)
    if boxes.shape[0]:
        centers, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]  # [n, 2] each
        center_axes, size_axes = figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[0, 2])
        _density(center_axes, centers, ("box centers", "x / image width", "y / image height"))
        center_axes.invert_yaxis()
        _density(size_axes, sizes, ("box sizes", "width / image width", "height / image height"))
    return figures.save(figure, path)


def targets_and_predictions(
    reader: Reader, predictions: Mapping[str, Detections], names: Sequence[str], path: Path, count: int = 8
) -> Path:
    """Draw up to ``count`` evenly spaced images of a split: targets on the left, confident predictions on the right."""
    images, titles = [], []
    for index in figures.evenly_spaced(len(reader), count):
        image, target = figures.cell_image(reader[index]), reader.annotation(index)
        scale = figures.CELL / max(target.size)
        found = predictions[target.id]
        confident = Detections(*(column[found.scores >= CONFIDENT] for column in found))
        images += [
            draw.draw(image, [_target_marks(target, names, scale)]),
            draw.draw(image, [_predicted_marks(confident, names, scale)]),
        ]
        titles += [f"{Path(target.id).name}: target", "prediction"]
    return figures.save_image(draw.grid(images, columns=4, cell=figures.CELL, titles=titles), path)


def precision_recall(curves: Curves, names: Sequence[str], path: Path) -> Path:
    """Plot precision over recall for each class that has objects, and their mean."""
    figure, axes = _unit_square(
        "precision and recall, IoU 0.5", "recall: objects that are found", "precision: boxes that are correct"
    )
    present = np.flatnonzero(~np.isnan(curves.recall[:, 0])).tolist()
    grid = np.linspace(0, 1, 101)
    envelopes = []
    for label in present:
        defined = ~np.isnan(curves.precision[label])
        recall, precision = curves.recall[label, defined], curves.precision[label, defined]  # [s] each
        reached = recall[None] >= grid[:, None]  # [101, s]
        # the best precision at each recall of the grid or a higher one, so that the mean of the classes is defined
        envelopes.append(np.max(np.where(reached, precision[None], 0.0), axis=1, initial=0.0))  # [101]
        axes.plot(recall, precision, **_line_style(label, len(present), names))
    return _finish(figure, axes, grid, envelopes, path)


def f1(curves: Curves, names: Sequence[str], path: Path) -> Path:
    """Plot F1 over the score threshold for each class that has objects, and their mean with its best threshold."""
    figure, axes = _unit_square("F1 over the score threshold, IoU 0.5", "score threshold", "F1")
    present = np.flatnonzero(~np.isnan(curves.f1[:, 0])).tolist()
    for label in present:
        axes.plot(curves.thresholds, curves.f1[label], **_line_style(label, len(present), names))
    if present:
        mean = curves.f1[present].mean(axis=0)
        best = int(mean.argmax())
        axes.axvline(curves.thresholds[best], color=figures.FAINT, linestyle=":", linewidth=1)
        axes.set_title(
            f"F1 over the score threshold, IoU 0.5\nbest {mean[best]:.2f} at {curves.thresholds[best]:.2f}", fontsize=11
        )
    return _finish(figure, axes, curves.thresholds, list(curves.f1[present]), path)


def _target_marks(target: Annotation, names: Sequence[str], scale: float) -> draw.Marks:
    """Return the target boxes with their class names; ignored ones are gray."""
    labels, ignore = target.labels.tolist(), target.ignore.tolist()
    colors = [draw.GRAY if skip else draw.color(label) for label, skip in zip(labels, ignore, strict=True)]
    return draw.Marks("", (target.boxes * scale).tolist(), [names[label] for label in labels], colors)


def _predicted_marks(found: Detections, names: Sequence[str], scale: float) -> draw.Marks:
    """Return the detections with their class names and scores."""
    labels, scores = found.labels.tolist(), found.scores.tolist()
    captions = [f"{names[label]} {score:.2f}" for label, score in zip(labels, scores, strict=True)]
    return draw.Marks("", (found.boxes * scale).tolist(), captions, [draw.color(label) for label in labels])


def _class_counts(axes: Axes, task: str, targets: Sequence[Annotation], names: Sequence[str]) -> None:
    """Draw a bar for each class: its number of objects, or of images where images have a class and no boxes."""
    has_boxes = any(target.labels.numel() for target in targets)  # generated scenes have boxes and a value
    image_labels = [
        int(target.value) for target in targets if target.value is not None and target.value.ndim == 0 and not has_boxes
    ]
    unit = "images" if image_labels else "objects"
    found = torch.tensor(image_labels) if image_labels else torch.cat([t.labels[~t.ignore] for t in targets])
    counts = torch.bincount(found, minlength=len(names)).numpy()
    more = f" (the {figures.MAX_BARS} most frequent)" if len(names) > figures.MAX_BARS else ""
    total = f"{counts.sum()} objects in {len(targets)} images" if unit == "objects" else f"{len(targets)} images"
    figures.style_axes(axes, f"{task}: {total}, {len(names)} classes{more}", f"training {unit}", "")
    axes.bar_label(figures.bars(axes, counts, names, figures.largest(counts)), padding=3, fontsize=8)
    axes.margins(x=0.1)


def _relative(targets: Sequence[Annotation]) -> Float[np.ndarray, "n 4"]:
    """Return all boxes but the ignored ones, as fractions of their image's sides."""
    sides = [torch.tensor([target.size[1], target.size[0]] * 2) for target in targets]  # width, height, width, height
    boxes = [target.boxes[~target.ignore] / side for target, side in zip(targets, sides, strict=True)]
    return torch.cat([torch.zeros(0, 4), *boxes]).numpy()


def _density(axes: Axes, points: Float[np.ndarray, "n 2"], words: tuple[str, str, str]) -> None:
    """Draw a 2-D histogram; ``words`` are the title and the names of the axes."""
    figures.style_axes(axes, *words)
    axes.hist2d(points[:, 0], points[:, 1], bins=32, range=[[0, 1], [0, 1]], cmap="Blues")
    axes.set_aspect("equal")
    axes.grid(visible=False)


def _unit_square(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    """Make a figure whose axes go from 0 to 1."""
    figure = Figure(figsize=(7.5, 5.5), layout="constrained")
    axes = figure.add_subplot()
    figures.style_axes(axes, title, x, y)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    return figure, axes


def _line_style(label: int, count: int, names: Sequence[str]) -> dict[str, Any]:
    """Return the style of a class's line: colored and named for few classes, thin and gray for many."""
    if count > MANY:
        return {"color": figures.FAINT, "linewidth": 0.8}
    return {"color": figures.rgb(label), "linewidth": 1.6, "label": figures.escape(names[label])}


def _finish(figure: Figure, axes: Axes, x: np.ndarray, lines: list[np.ndarray], path: Path) -> Path:
    """Add the mean of several classes and the legend, and save the figure."""
    if len(lines) > 1:
        axes.plot(x, np.mean(lines, axis=0), color=figures.INK, linewidth=2.6, label=f"mean of {len(lines)} classes")
    if lines:
        axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    else:
        axes.text(0.5, 0.5, "no objects", ha="center", va="center")
    return figures.save(figure, path)
