"""Section 3 of a report: scores with intervals and baselines, curves, the operating point, and ablations."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyhead.analysis.markdown import escape, table
from polyhead.analysis.report.files import SPLITS, dummy_of, number, split_of, tasks_of, triple
from polyhead.analysis.report.shown import Gallery, Text, image
from polyhead.run import Run, read_json

if TYPE_CHECKING:
    from pandas import DataFrame

CURVES = ("results.png", "stages.png")
"""Plots of the training as a whole."""


def scores(run: Run) -> Text:
    """Show the main score of each head on each split, with its interval, n, and the baselines."""
    rows = []
    for split in SPLITS:
        for task, numbers in tasks_of(run, split).items():
            before = numbers.get("zero_shot") or {}
            interval = numbers.get("interval")
            score, pretrained = triple(numbers["score"], interval), triple(before.get("score"), before.get("interval"))
            baseline = number(dummy_of(numbers)[1])
            rows.append(
                [escape(task), split, escape(numbers["metric"]), score, numbers["images"], baseline, pretrained]
            )
    header = ["head", "split", "metric", "score [interval]", "n", "dummy baseline", "pretrained, before training"]
    levels = {numbers.get("level", 0.9) for numbers in tasks_of(run).values()}
    of = ", ".join(f"{level:.0%}" for level in sorted(levels))
    return Text(f"{table(header, rows)}\n\nOne run, seed {_seed(run)}. Brackets are {of} intervals over the n images.")


def _seed(run: Run) -> str:
    return str(run.read_manifest().get("seed", "not stated"))


def other_scores(run: Run, task: str) -> "DataFrame":
    """Return all further numbers of a head that are measured on the split of the report."""
    import pandas as pd  # pylint: disable=import-outside-toplevel  # as above

    numbers = tasks_of(run)[task]
    found = {**numbers, **numbers.get("coco", {})}
    left_out = ("score", "level", "images", "seconds_per_image", "peak_memory_mb")
    shown = {name: value for name, value in found.items() if type(value) in (int, float) and name not in left_out}
    return pd.DataFrame([{"measure": name, "value": round(value, 4)} for name, value in shown.items()])


def classes(run: Run, task: str) -> "DataFrame":
    """Return the numbers of each class of a head."""
    import pandas as pd  # pylint: disable=import-outside-toplevel  # as above

    entries: dict[str, dict[str, Any]] = tasks_of(run)[task].get("classes", {})
    rows = [{"class": name, **entry} for name, entry in entries.items()]
    return pd.DataFrame(rows).round(3)


def curves(run: Run) -> Gallery:
    """Return the training curves, and the val score after each stage where there are several."""
    return Gallery(image(path) for path in (run.plots / name for name in CURVES) if path.is_file())


def plots(run: Run, task: str) -> Gallery:
    """Return the plots of a head on the split of the report."""
    return Gallery(image(path) for path in sorted(run.plots.glob(f"*.{task}.{split_of(run)}.png")))


def study(folder: str | Path) -> Text:
    """Return the tables of a study: means over seeds, intervals, paired differences and costs."""
    path = Path(folder)
    parts = [each.read_text(encoding="utf-8") for each in sorted(path.glob("table*.md"))]
    stated = read_json(path / "table.json").get("study", path.name)
    return Text("\n\n".join([f"Study `{stated}`:", *parts]))


def effects(folder: str | Path) -> Gallery:
    """Return the plots of the differences of a study."""
    return Gallery(image(path) for path in sorted(Path(folder).glob("effects*.png")))


def comparison(run: Run, *others: Run) -> "DataFrame":
    """Return the scores of several runs on the same images, with paired differences to this run."""
    from polyhead.analysis.table import compare  # pylint: disable=import-outside-toplevel  # imports torch
    from polyhead.analysis.table_files import frame  # pylint: disable=import-outside-toplevel

    return frame(compare({each.name: each for each in (run, *others)}, split=split_of(run))).round(3)
