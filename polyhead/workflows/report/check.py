"""Check a report before it is handed in: the notebook, its questions, and that its numbers are those of the run."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyhead.analysis.report.files import tasks_of
from polyhead.analysis.report.questions import open_questions
from polyhead.errors import PolyheadError, one_line
from polyhead.run import Run
from polyhead.workflows.report.cells import SECTIONS, Sources, heading_id, sections
from polyhead.workflows.report.claims import false_claims, false_studies
from polyhead.workflows.report.execute import check_packages, execute
from polyhead.workflows.report.html import html
from polyhead.workflows.report.merge import answer_of, asked_by, is_unchanged, type_of
from polyhead.workflows.report.notebook_file import read_notebook

if TYPE_CHECKING:
    from nbformat import NotebookNode

TEXTS = ("text/plain", "text/markdown", "text/html")
"""Outputs that are compared; images are drawn from the same files."""
AGAIN = "Run the command that wrote the notebook again; your answers and cells stay."
_SCRATCH = re.compile(r"\b(TODO|FIXME|XXX)\b|^\s*(%debug|breakpoint\(\)|import pdb)", re.MULTILINE)
_RUN = re.compile(r"polyhead\.Run\.open\((['\"])(.+?)\1\)")
_STUDY = re.compile(r"report\.study\((['\"])(.+?)\1\)")


def check_report(path: str | Path) -> list[str]:
    """Return what must be corrected before a report is handed in; empty if nothing.

    Its code that shows the run is run again, and what it shows is compared with what the notebook shows. The run is
    checked, too (:mod:`polyhead.workflows.report.claims`). Nothing is changed.

    Args:
        path: a run folder with a report, or a notebook that Polyhead has written.

    Raises:
        PolyheadError: if there is no report, a file of the run is damaged, or a package is missing.
    """
    check_packages()
    file = _file_of(path)
    notebook = read_notebook(file)
    if notebook is None:
        raise PolyheadError(f"there is no {file}. Write it with 'polyhead report', or with 'polyhead notebook'.")
    run = _run_of(notebook, file)
    found = [*false_claims(run)]
    for cell in notebook.cells:
        if type_of(cell) == "show" and (study := _STUDY.search(cell.source)):
            found += false_studies(file.parent / study[2])
    found += [*_form(notebook), *_sections(notebook), *_missing(notebook, run)]
    found += [f"not answered: {question}" for question in unanswered(notebook)]
    found += [*_outputs(notebook, file.parent), *_page(notebook, file)]
    return [one_line(each) for each in found]


def unanswered(notebook: "NotebookNode") -> list[str]:
    """Return the questions of a notebook that are not answered; a cell that is empty answers none."""
    found = []
    for cell in notebook.cells:
        if type_of(cell) == "question":
            found += [] if answer_of(cell) else [asked_by(cell)]
        elif cell.cell_type == "markdown":
            found += open_questions(cell.source)
    return found


def unchecked(path: str | Path) -> tuple[int, int]:
    """Return how many answers and how many cells of people a report has, which :func:`check_report` does not judge."""
    notebook = read_notebook(_file_of(path))
    cells = [] if notebook is None else notebook.cells
    answers = sum(type_of(cell) == "question" and bool(answer_of(cell)) for cell in cells)
    return answers, sum(type_of(cell) is None for cell in cells)


def _file_of(path: str | Path) -> Path:
    """Return the notebook that a path means: itself, or that of a run."""
    return Path(path) if Path(path).suffix == ".ipynb" else Run.open(path).folder / "report.ipynb"


def _run_of(notebook: "NotebookNode", file: Path) -> Run:
    """Return the run that a notebook is about.

    Raises:
        PolyheadError: if it does not say so.
    """
    for cell in notebook.cells:
        if cell.id == "open" and (opened := _RUN.search(cell.source)):
            return Run.open(file.parent / opened[2])
    if any(type_of(cell) for cell in notebook.cells):
        raise PolyheadError(f"{file}: the cell that opens the run is missing. {AGAIN}")
    raise PolyheadError(f"{file} was not written by Polyhead: no cell opens a run. Write it with 'polyhead report'.")


def _form(notebook: "NotebookNode") -> Iterator[str]:
    """Yield what shows that the notebook was not run from top to bottom, and code that was left behind."""
    counts = []
    for place, cell in enumerate(notebook.cells, 1):
        if cell.cell_type != "code":
            continue
        if not cell.source.strip():
            yield f"cell {place} is an empty code cell. Remove it."
            continue
        counts.append(cell.execution_count)
        if any(output.output_type == "error" for output in cell.outputs):
            yield f"cell {place} shows an error."
        if scratch := _SCRATCH.search(cell.source):
            yield f"cell {place} has scratch code ({scratch[0].strip()!r}). Remove it."
        elif all(line.strip().startswith("#") or not line.strip() for line in cell.source.splitlines()):
            yield f"cell {place} has nothing but comments. Remove it, or make it a text."
        if type_of(cell) == "show" and not is_unchanged(cell):
            yield f"cell {place} ({cell.id}) was changed, so it may show something else than the report claims."
    if counts != list(range(1, len(counts) + 1)):
        yield "the code cells were not run once each, from top to bottom. Restart the kernel and run all cells."


def _sections(notebook: "NotebookNode") -> Iterator[str]:
    """Yield sections that are missing or show nothing."""
    ids = [cell.id for cell in notebook.cells]
    headings = list(map(heading_id, SECTIONS))
    for title, heading in zip(SECTIONS, headings, strict=True):
        if heading not in ids:
            yield f"section {title} is missing."
            continue
        rest = notebook.cells[ids.index(heading) + 1 :]
        ends = (place for place, cell in enumerate(rest) if cell.id in headings)
        if not any(cell.cell_type == "code" and cell.outputs for cell in rest[: next(ends, len(rest))]):
            yield f"section {title} shows no result."
    present = [each for each in ids if each in headings]
    if present != [each for each in headings if each in present]:
        yield f"the sections are not in the order {', '.join(SECTIONS)}."


def _missing(notebook: "NotebookNode", run: Run) -> Iterator[str]:
    """Yield cells of the report that were removed."""
    ids = {cell.id for cell in notebook.cells}
    for cell in sections(Sources(dict.fromkeys(tasks_of(run), ()))):
        if cell.type == "show" and cell.name not in ids:
            yield f"the cell with {cell.source!r} is missing. {AGAIN}"


def _outputs(notebook: "NotebookNode", folder: Path) -> Iterator[str]:
    """Yield the cells that show something else than the files of the run give now."""
    again = copy.deepcopy(notebook)
    again.cells = [cell for cell in again.cells if type_of(cell) == "show" and is_unchanged(cell)]
    before = {cell.id: _texts(cell) for cell in again.cells}
    for cell in again.cells:
        cell.outputs = []
    try:
        execute(again, folder.resolve())
    except PolyheadError as error:
        yield f"the code of the report cannot be run again: {error}"
        return
    for cell in again.cells:
        if _texts(cell) != before[cell.id]:
            yield f"the output of {cell.source.splitlines()[-1]!r} is not what the files of the run give. {AGAIN}"


def _texts(cell: "NotebookNode") -> list[list[Any]]:
    """Return the texts that a cell shows."""
    return [[output.get("text", ""), *(output.get("data", {}).get(mime) for mime in TEXTS)] for output in cell.outputs]


def _page(notebook: "NotebookNode", file: Path) -> Iterator[str]:
    """Yield that the page beside a notebook is missing, or another one."""
    page = file.with_suffix(".html")
    if not page.is_file():
        yield f"{page.name} is missing. {AGAIN}"
    elif page.read_text(encoding="utf-8") != html(notebook, file.parent):
        yield f"{page.name} is not the page of {file.name} as it is now. {AGAIN}"
