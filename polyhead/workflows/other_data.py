"""Measure a run, or official weights, on other data: on that of a folder or of a recipe."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from polyhead.analysis import verdict
from polyhead.config import recipe
from polyhead.contracts.reader import Reader
from polyhead.data.doctor import check
from polyhead.data.formats.recognize import FORMATS, DatasetLayout, recognize
from polyhead.data.loading.source import HeldOut
from polyhead.data.readers.matched import Matched
from polyhead.errors import DataError, PolyheadError, few
from polyhead.paths import shipped
from polyhead.run import Run, write_text
from polyhead.workflows.evaluate import score_split
from polyhead.workflows.predict import load
from polyhead.workflows.predictor import Predictor
from polyhead.workflows.tasks import open_tasks

PREFERRED = ("test", "val", "train")
"""Splits of a folder, in the order in which one is chosen to measure on."""
RUNS = Path("runs")
"""Where scores of official weights are stored: the folder of runs that recipes use by default."""


class Offered(NamedTuple):
    """Data to measure on.

    Attributes:
        reader: the samples.
        source: the absolute path of the folder, or the recipe.
        title: what they are, in words.
        label: a name for the folder of the scores.
        split: the split that they are; ``all`` without splits.
        notes: what was assumed when they were read.
    """

    reader: Reader
    source: str
    title: str
    label: str
    split: str
    notes: Sequence[str]


def evaluate_on(
    model: Run | str,
    data: str | Path,
    tasks: Sequence[str] | None = None,
    reader: str | None = None,
    show: Callable[[str], None] = print,
    split: str = "test",
) -> dict[str, Any]:
    """Score a task of a run, or official weights, on other data.

    Classes are matched by name (:class:`polyhead.data.readers.matched.Matched`). The scores are stored in a new folder:
    below the run's ``evaluations``, or below ``runs`` for official weights. The run's own results are not changed.

    Args:
        model: the run, or the name of official weights (:mod:`polyhead.workflows.official`).
        data: a folder, whose test split is used if it has several, or else its val split; or the name or file of a
            recipe, whose tasks of the same kind are each measured on one split.
        tasks: the name of the model's task, if it has several of the kind of the data.
        reader: the data format of a folder, if it has several.
        show: receives the lines to print.
        split: the split of a recipe.

    Returns:
        What :func:`polyhead.workflows.evaluate.score_split` returns; of a recipe with several tasks, by their names.

    Raises:
        DataError: with every problem of the data.
        PolyheadError: if the model has no task of this kind or several, or no class has the same name.
    """
    predictor = load(model.folder if isinstance(model, Run) else model)
    if str(data) in shipped() or Path(data).is_file():
        offered = _of_recipe(predictor, data, split)
    else:
        offered = [_of_folder(predictor, data, reader)]
    results = [_measure(predictor, model, each, tasks, show) for each in offered]
    if len(results) == 1:
        return results[0]
    return {
        "tasks": {each.label: next(iter(found["tasks"].values())) for each, found in zip(offered, results, strict=True)}
    }


def _measure(
    predictor: Predictor, model: Run | str, data: Offered, tasks: Sequence[str] | None, show: Callable[[str], None]
) -> dict[str, Any]:
    """Score a task on data, store the scores, and print the verdict."""
    name = task_of(predictor, data.reader.kind, tasks)
    kind = predictor.kinds[name]
    matched = Matched(data.reader, predictor.names[name], kind)
    show(f"{data.title} ({len(matched)} images) for task {name}")
    for note in dict.fromkeys([*data.notes, *matched.notes, *_trained_on(model, name, matched)]):
        show(f"  {note}")
    root, prefix = (model.folder / "evaluations", "") if isinstance(model, Run) else (RUNS, f"{model}_")
    inner = Run.create(root, f"{prefix}{data.label}")
    inner.update_manifest(
        data=data.source,
        split=data.split,
        notes=[*matched.notes],
        kinds={name: kind.name},
        precision=predictor.precision,
    )
    results = score_split(
        predictor.model, {name: HeldOut(name, matched, kind, predictor.modalities[name])}, "test", inner
    )
    inner.update_results(test=results)
    text = verdict.verdict(results)
    write_text(inner.verdict, text + "\n")
    show(text)
    show(f"stored in {inner.folder}")
    return results


def _of_folder(predictor: Predictor, data: str | Path, reader: str | None) -> Offered:
    """Return the preferred split of a folder, after a check of its samples."""
    layout = _layout(predictor, data, reader)
    split = next(each for each in PREFERRED if each in layout.splits)
    if problems := check(layout.splits[split]):
        raise DataError(str(data), problems)
    chosen = "all" if len(layout.splits) == 1 else f"the {split} split"
    label = re.sub(r"\W+", "_", Path(data).resolve().name).strip("_") or "data"
    source = str(Path(data).absolute())
    return Offered(
        layout.splits[split], source, f"{data}: {layout.reader} format, {chosen}", label, split, layout.notes
    )


def _of_recipe(predictor: Predictor, source: str | Path, split: str) -> list[Offered]:
    """Return one split of each task of a recipe of which the model has the kind.

    Raises:
        PolyheadError: if there is no such task.
    """
    config = recipe.load(source)
    opened = open_tasks(recipe.sources(config), predictor.model.size, int(config["seed"]))
    kinds = {kind.name for kind in predictor.kinds.values()}
    fitting = {name: task for name, task in opened.items() if task.kind.name in kinds}
    if not fitting:
        has = ", ".join(f"{name}: {task.kind.name}" for name, task in opened.items())
        raise PolyheadError(
            f"{source}: the recipe has no data for {few(sorted(kinds))} (it has {has}). Give another one."
        )
    return [
        Offered(
            task.readers[split],
            str(source),
            f"the {split} split of {name} in {config['name']}",
            name,
            split,
            task.notes,
        )
        for name, task in fitting.items()
    ]


def _trained_on(model: Run | str, task: str, reader: Reader) -> list[str]:
    """Return a warning if images of a reader have the names of training images of a run's task."""
    if not isinstance(model, Run):
        return []
    trained = set(model.read_manifest().get("splits", {}).get(task, {}).get("train", ()))
    count = sum(reader.entry(index).id in trained for index in range(len(reader)))
    if not count:
        return []
    what = f"{count} of these {len(reader)} images have the names of images that the run was trained on"
    return [f"warning: {what}; if they are the same images, the score below is too high"]


