"""Training curves: the columns of ``results.csv`` over the epochs of a run."""

import math
from bisect import bisect
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from polyhead.contracts.kind import Kind
from polyhead.metrics import columns
from polyhead.metrics.columns import SPLITS
from polyhead.plotting.figures import FAINT, escape, rgb, save, style_axes

TRAIN, VAL = "#2b6cb0", "#d1495b"
SELECTED = "#2f855a"
"""Color of the lines at the epochs whose weights were selected."""
WIDE, HIGH = 4.2, 3.1
"""Inches of a panel. Margins are fixed: a layout engine draws all panels twice to find them, which takes seconds."""
ON_VAL = " on val"
"""End of the titles of panels of scores."""
HIDDEN = ("epoch", "stage", "time", "selected")
"""Columns that are no curves."""

Line = list[tuple[int, float]]
"""Epoch, counted through all stages from 1, and value."""


def progress(rows: Sequence[Mapping[str, str]], kinds: Mapping[str, Kind], title: str, path: Path) -> Path:
    """Plot the losses, scores and learning rates of ``results.csv`` over the epochs.

    Train and val of one loss share a panel. The epochs whose weights were selected are marked. Lines end with their
    stage, because another stage may weigh or sum other losses; only those of scores, which mean the same in every
    stage, go on.

    Args:
        rows: the rows.
        kinds: the kind of each task.
        title: written above the panels.
        path: the PNG file.
    """
    panels = group(rows, kinds)
    columns = max(1, min(4, math.ceil(math.sqrt(len(panels)))))
    lines = max(1, math.ceil(len(panels) / columns))
    width, height = WIDE * columns, HIGH * lines + 0.3
    figure = Figure(figsize=(width, height))
    figure.subplots_adjust(0.6 / width, 0.5 / height, 1 - 0.2 / width, 1 - 0.65 / height, wspace=0.22, hspace=0.42)
    figure.suptitle(escape(title), fontsize=11, y=1 - 0.12 / height, va="top")
    stages = first_epochs(rows)
    selected = [number for number, row in enumerate(rows, 1) if row.get("selected") == "1"]
    for number, (panel, series) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(lines, columns, number)
        style_axes(axes, panel, "epoch", "")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        for index, (name, line) in enumerate(series.items()):
            color = {"train": TRAIN, "val": VAL}.get(name, rgb(index + 1))
            for part in [line] if panel.endswith(ON_VAL) else split_at(line, stages):
                axes.plot(*zip(*part, strict=True), color=color, marker="o", markersize=2.5, linewidth=1.6)
            axes.lines[-1].set_label(escape(name))
        values = [value for line in series.values() for _, value in line]
        if min(values) >= 0 < max(values):
            axes.set_ylim(0, 1.08 * max(values))  # from 0, so that a small change looks small
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        if len(stages) > 1:
            mark_stages(axes, stages)
        for count, epoch in enumerate(selected):
            label = "" if count or len(series) == 1 else "selected epoch"
            axes.axvline(epoch, color=SELECTED, linestyle="--", linewidth=1, zorder=0, label=label)
        if {"train", "val"} <= series.keys():
            mark_gap(axes, series["train"], series["val"], selected)
        if len(series) > 1:
            axes.legend(frameon=False, fontsize=8)
    return save(figure, path)


def mark_gap(axes: Axes, train: Line, val: Line, selected: Sequence[int]) -> None:
    """Draw the difference of train and val at each selected epoch, with its value."""
    trained, validated = dict(train), dict(val)
    for epoch in selected:
        if epoch in trained and epoch in validated:
            low, high = trained[epoch], validated[epoch]
            axes.plot([epoch, epoch], [low, high], color=SELECTED, linewidth=3, alpha=0.5, solid_capstyle="butt")
            late = 2 * epoch > min(trained) + max(trained)  # then the text is on the left, below the falling curves
            axes.annotate(
                f"val - train {high - low:+.2g}",
                (epoch, min(low, high) if late else max(low, high)),
                (-3, -9) if late else (3, 3),
                textcoords="offset points",
                ha="right" if late else "left",
                fontsize=7,
            )


def first_epochs(rows: Sequence[Mapping[str, str]]) -> list[int]:
    """Return the first epoch of each stage, counted through all stages from 1."""
    return [n + 1 for n in range(len(rows)) if not n or rows[n].get("stage", "") != rows[n - 1].get("stage", "")]


def split_at(line: Line, stages: Sequence[int]) -> list[Line]:
    """Split a line at the first epochs of the stages; parts without points are left out."""
    parts: dict[int, Line] = {}
    for epoch, value in line:
        parts.setdefault(bisect(stages, epoch), []).append((epoch, value))
    return [*parts.values()]


def mark_stages(axes: Axes, stages: Sequence[int]) -> None:
    """Draw a line before each stage, with the number of the stage along it."""
    for number, first in enumerate(stages, 1):
        axes.axvline(first - 0.5, color=FAINT, linestyle=":", linewidth=1)
        axes.text(
            first - 0.45,
            0.98,
            f"stage {number}",
            transform=axes.get_xaxis_transform(),
            rotation=90,
            ha="left",
            va="top",
            fontsize=7,
            color=FAINT,
        )


def group(rows: Sequence[Mapping[str, str]], kinds: Mapping[str, Kind]) -> dict[str, dict[str, Line]]:
    """Group the columns into panels, as ``{panel title: {name of the line: line}}``.

    Empty and non-finite cells are left out.
    """
    panels: dict[str, dict[str, Line]] = {}
    for column in dict.fromkeys(column for row in rows for column in row):
        if column in HIDDEN:
            continue
        filled = [(number, float(row[column])) for number, row in enumerate(rows, 1) if row.get(column)]
        finite = [(number, value) for number, value in filled if math.isfinite(value)]
        if finite:
            title, name = panel_of(column, kinds)
            panels.setdefault(title, {})[name] = finite
    return panels


def panel_of(column: str, kinds: Mapping[str, Kind]) -> tuple[str, str]:
    """Return the panel title and the line name of a column.

    ``train/food/box`` and ``val/food/box`` share the panel ``food/box``, and so do the two columns of a statistic
    (``stats/train/food/recall``). Scores of a task with the same :attr:`polyhead.contracts.score.Score.panel` share a
    panel, and so do the learning rates.
    """
    found = columns.parse(column)
    if found:
        kind = kinds.get(found.task)
        if kind and found.split == "val" and found.name in columns.score_names(kind):
            panel = next((each.panel for each in kind.scores if each.name == found.name), "")
            title = f"{found.task}: {panel}" if panel else f"{found.task}/{found.name}"
            return f"{title}{ON_VAL}", found.name
        return f"{found.task}/{found.name}", found.split
    first, _, rest = column.partition("/")
    if first == "stats":
        split, _, name = rest.partition("/")
        return f"{name} (statistic)", split
    if first in SPLITS:
        return rest, first
    return first, rest or first
