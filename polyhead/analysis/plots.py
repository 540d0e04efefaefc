"""The pictures in a run's ``plots/``, by matplotlib's object interface: no global figure and no display.

A function makes one file, and takes nothing but what it shows; :func:`data` and :func:`results` make those of a run.
"""

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image
from torch import Tensor

from polyhead.analysis import draw
from polyhead.analysis.errors import CONFIDENT
from polyhead.data.base import Reader
from polyhead.data.source import TaskData
from polyhead.data.streams import Steps, collate
from polyhead.metrics import store
from polyhead.metrics.curves import Curves, confusion, curves
from polyhead.metrics.masks import MaskScores, Pixels, masks
from polyhead.metrics.matching import match
from polyhead.run import Run, read_rows, replace
from polyhead.types import Annotation, Batch, Detections, Mask, Prediction, Sample

TRAIN, VAL, INK, FAINT = "#2b6cb0", "#d1495b", "#1a202c", "#a0aec0"
MANY = 10
"""More classes than these are drawn as thin grey lines without a legend."""
LISTED = 40
"""So many classes have a bar; the rest is counted in the title."""
CELL = 400
"""Pixels of a picture's longer side where pictures lie side by side."""


def data(run: Run, task: TaskData) -> list[Path]:
    """What a task is about to learn from: its classes and boxes, and its first training batch; returns the files."""
    loader = task.train(1, lambda: 0, 0, 1)
    samples: Any = loader.dataset  # its type is that of the batches
    sampler = loader.batch_sampler
    assert isinstance(sampler, Steps)
    first = collate([samples[index] for index in sampler.at(0)])
    path = run.plots / f"labels.{task.name}.png"
    return [
        pixel_shares(task.census("train"), task.names, task.name, path)
        if task.masked
        else labels(task.truths("train"), task.names, task.name, path),
        train_batch(first, task.names, run.plots / f"train_batch.{task.name}.png"),
    ]


def results(run: Run, tasks: Iterable[TaskData]) -> list[Path]:
    """How the training went, and what the stored val predictions of its tasks are worth; returns the files.

    What there are no numbers for is left out: no rows, or no stored predictions.
    """
    rows = read_rows(run.results_csv)
    made = [progress(rows, run.plots / "results.png")] if rows else []
    return [*made, *(path for task in tasks for path in _of_task(run, task))]


def _of_task(run: Run, task: TaskData) -> list[Path]:
    stored = run.predictions_of("val", task.name)
    if not stored.is_file():
        return []
    kind = store.kind(stored)
    if kind == "pixels":
        return _of_pixels(run, task.name, *store.load_pixels(stored))
    if kind == "labels":
        said, names = store.load_labels(stored)
        matrix = np.zeros((len(names), len(names)), dtype=np.int64)
        np.add.at(matrix, (said.true, said.probabilities.argmax(axis=1)), 1)
        return [confusion_matrix(matrix, names, run.plots / f"confusion_matrix.{task.name}.png")]
    found, names = store.load(stored)
    truths = task.truths("val")
    steps = curves(match(truths, found, names, np.array([0.5])))
    matrix = confusion(truths, found, names, CONFIDENT)
    return [
        truth_beside_prediction(task.readers["val"], found, names, run.plots / f"val_truth_prediction.{task.name}.png"),
        precision_recall(steps, names, run.plots / f"pr_curve.{task.name}.png"),
        f1(steps, names, run.plots / f"f1_curve.{task.name}.png"),
        confusion_matrix(matrix, names, run.plots / f"confusion_matrix.{task.name}.png"),
    ]


def _of_pixels(run: Run, task: str, found: Mapping[str, Pixels], names: Sequence[str]) -> list[Path]:
    counts = [*found.values()]
    matrix = torch.stack([one.counts for one in counts]).sum(0).numpy()
    return [
        iou_bars(masks(counts, names), task, run.plots / f"iou.{task}.png"),
        confusion_matrix(matrix, names, run.plots / f"confusion_matrix.{task}.png"),
    ]


