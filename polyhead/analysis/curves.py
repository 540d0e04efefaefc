"""How the columns of ``results.csv`` went over the epochs of a run."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from polyhead.plotting.figures import FAINT, dress, literal, save, shade

TRAIN, VAL = "#2b6cb0", "#d1495b"
WIDE, HIGH = 4.2, 3.1
"""Inches of a panel. Its margins are set, not sought: a layout engine draws all panels twice, which takes seconds."""


def progress(rows: Sequence[Mapping[str, str]], path: Path) -> Path:
    """Every numeric column of ``results.csv`` over the epochs; train and val of one loss share a panel."""
    panels = group(rows)
    columns = max(1, min(4, math.ceil(math.sqrt(len(panels)))))
    lines = max(1, math.ceil(len(panels) / columns))
    width, height = WIDE * columns, HIGH * lines
    figure = Figure(figsize=(width, height))
    figure.subplots_adjust(0.6 / width, 0.5 / height, 1 - 0.2 / width, 1 - 0.35 / height, wspace=0.22, hspace=0.42)
    borders = [n + 0.5 for n in range(1, len(rows)) if rows[n].get("stage", "") != rows[n - 1].get("stage", "")]
    for number, (title, series) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(lines, columns, number)
        dress(axes, title, "epoch", "")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        for border in borders:
            axes.axvline(border, color=FAINT, linestyle=":", linewidth=1)
        for place, (name, (epochs, values)) in enumerate(series.items()):
            colour = {"train": TRAIN, "val": VAL}.get(name, shade(place + 1))
            axes.plot(epochs, values, color=colour, label=literal(name), marker="o", markersize=2.5, linewidth=1.6)
        if title == "lr" and all(min(values) > 0 for _, values in series.values()):
            axes.set_yscale("log")
        if len(series) > 1:
            axes.legend(frameon=False, fontsize=8)
    return save(figure, path)


def group(rows: Sequence[Mapping[str, str]]) -> dict[str, dict[str, tuple[list[int], list[float]]]]:
    """Panel title -> name of the line -> epochs (counted through all stages) and values; gaps are left out."""
    panels: dict[str, dict[str, tuple[list[int], list[float]]]] = {}
    for column in dict.fromkeys(column for row in rows for column in row):
        filled = [(number, float(row[column])) for number, row in enumerate(rows, 1) if row.get(column)]
        finite = [(number, value) for number, value in filled if math.isfinite(value)]
        if column in ("epoch", "stage") or not finite:
            continue
        title, name = place(column)
        panels.setdefault(title, {})[name] = ([number for number, _ in finite], [value for _, value in finite])
    return panels


def place(column: str) -> tuple[str, str]:
    """``train/food/box`` and ``val/food/box`` share the panel ``food/box``; scores of a task share one; so do rates."""
    first, _, rest = column.partition("/")
    if first in ("train", "val"):
        task, _, last = rest.rpartition("/")
        return (f"{task}: average precision", last) if last.startswith("ap") and task else (rest, first)
    return ("time / seconds" if column == "time" else first, rest or first)
