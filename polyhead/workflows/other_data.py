"""Measure a run on other data than its own."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyhead.analysis import verdict
from polyhead.contracts.reader import Reader
from polyhead.data.doctor import check
from polyhead.data.formats.recognize import FORMATS, DatasetLayout, recognize
from polyhead.data.loading.source import HeldOut
from polyhead.data.readers.matched import Matched
from polyhead.errors import DataError, PolyheadError, few
from polyhead.run import Run, write_text
from polyhead.workflows.evaluate import score_split
from polyhead.workflows.predict import load

if TYPE_CHECKING:
    from polyhead.workflows.predict import Predictor

PREFERRED = ("test", "val", "train")
"""Splits of a folder, in the order in which one is chosen to measure on."""


def evaluate_on(
    run: Run,
    data: str | Path,
    tasks: Sequence[str] | None = None,
    reader: str | None = None,
    show: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Score a task of a run on the data of a folder, into a new folder below the run's ``evaluations``.

    Where the folder has several splits, its test split is used, or else its val split. Classes are matched by name
    (:class:`polyhead.data.readers.matched.Matched`). The run's own results are not changed.

    Args:
        run: the run.
        data: the folder.
        tasks: the name of the task, if the run has several of the kind of the data.
        reader: the data format, if the folder has several.
        show: receives the lines to print.

    Returns:
        What :func:`polyhead.workflows.evaluate.score_split` returns.

    Raises:
        DataError: with every problem of the data.
        PolyheadError: if the run has no task of this kind or several, or no class has the same name.
    """
    predictor = load(run.folder)
    layout = _layout(predictor, data, reader)
    split = next(each for each in PREFERRED if each in layout.splits)
    found = layout.splits[split]
    name = _task(predictor, found.kind, tasks)
    if problems := check(found):
        raise DataError(str(data), problems)
    kind = predictor.kinds[name]
    matched = Matched(found, predictor.names[name], kind)
    chosen = "all" if len(layout.splits) == 1 else f"the {split} split"
    show(f"{data}: {layout.reader} format, {chosen} ({len(matched)} images) for task {name}")
    for note in dict.fromkeys([*layout.notes, *matched.notes, *_trained_on(run, name, matched)]):
        show(f"  {note}")
    inner = Run.create(run.folder / "evaluations", re.sub(r"\W+", "_", Path(data).resolve().name).strip("_") or "data")
    inner.update_manifest(
        data=str(Path(data).absolute()),
        split=split,
        notes=[*matched.notes],
        kinds={name: kind.name},
        precision=run.read_manifest().get("precision"),
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


def _trained_on(run: Run, task: str, reader: Reader) -> list[str]:
    """Return a warning if images of a reader have the names of training images of a task."""
    trained = set(run.read_manifest().get("splits", {}).get(task, {}).get("train", ()))
    count = sum(reader.entry(index).id in trained for index in range(len(reader)))
    if not count:
        return []
    what = f"{count} of these {len(reader)} images have the names of images that the run was trained on"
    return [f"warning: {what}; if they are the same images, the score below is too high"]


def _layout(predictor: "Predictor", data: str | Path, reader: str | None) -> DatasetLayout:
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


def _task(predictor: "Predictor", kind: str, tasks: Sequence[str] | None) -> str:
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