def progress(rows: Sequence[Mapping[str, str]], path: Path) -> Path:
    """Every numeric column of ``results.csv`` over the epochs; train and val of one loss share a panel."""
    panels = group(rows)
    columns = max(1, min(4, math.ceil(math.sqrt(len(panels)))))
    lines = max(1, math.ceil(len(panels) / columns))
    figure = Figure(figsize=(4.2 * columns, 3.1 * lines), layout="constrained")
    borders = [n + 0.5 for n in range(1, len(rows)) if rows[n].get("stage", "") != rows[n - 1].get("stage", "")]
    for number, (title, series) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(lines, columns, number)
        _dress(axes, title, "epoch", "")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        for border in borders:
            axes.axvline(border, color=FAINT, linestyle=":", linewidth=1)
        for place, (name, (epochs, values)) in enumerate(series.items()):
            shade = {"train": TRAIN, "val": VAL}.get(name, _shade(place + 1))
            axes.plot(epochs, values, color=shade, label=_text(name), marker="o", markersize=2.5, linewidth=1.6)
        if title == "lr" and all(min(values) > 0 for _, values in series.values()):
            axes.set_yscale("log")
        if len(series) > 1:
            axes.legend(frameon=False, fontsize=8)
    return _save(figure, path)


def labels(truths: Sequence[Annotation], names: Sequence[str], task: str, path: Path) -> Path:
    """How many objects each class has, where they lie and how large they are; pictures where these have a class."""
    boxes = _relative(truths)
    height = max(3.0, 0.24 * min(LISTED, len(names)) + 1)
    figure = Figure(figsize=(13 if boxes.shape[0] else 7, height), layout="constrained")
    spaces = figure.add_gridspec(1, 3, width_ratios=[2, 1, 1]) if boxes.shape[0] else figure.add_gridspec(1, 1)
    _bars(figure.add_subplot(spaces[0, 0]), task, truths, names)
    if boxes.shape[0]:
        centre, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
        centres, sides = figure.add_subplot(spaces[0, 1]), figure.add_subplot(spaces[0, 2])
        _density(centres, centre, ("where objects lie", "x / width of the picture", "y / height of the picture"))
        centres.invert_yaxis()
        _density(sides, size, ("how large they are", "width / width of the picture", "height / height of the picture"))
    return _save(figure, path)


def train_batch(batch: Batch, names: Sequence[str], path: Path) -> Path:
    """Training pictures as the network sees them."""
    return _save_picture(draw.batch(batch, names), path)


def truth_beside_prediction(
    reader: Reader, predictions: Mapping[str, Detections], names: Sequence[str], path: Path, count: int = 8
) -> Path:
    """Up to ``count`` pictures, evenly taken from the set: truth on the left, confident predictions on the right."""
    pictures, titles = [], []
    for index in np.unique(np.linspace(0, len(reader) - 1, count).round().astype(int)).tolist():
        sample, truth = reader[index], reader.annotation(index)
        picture = draw.fit(Image.fromarray(sample.input.permute(1, 2, 0).numpy()), CELL)
        scale = CELL / max(truth.size)
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
    return _save_picture(draw.grid(pictures, columns=4, cell=CELL, titles=titles), path)


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
    for index in np.unique(np.linspace(0, len(reader) - 1, count).round().astype(int)).tolist():
        sample = reader[index]
        picture = draw.fit(Image.fromarray(sample.input.permute(1, 2, 0).numpy()), CELL)
        said = predict(sample)
        assert isinstance(said, Mask)
        assert sample.mask is not None
        for classes in (sample.mask, said.classes):
            layer = draw.layer(classes.as_subclass(Tensor).to(torch.uint8).numpy(), names)
            pictures.append(draw.draw(picture, [draw.Marks("", [], [], [], layer=layer)]))
        titles += [f"{Path(sample.id).name}: truth", "prediction"]
    return _save_picture(draw.grid(pictures, columns=4, cell=CELL, titles=titles), path)


