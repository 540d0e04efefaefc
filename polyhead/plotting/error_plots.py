"""Plots of the error analysis: the gain of each type of error, and errors against facts such as the size of objects."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyhead.plotting.figures import INK, escape, rgb, save, style_axes

PANELS = 3
"""Panels side by side."""


class Point(NamedTuple):
    """A value with its interval, and the range of a fact that it is for; None where an interval is not known."""

    first: float
    last: float
    value: float
    low: float | None
    high: float | None


def gains(values: Mapping[str, tuple[float, float, float]], score: str, subject: str, path: Path) -> Path:
    """Plot how much a score would rise if all errors of one type were fixed.

    Args:
        values: the gain of each type, and the ends of its interval.
        score: title of the score.
        subject: what was tested, for the title.
        path: the PNG file.
    """
    figure = Figure(figsize=(7, max(2.5, 0.36 * len(values) + 1.2)), layout="constrained")
    axes = figure.add_subplot()
    style_axes(axes, f"what fixing all errors of one type would gain\n{subject}", f"gain of {score}", "")
    places = range(len(values))
    middle = [value for value, _, _ in values.values()]
    axes.barh(places, middle, color=[rgb(place) for place in places])
    for place, (_, low, high) in zip(places, values.values(), strict=True):
        axes.plot([low, high], [place, place], color=INK, linewidth=1.2)
    labels = [f"{name}  {value:.3f}" for name, (value, _, _) in values.items()]
    axes.set_yticks(places, [escape(label) for label in labels], fontsize=9)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlim(left=min(0.0, *middle))
    return save(figure, path)


def curves(panels: Mapping[str, Mapping[str, Sequence[Point]]], subject: str, path: Path) -> Path:
    """Plot the fraction of wrong cases over ranges of each fact, a panel for each fact.

    Args:
        panels: by fact, then by what a wrong case is: the points of a line.
        subject: what was tested, for the title.
        path: the PNG file.
    """
    rows = -(-len(panels) // PANELS)
    columns = min(PANELS, len(panels))
    figure = Figure(figsize=(4.2 * columns + 0.4, 3.1 * rows + 0.9), layout="constrained")
    figure.suptitle(escape(f"errors against facts\n{subject}"), fontsize=11)
    colors = {
        title: rgb(place) for place, title in enumerate(dict.fromkeys(t for lines in panels.values() for t in lines))
    }
    handles: dict[str, Any] = {}
    for place, (fact, lines) in enumerate(panels.items()):
        axes = figure.add_subplot(rows, columns, place + 1)
        style_axes(axes, "", fact, "fraction of wrong ones" if place % PANELS == 0 else "")
        for title, points in lines.items():
            _line(axes, points, colors[title], title)
        axes.set_ylim(0, 1.02)
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    labels = list(handles)
    figure.legend(
        list(handles.values()), labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9
    )
    return save(figure, path)


def _line(axes: Axes, points: Sequence[Point], color: tuple[float, float, float], title: str) -> None:
    """Draw the points at the middle of their ranges, with their ranges and intervals."""
    middles = [(point.first + point.last) / 2 for point in points]
    axes.plot(middles, [point.value for point in points], color=color, marker="o", markersize=4, label=escape(title))
    for middle, point in zip(middles, points, strict=True):
        axes.plot([point.first, point.last], [point.value] * 2, color=color, linewidth=1, alpha=0.5)
        if point.low is not None and point.high is not None:
            axes.plot([middle] * 2, [point.low, point.high], color=color, linewidth=1)
