"""Training curves: the columns of ``results.csv`` over the epochs of a run."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from polyhead.contracts.kind import Kind
from polyhead.metrics import columns
from polyhead.plotting.figures import FAINT, escape, rgb, save, style_axes

TRAIN, VAL = "#2b6cb0", "#d1495b"
WIDE, HIGH = 4.2, 3.1
"""Inches of a panel. Margins are fixed: a layout engine draws all panels twice to find them, which takes seconds."""


def progress(rows: Sequence[Mapping[str, str]], kinds: Mapping[str, Kind], path: Path) -> Path:
    """Plot every numeric column of ``results.csv`` over the epochs; train and val of one loss share a panel.

    Args:
        rows: the rows.
        kinds: the kind of each task.
        path: the PNG file.
    """
    panels = group(rows, kinds)
    columns = max(1, min(4, math.ceil(math.sqrt(len(panels)))))
    lines = max(1, math.ceil(len(panels) / columns))
    width, height = WIDE * columns, HIGH * lines
    figure = Figure(figsize=(width, height))
    figure.subplots_adjust(0.6 / width, 0.5 / height, 1 - 0.2 / width, 1 - 0.35 / height, wspace=0.22, hspace=0.42)
    # between the last epoch of a stage and the first of the next
    borders = [n + 0.5 for n in range(1, len(rows)) if rows[n].get("stage", "") != rows[n - 1].get("stage", "")]
    for number, (title, series) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(lines, columns, number)
        style_axes(axes, title, "epoch", "")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        for border in borders:
            axes.axvline(border, color=FAINT, linestyle=":", linewidth=1)
        for index, (name, (epochs, values)) in enumerate(series.items()):
            color = {"train": TRAIN, "val": VAL}.get(name, rgb(index + 1))
            axes.plot(epochs, values, color=color, label=escape(name), marker="o", markersize=2.5, linewidth=1.6)
        if title == "lr" and all(min(values) > 0 for _, values in series.values()):
            axes.set_yscale("log")
        if len(series) > 1:
            axes.legend(frameon=False, fontsize=8)
    return save(figure, path)


def group(
    rows: Sequence[Mapping[str, str]], kinds: Mapping[str, Kind]
) -> dict[str, dict[str, tuple[list[int], list[float]]]]:
    """Group the columns into panels; empty and non-finite cells are left out.

    Returns:
        Panel title -> name of the line -> epochs (counted through all stages) and values.
    """
    panels: dict[str, dict[str, tuple[list[int], list[float]]]] = {}
    for column in dict.fromkeys(column for row in rows for column in row):
        filled = [(number, float(row[column])) for number, row in enumerate(rows, 1) if row.get(column)]
        finite = [(number, value) for number, value in filled if math.isfinite(value)]
        if column in ("epoch", "stage") or not finite:
            continue
        title, name = panel_of(column, kinds)
        panels.setdefault(title, {})[name] = ([number for number, _ in finite], [value for _, value in finite])
    return panels


def panel_of(column: str, kinds: Mapping[str, Kind]) -> tuple[str, str]:
    """Return the panel title and the line name of a column.

    ``train/food/box`` and ``val/food/box`` share the panel ``food/box``, and so do the two columns of a statistic
    (``stats/train/food/recall``). Scores of a task with the same :attr:`polyhead.contracts.score.Score.panel` share a
    panel, and so do the learning rates.
    """
    found = columns.parse(column)
    if found:
        panels = {each.name: each.panel for each in kinds[found.task].scores} if found.task in kinds else {}
        panel = panels.get(found.name, "") if found.split == "val" else ""
        return (f"{found.task}: {panel}", found.name) if panel else (f"{found.task}/{found.name}", found.split)
    first, _, rest = column.partition("/")
    if first == "stats":
        split, _, name = rest.partition("/")
        return f"{name} (statistic)", split
    if first in columns.SPLITS:
        return rest, first
    return ("time / seconds" if column == "time" else first, rest or first)