def pixel_shares(counts: Int[Tensor, "p c"], names: Sequence[str], task: str, path: Path) -> Path:
    """The share of the training pixels that each class has, and how many pictures show it."""
    shares, shown = counts.sum(0) / counts.sum().clamp(min=1), (counts > 0).sum(0)
    tags = [f"{share:.1%} in {count}" for share, count in zip(shares.tolist(), shown.tolist(), strict=True)]
    title = f"{task}: {counts.shape[0]} pictures, {len(names)} classes"
    return _class_bars(shares.numpy(), names, tags, (title, "share of the training pixels, and pictures"), path)


def iou_bars(scores: MaskScores, task: str, path: Path) -> Path:
    """The IoU of each class that was there or predicted."""
    known = {name: iou for name, iou in scores.iou.items() if not math.isnan(iou)}
    title = f"{task}: mIoU {scores.miou:.3f}, without background {scores.miou_foreground:.3f}"
    tags = [f"{iou:.3f}" for iou in known.values()]
    return _class_bars(np.array([*known.values()]), [*known], tags, (title, "IoU"), path)


def _class_bars(
    values: Float[np.ndarray, " c"], names: Sequence[str], tags: Sequence[str], words: tuple[str, str], path: Path
) -> Path:
    """A bar for each class, longest first."""
    order = np.argsort(-values, kind="stable")[:LISTED].tolist()
    figure = Figure(figsize=(7, max(3.0, 0.24 * len(order) + 1)), layout="constrained")
    axes = figure.add_subplot()
    _dress(axes, words[0], words[1], "")
    bars = axes.barh(range(len(order)), values[order], color=[_shade(index) for index in order])
    axes.bar_label(bars, [tags[index] for index in order], padding=3, fontsize=8)
    axes.set_yticks(range(len(order)), [_text(names[index]) for index in order], fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.2)
    axes.grid(visible=False, axis="y")
    return _save(figure, path)


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
        axes.axvline(steps.thresholds[best], color=FAINT, linestyle=":", linewidth=1)
        axes.set_title(
            f"F1 over the score threshold, IoU 0.5\nbest {mean[best]:.2f} at {steps.thresholds[best]:.2f}", fontsize=11
        )
    return _finish(figure, axes, steps.thresholds, list(steps.f1[there]), path)


def confusion_matrix(matrix: Int[np.ndarray, "n m"], names: Sequence[str], path: Path) -> Path:
    """Rows are the truth, columns what was said; colours are shares of a row, numbers are counts (shares, if too long).

    Args:
        matrix: counts; where it has one row and column more than there are names, the last ones are background, and
            where it has one column more, that is of what nothing was said of.
        names: class names.
        path: the PNG file.
    """
    rows, columns = list(names), list(names)
    if matrix.shape[0] > len(names):
        rows, columns = [*names, "nothing there"], [*names, "missed"]
    elif matrix.shape[1] > len(names):
        columns = [*names, "nothing"]
    side = min(16.0, max(4.5, 0.42 * len(rows) + 2.5))
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.add_subplot()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    small = min(9.0, max(3.0, 300 / len(rows)))
    axes.set_xticks(range(len(columns)), [_text(name) for name in columns], rotation=90, fontsize=small)
    axes.set_yticks(range(len(rows)), [_text(name) for name in rows], fontsize=small)
    axes.set_xlabel("prediction")
    axes.set_ylabel("truth")
    axes.set_title(
        f"confusion, IoU 0.5, score {CONFIDENT} and above" if len(rows) > len(names) else "confusion", fontsize=11
    )
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the row")
    large = matrix.max(initial=0) >= 10**5  # pixels: their numbers would not fit
    for row, column in np.argwhere(matrix > 0) if len(rows) <= LISTED else ():
        ink = "white" if shares[row, column] > 0.55 else INK  # where Blues turns dark
        text = f"{shares[row, column]:.2f}" if large else str(matrix[row, column])
        axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=small)
    return _save(figure, path)


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


