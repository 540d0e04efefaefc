"""Find a learning rate for a recipe: a few steps with a rate that grows, a plot, and a suggestion."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from polyhead.engine.foreign import restore_norms
from polyhead.engine.lr_find import LrSearch, find_lr
from polyhead.errors import PolyheadError
from polyhead.nets.precision import resolve, standard_defaults
from polyhead.plotting.lines import lr_search
from polyhead.run import write_text
from polyhead.workflows.preflight import build, prepare, resolved

STEPS = 100
"""Steps of a search."""


class LrSuggestion(NamedTuple):
    """The result of a search, and the files that show it: a plot and a table of losses."""

    search: LrSearch
    plot: Path
    table: Path


@standard_defaults()
def lr_find(
    source: str | Path | Mapping[str, Any],
    changes: Sequence[str] = (),
    *,
    steps: int = STEPS,
    show: Callable[[str], None] = print,
) -> LrSuggestion:
    """Find a learning rate for the first stage of a recipe; nothing of the training is saved.

    Args:
        source: path or name of a recipe, or its content as a mapping.
        changes: overrides ``key=value``.
        steps: steps of the search.
        show: receives the lines to print.

    Raises:
        PolyheadError: if the recipe or its data cannot be used, or the loss diverges at once.
    """
    parts, tasks, _ = prepare(build(resolved(source, changes)))
    stage, settings = parts.stages[0], parts.settings
    trained = {name: task for name, task in tasks.items() if stage.tasks is None or name in stage.tasks}
    restore_norms(parts.model, trained, settings.seed)
    show(f"training up to {steps} steps of {', '.join(trained)} with a learning rate that grows")
    search = find_lr(parts.model, tasks, stage, seed=settings.seed, precision=resolve(settings.precision), steps=steps)
    if not search.losses:
        raise PolyheadError("the loss is not finite in the first step. Check the data with 'polyhead data check'.")
    folder = Path(settings.runs)
    folder.mkdir(parents=True, exist_ok=True)
    plot = lr_search(
        search.lrs, search.losses, search.smoothed, search.suggested, folder / f"{settings.name}.lr_find.png"
    )
    table = plot.with_suffix(".csv")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [("lr", "loss", "smoothed"), *zip(search.lrs, search.losses, search.smoothed, strict=True)]
    )
    write_text(table, text.getvalue())
    for line in report(search, len(parts.stages)):
        show(line)
    show(f"wrote {plot} and {table.name}")
    return LrSuggestion(search, plot, table)


def report(search: LrSearch, stages: int) -> list[str]:
    """Return the lines that describe the result.

    Args:
        search: the result.
        stages: number of stages of the recipe.
    """
    key = "lr" if stages == 1 else "stages.0.lr"
    if search.suggested is None:
        steps = len(search.losses)
        return [
            f"no suggestion: in {steps} steps the loss does not fall by more than its noise at any learning rate",
            "weights that know the task already need a small one, such as 0.0001",
        ]
    return [
        f"the smoothed loss is lowest at a learning rate of {search.lowest:.1e}",
        f"suggestion, a tenth of it: {key}={search.suggested:.1e}",
    ]
