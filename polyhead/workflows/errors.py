"""The error analysis of a run: confusions, what errors cost, slices that are worse than the rest, robustness."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from polyhead.analysis.errors.analyze import analyze, plot
from polyhead.analysis.errors.report import markdown, plain_analysis
from polyhead.analysis.stored_predictions import read_predictions
from polyhead.contracts.kind import Tested
from polyhead.data.loading.source import TaskData
from polyhead.errors import PolyheadError, Problem, few
from polyhead.run import Run, plain, read_json, write_json, write_text
from polyhead.workflows.new_folder import replaced
from polyhead.workflows.robustness import robustness
from polyhead.workflows.split import open_run, samples

ERRORS, TABLE, TEXT = "errors", "errors.json", "errors.md"
"""The folder of a run that has the analysis, and the files in it with all figures and with tables."""


class ErrorAnalysis(NamedTuple):
    """The error analysis of a run.

    Attributes:
        folder: where it is: ``errors.json``, ``errors.md`` and the plots.
        split: the split.
        tasks: the entry of each head in ``errors.json``, which ``docs/evaluate.md`` explains.
    """

    folder: Path
    split: str
    tasks: dict[str, dict[str, Any]]


def analyze_errors(
    run: Run | str | Path,
    split: str = "test",
    task: str | None = None,
    *,
    robust: bool = False,
    show: Callable[[str], None] = print,
) -> ErrorAnalysis:
    """Analyze the errors in the stored predictions of a run, and write the folder ``errors`` of the run.

    The same call writes the same files. An earlier analysis is replaced at the end.

    Args:
        run: a run of a recipe, or its folder.
        split: ``test`` or ``val``.
        task: the head; None for all.
        robust: whether to predict changed inputs, too, to measure robustness, which takes most of the time.
        show: receives lines about what is left out.

    Raises:
        PolyheadError: if the run, its data, a head or its stored predictions do not exist, or no head can be analyzed.

    Examples:
        >>> found = polyhead.analyze_errors("runs/small", task="fruit", show=lambda line: None)
        >>> [*found.tasks["fruit"]["wrong"]]
        ['objects not found', 'wrong boxes']
    """
    if split not in ("val", "test"):
        raise PolyheadError(f"split must be 'test' or 'val', got {split!r}")
    run = run if isinstance(run, Run) else Run.open(run)
    run.require_recipe("Its scores are in results.json, its plots in plots/.")
    tests = read_predictions(str(run.folder), split, task)
    folder = run.folder / ERRORS
    found: dict[str, dict[str, Any]] = {}
    plots: list[str] = []
    with replaced(folder, _files(folder)) as new:
        predictor, tasks = open_run(run, show)
        for tested in tests:
            kind, name = tested.kind, tested.task
            if not kind.finds_errors:
                show(f"{name}: {kind.title} has no error analysis: its kind does not say what is wrong")
                continue
            unread: list[Problem] = []
            analysis = analyze(tested, _facts(tasks[name], split, tested, unread))
            for problem in unread:
                show(f"not read: {problem}")
            subject = f"{run.name}: {name}, {split}, n = {len(tested.ids)}"
            plots += [path.name for path in plot(analysis, subject, new / name)]
            rows = robustness(predictor.model, tasks[name], split, run.precision) if robust else []
            found[name] = plain(
                {
                    "images": len(tested.ids),
                    "unread": [str(problem) for problem in unread],
                    "metric": kind.main.title,
                    **plain_analysis(analysis),
                    "robustness": [row._asdict() for row in rows],
                }
            )
        if not found:
            raise PolyheadError(f"no head has an error analysis ({few([each.task for each in tests])}).")
        content = {"split": split, "plots": plots, "tasks": found}
        write_json(new / TABLE, content)
        write_text(new / TEXT, markdown(run.name, content))
    return ErrorAnalysis(folder, split, found)


def _files(folder: Path) -> list[str]:
    """Return the names of the files of an earlier analysis in a folder; none without its table."""
    return [TABLE, TEXT, *map(str, read_json(folder / TABLE).get("plots", ()))]


def _facts(task: TaskData, split: str, tested: Tested, unread: list[Problem]) -> dict[str, Float[np.ndarray, " n"]]:
    """Return the facts of the inputs of a test; NaN for those that cannot be read.

    Args:
        task: the data.
        split: the split.
        tested: the test.
        unread: the problem of each input that cannot be read is appended.
    """
    place = {sample_id: index for index, sample_id in enumerate(tested.ids)}
    table: dict[str, Float[np.ndarray, " n"]] = {}
    for _, sample in samples(task, split, unread):
        facts = task.modality.facts(sample.input)
        if not facts:
            break
        for name, value in facts.items() if sample.meta.id in place else ():
            table.setdefault(name, np.full(len(place), np.nan))[place[sample.meta.id]] = value
    return table