def _bars(axes: Axes, task: str, truths: Sequence[Annotation], names: Sequence[str]) -> None:
    boxed = any(truth.labels.numel() for truth in truths)  # generated scenes have a value beside their boxes
    own = [int(truth.value) for truth in truths if truth.value is not None and truth.value.ndim == 0 and not boxed]
    kind = "pictures" if own else "objects"
    found = torch.tensor(own) if own else torch.cat([truth.labels[~truth.ignore] for truth in truths])
    counts = torch.bincount(found, minlength=len(names)).numpy()
    order = np.argsort(-counts, kind="stable")[:LISTED].tolist()
    more = f" (the {LISTED} most frequent)" if len(names) > LISTED else ""
    total = f"{counts.sum()} objects in {len(truths)} pictures" if kind == "objects" else f"{len(truths)} pictures"
    _dress(axes, f"{task}: {total}, {len(names)} classes{more}", f"training {kind}", "")
    bars = axes.barh(range(len(order)), counts[order], color=[_shade(index) for index in order])
    axes.bar_label(bars, padding=3, fontsize=8)
    axes.set_yticks(range(len(order)), [_text(names[index]) for index in order], fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.grid(visible=False, axis="y")


def _relative(truths: Sequence[Annotation]) -> Float[np.ndarray, "n 4"]:
    """All boxes, ignored ones left out, as shares of their picture's sides."""
    edges = [torch.tensor([truth.size[1], truth.size[0]] * 2) for truth in truths]
    parts = [truth.boxes[~truth.ignore] / edge for truth, edge in zip(truths, edges, strict=True)]
    return torch.cat([torch.zeros(0, 4), *parts]).numpy()


def _density(axes: Axes, points: Float[np.ndarray, "n 2"], words: tuple[str, str, str]) -> None:
    _dress(axes, *words)
    axes.hist2d(points[:, 0], points[:, 1], bins=32, range=[[0, 1], [0, 1]], cmap="Blues")
    axes.set_aspect("equal")
    axes.grid(visible=False)


def _square(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.5, 5.5), layout="constrained")
    axes = figure.add_subplot()
    _dress(axes, title, x, y)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    return figure, axes


def _style(place: int, count: int, names: Sequence[str]) -> dict[str, Any]:
    """A class's line: its colour and name while there are few, thin grey when there are many."""
    if count > MANY:
        return {"color": FAINT, "linewidth": 0.8}
    return {"color": _shade(place), "linewidth": 1.6, "label": _text(names[place])}


def _finish(figure: Figure, axes: Axes, x: np.ndarray, lines: list[np.ndarray], path: Path) -> Path:
    """Add the mean of all classes when there are several, and the legend."""
    if len(lines) > 1:
        axes.plot(x, np.mean(lines, axis=0), color=INK, linewidth=2.6, label=f"mean of {len(lines)} classes")
    if lines:
        axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    else:
        axes.text(0.5, 0.5, "no objects", ha="center", va="center")
    return _save(figure, path)


def _dress(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(_text(title), fontsize=11)
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(color="#e2e8f0", linewidth=0.8)


def _shade(index: int) -> tuple[float, float, float]:
    red, green, blue = draw.colour(index)
    return red / 255, green / 255, blue / 255


def _text(name: str) -> str:
    """A name that matplotlib shall not read as mathematics."""
    return name.replace("$", r"\$")


def _save(figure: Figure, path: Path) -> Path:
    partial = path.with_name(path.name + ".partial")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # class names in scripts that the font lacks
        figure.savefig(partial, format="png", dpi=130)
    replace(partial, path)
    return path


def _save_picture(picture: Image.Image, path: Path) -> Path:
    partial = path.with_name(path.name + ".partial")
    picture.save(partial, format="PNG")
    replace(partial, path)
    return path
