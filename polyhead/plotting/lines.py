"""Plots of learning rates: the schedule of a training, and the search for a learning rate."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from polyhead.plotting.figures import FAINT, escape, rgb, save, style_axes


def lr_schedule(stages: Sequence[Sequence[tuple[int, float]]], title: str, path: Path) -> Path:
    """Plot the learning rate over the optimizer steps.

    Args:
        stages: step and learning rate at some steps of each stage, the last one among them.
        title: written above the plot.
        path: the PNG file.
    """
    figure = Figure(figsize=(7, 3.4), layout="constrained")
    axes = figure.add_subplot()
    style_axes(axes, title, "optimizer step", "learning rate")
    first = 0
    for number, points in enumerate(stages, 1):
        steps, lrs = zip(*points, strict=True)
        label = f"stage {number}: {steps[-1] + 1} steps"
        axes.plot([first + step for step in steps], lrs, color=rgb(number), label=label)
        if number > 1:
            axes.axvline(first - 0.5, color=FAINT, linestyle=":", linewidth=1)
        first += steps[-1] + 1
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)
    return save(figure, path)


def lr_search(
    lrs: Sequence[float], losses: Sequence[float], smoothed: Sequence[float], suggested: float | None, path: Path
) -> Path:
    """Plot the losses of a search for a learning rate.

    Args:
        lrs: learning rate of each step.
        losses: training loss of each step.
        smoothed: their moving average.
        suggested: the suggested learning rate, which is marked, if there is one.
        path: the PNG file.
    """
    figure = Figure(figsize=(7, 3.4), layout="constrained")
    axes = figure.add_subplot()
    style_axes(axes, escape(path.name.removesuffix(".png")), "learning rate", "training loss")
    axes.plot(lrs, losses, color=FAINT, linewidth=1, label="each step")
    axes.plot(lrs, smoothed, color=rgb(1), label="smoothed")
    if suggested is not None:
        axes.axvline(suggested, color=rgb(2), linestyle="--", label=f"suggestion: {suggested:.1e}")
    axes.set_xscale("log")
    low, high = min(smoothed), max(smoothed[: len(smoothed) // 2 + 1])
    axes.set_ylim(low - 0.1 * (high - low) - 1e-9, high + 0.5 * (high - low) + 1e-9)  # not the losses that explode
    axes.legend(frameon=False, fontsize=8)
    return save(figure, path)