def _layout(predictor: Predictor, data: str | Path, reader: str | None) -> DatasetLayout:
    """Return the layout of a folder; where it can be read as several kinds, as one of those of the run."""
    layout = recognize(data, reader)
    kinds = {kind.name for kind in predictor.kinds.values()}
    if layout.splits["train"].kind in kinds or reader is not None:
        return layout
    for name, form in FORMATS.items():
        if getattr(form.reader, "kind", None) in kinds:
            try:
                return recognize(data, name)
            except PolyheadError:
                continue
    return layout


def task_of(predictor: Predictor, kind: str, tasks: Sequence[str] | None) -> str:
    """Return the task to measure.

    Raises:
        PolyheadError: if there is none of this kind, or it is not clear which one is meant.
    """
    for name in tasks or ():
        predictor.model.head(name)
    fitting = [name for name, own in predictor.kinds.items() if own.name == kind and name in (tasks or predictor.kinds)]
    if not fitting:
        own = ", ".join(f"{name}: {each.name}" for name, each in predictor.kinds.items())
        raise PolyheadError(
            f"the data is for {kind}, and the run has no such task ({own}). Give other data, or its format with "
            "--reader."
        )
    if len(fitting) > 1:
        raise PolyheadError(f"the run has several tasks of {kind} ({few(fitting)}). Choose one with --task NAME.")
    return fitting[0]
