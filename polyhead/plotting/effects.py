"""A plot of effects: what each variation changes in a score, with its interval, around that of the base."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from polyhead.plotting.figures import FAINT, INK, escape, rgb, save, style_axes


class Effect(NamedTuple):
    """The difference of a variation to the base.

    Attributes:
        name: of the variation.
        group: what it varies; variations of a group stand together, in one color.
        value: the difference.
        low: lower end of its interval.
        high: upper end.
    """

    name: str
    group: str
    value: float
    low: float
    high: float


def effects(shown: Sequence[Effect], title: str, axis: str, path: Path) -> Path:
    """Plot a dot with its interval for each variation, one below the other, around a line at 0.

    Args:
        shown: the differences; groups are drawn in the order in which they first appear.
        title: written above the plot.
        axis: name of the x axis.
        path: the PNG file.
    """
    groups = list(dict.fromkeys(effect.group for effect in shown))
    ordered = [effect for group in groups for effect in shown if effect.group == group]
    places = [number + 0.6 * groups.index(effect.group) for number, effect in enumerate(ordered)]  # groups stand apart
    figure = Figure(figsize=(7, max(2.4, 0.34 * (places[-1] + 1) + 1.2)), layout="constrained")
    axes = figure.add_subplot()
    style_axes(axes, title, axis, "")
    axes.axvline(0, color=FAINT, linewidth=1.2)
    for place, effect in zip(places, ordered, strict=True):
        color = rgb(groups.index(effect.group))
        axes.plot([effect.low, effect.high], [place, place], color=color, linewidth=2, solid_capstyle="butt")
        axes.plot([effect.value], [place], "o", color=color, markersize=6)
        axes.annotate(
            f"{effect.value:+z.3f}",
            (effect.high, place),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=INK,
        )
    axes.set_yticks(places, [escape(effect.name) for effect in ordered])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.15)
    return save(figure, path)
