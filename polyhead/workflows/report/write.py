"""Write the report of a run: a notebook that was run from top to bottom, and one HTML file."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from polyhead.analysis.report.card import card_questions
from polyhead.analysis.report.files import split_of, tasks_of
from polyhead.analysis.report.findings import ERRORS, MISTAKES
from polyhead.config.names import check_links
from polyhead.errors import PolyheadError
from polyhead.run import Run, read_json, write_text
from polyhead.workflows.report.cells import AUTHORS, Cell, Sources, opening, sections
from polyhead.workflows.report.check import unanswered
from polyhead.workflows.report.execute import SECONDS, check_packages, execute
from polyhead.workflows.report.html import html
from polyhead.workflows.report.merge import merge
from polyhead.workflows.report.notebook_file import read_notebook, write_notebook

NOTEBOOK, PAGE = "report.ipynb", "report.html"


class Report(NamedTuple):
    """A report.

    Attributes:
        notebook: the notebook.
        html: the page.
        questions: the questions that are not answered.
    """

    notebook: Path
    html: Path
    questions: list[str]


def write_report(
    run: Run | str | Path,
    *others: Run | str | Path,
    studies: Sequence[str | Path] = (),
    links: Mapping[str, str] | None = None,
    seconds: float = SECONDS,
    show: Callable[[str], None] = print,
) -> Report:
    """Write the report of a run into its folder, as ``report.ipynb`` and ``report.html``.

    The error analysis and the gallery of mistakes are made first, where the run has none. Answers to the questions of
    an earlier report and cells that people have added to it stay.

    Args:
        run: the run that the report is about, or its folder.
        others: further runs that were tested on the same images, with which it is compared.
        studies: folders of studies whose tables are shown; the study that the run is a part of is among them.
        links: addresses by title, such as ``app``, ``code``, ``notebook``, which are stored in the run.
        seconds: time limit of a cell.
        show: receives the lines to print.

    Raises:
        PolyheadError: if the run was not evaluated, a package is missing, or a cell fails.
    """
    check_packages()
    run, *rest = (each if isinstance(each, Run) else Run.open(each) for each in (run, *others))
    for each in (run, *rest):
        split_of(each)
    if len({each.folder.resolve() for each in (run, *rest)}) <= len(rest):
        raise PolyheadError("a run is given twice. Give each run once: the first is reported, the others are compared.")
    if links:
        check_links(links)
        run.update_manifest(links={**run.read_manifest().get("links", {}), **links})
    path = run.folder / NOTEBOOK
    old = read_notebook(path)
    folders = _studies(run, studies)
    _analyze(run, show)
    notebook, notes = merge(run.name, _cells(run, rest, folders), old)
    for note in notes:
        show(f"{NOTEBOOK}: {note}")
    execute(notebook, run.folder.resolve(), seconds)
    write_notebook(notebook, path)
    write_text(run.folder / PAGE, html(notebook, run.folder))
    return Report(path, run.folder / PAGE, unanswered(notebook))


def _cells(run: Run, others: Sequence[Run], studies: Sequence[Path]) -> list[Cell]:
    """Return the cells of the report on a finished run."""
    sources = Sources(
        {task: card_questions(run, task) for task in tasks_of(run)},
        [f"polyhead.Run.open({_from(run, each.folder)!r})" for each in others],
        [repr(_from(run, folder)) for folder in studies],
    )
    title = Cell("title", "text", f"# {run.name}\n\nA report on one training, its data and its model.")
    return [title, AUTHORS, opening("."), *sections(sources)]


def _from(run: Run, folder: Path) -> str:
    """Return the path of a folder as seen from that of a run."""
    return Path(os.path.relpath(folder.resolve(), run.folder.resolve())).as_posix()


def _studies(run: Run, given: Sequence[str | Path]) -> list[Path]:
    """Return the folders of studies, with that which the run is a part of.

    Raises:
        PolyheadError: if a folder has no tables.
    """
    beside = run.folder.resolve().parent
    folders = list(map(Path, given))
    for folder in folders:
        if not (folder / "table.json").is_file():
            raise PolyheadError(f"{str(folder)!r} has no table.json, so it is not the folder of a finished study.")
    if (beside / "table.json").is_file() and beside not in [folder.resolve() for folder in folders]:
        folders.append(beside)
    return folders


def _analyze(run: Run, show: Callable[[str], None]) -> None:
    """Analyze the errors of a run and draw its worst mistakes, unless that was done since its predictions were made."""
    if not run.config.is_file():
        show("This run has no recipe (polyhead.fit), so the report has no error analysis and no mistakes.")
        return
    from polyhead.kinds import kind_of
    from polyhead.workflows.errors import analyze_errors
    from polyhead.workflows.mistakes import find_mistakes

    split, kinds = split_of(run), [kind_of(numbers["kind"]) for numbers in tasks_of(run).values()]
    if any(kind.finds_errors for kind in kinds) and not _is_current(run, run.folder / ERRORS / "errors.json", split):
        analyze_errors(run, split, show=show)
    if any(kind.finds_mistakes for kind in kinds) and not _is_current(
        run, run.folder / MISTAKES / "mistakes.json", split
    ):
        find_mistakes(run, split=split, most=1, show=show)


def _is_current(run: Run, table: Path, split: str) -> bool:
    """Return whether a table is about a split, and not older than the predictions for it."""
    if not table.is_file() or read_json(table).get("split") != split:
        return False
    predictions = run.predictions.glob(f"{split}.*.npz")
    return all(path.stat().st_mtime_ns <= table.stat().st_mtime_ns for path in predictions)
