"""Plots of detection: statistics of the boxes, and curves of precision, recall and F1."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyhead.errors import counted
from polyhead.plotting import figures

MANY = 10
"""With more classes than this, lines are thin and gray, and there is no legend."""


def objects(
    counts: Int[np.ndarray, " c"],
    boxes: Float[np.ndarray, "n 4"],
    names: Sequence[str],
    task: str,
    images: int,
    path: Path,
) -> Path:
    """Plot how many objects each class has, where their centers are and how large they are.

    Args:
        counts: objects of each class.
        boxes: xyxy of all objects, as fractions of their image's sides.
        names: class names.
        task: task name.
        images: number of images.
        path: the PNG file.
    """
    height = max(3.0, 0.24 * min(figures.MAX_BARS, len(names)) + 1)
    figure = Figure(figsize=(13 if boxes.shape[0] else 7, height), layout="constrained")
    grid = figure.add_gridspec(1, 3, width_ratios=[2, 1, 1]) if boxes.shape[0] else figure.add_gridspec(1, 1)
    title = f"{task}: {counted(int(counts.sum()), 'object')} in {counted(images, 'image')}"
    figures.draw_class_counts(figure.add_subplot(grid[0, 0]), counts, names, title, "objects")
    if boxes.shape[0]:
        centers, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]  # [n, 2] each
        center_axes, size_axes = figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[0, 2])
        _density(center_axes, centers, ("box centers", "x / image width", "y / image height"))
        center_axes.invert_yaxis()
        _density(size_axes, sizes, ("box sizes", "width / image width", "height / image height"))
    return figures.save(figure, path)


def precision_recall(
    recall: Float[np.ndarray, "c s"],
    precision: Float[np.ndarray, "c s"],
    ap50: Float[np.ndarray, " c"],
    names: Sequence[str],
    subject: str,
    path: Path,
) -> Path:
    """Plot precision over recall for each class that has objects, and their mean; the legend has the AP50 of each.

    Args:
        recall: of each class at each score threshold; NaN for a class without objects.
        precision: likewise; NaN where there is no detection.
        ap50: average precision of each class; NaN for a class without objects.
        names: class names.
        subject: what was tested, for the title.
        path: the PNG file.
    """
    figure, axes = _unit_square(
        f"precision and recall, IoU 0.5\n{subject}",
        "recall: objects that are found",
        "precision: boxes that are correct",
    )
    tags = [f"{name} {value:.3f}" for name, value in zip(names, ap50, strict=True)]
    present = np.flatnonzero(~np.isnan(recall[:, 0])).tolist()
    grid = np.linspace(0, 1, 101)
    envelopes = []
    for label in present:
        defined = ~np.isnan(precision[label])
        found, correct = recall[label, defined], precision[label, defined]  # [s] each
        reached = found[None] >= grid[:, None]  # [101, s]
        # the best precision at each recall of the grid or a higher one, so that the mean of the classes is defined
        envelopes.append(np.max(np.where(reached, correct[None], 0.0), axis=1, initial=0.0))  # [101]
        axes.plot(found, correct, **_line_style(label, len(present), tags))
    mean = f": {ap50[present].mean():.3f}" if present else ""
    return _finish(figure, axes, grid, envelopes, ("AP50", mean), path)


def f1(
    thresholds: Float[np.ndarray, " s"],
    scores: Float[np.ndarray, "c s"],
    names: Sequence[str],
    subject: str,
    path: Path,
) -> Path:
    """Plot F1 over the score threshold for each class that has objects, and their mean with its best threshold.

    Args:
        thresholds: the score thresholds.
        scores: F1 of each class at each threshold; NaN for a class without objects.
        names: class names.
        subject: what was tested, for the title.
        path: the PNG file.
    """
    title = "F1 over the score threshold, IoU 0.5"
    figure, axes = _unit_square(f"{title}\n{subject}", "score threshold", "F1")
    present = np.flatnonzero(~np.isnan(scores[:, 0])).tolist()
    for label in present:
        axes.plot(thresholds, scores[label], **_line_style(label, len(present), names))
    if present:
        mean = scores[present].mean(axis=0)
        best = int(mean.argmax())
        axes.axvline(thresholds[best], color=figures.FAINT, linestyle=":", linewidth=1)
        best_point = f"best {mean[best]:.2f} at {thresholds[best]:.2f}"
        axes.set_title(figures.escape(f"{title}: {best_point}\n{subject}"), fontsize=11)
    return _finish(figure, axes, thresholds, list(scores[present]), ("", ""), path)


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


def _finish(
    figure: Figure, axes: Axes, x: np.ndarray, lines: list[np.ndarray], legend: tuple[str, str], path: Path
) -> Path:
    """Add the mean of several classes and the legend, and save the figure.

    Args:
        figure: the figure.
        axes: its axes.
        x: x coordinates of the lines.
        lines: the line of each class.
        legend: title of the legend, and what follows the name of the mean.
        path: the PNG file.
    """
    if len(lines) > 1:
        label = f"mean of {len(lines)} classes{legend[1]}"
        axes.plot(x, np.mean(lines, axis=0), color=figures.INK, linewidth=2.6, label=label)
    if lines:
        axes.legend(
            frameon=False, fontsize=9, title=legend[0], title_fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5)
        )
    else:
        axes.text(0.5, 0.5, "no objects", ha="center", va="center")
    return figures.save(figure, path)
