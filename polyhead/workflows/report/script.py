"""Write one notebook that is both the script that trains a recipe and the report on it."""

import json
import pprint
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from polyhead.config.factors import Factor
from polyhead.errors import PolyheadError
from polyhead.run import write_text
from polyhead.workflows.card.questions import QUESTIONS
from polyhead.workflows.preflight import resolved
from polyhead.workflows.report.cells import AUTHORS, Cell, Sources, opening, sections
from polyhead.workflows.report.check import unanswered
from polyhead.workflows.report.execute import check_packages, execute
from polyhead.workflows.report.html import html
from polyhead.workflows.report.merge import merge
from polyhead.workflows.report.notebook_file import read_notebook, write_notebook

SECONDS = 24 * 3600.0
"""Time limit of a cell by default: one of them trains."""
_INSTALL = """\
# Use the Polyhead that is installed, or else the wheel beside this notebook.
from importlib.util import find_spec
from pathlib import Path

if find_spec("polyhead") is None:
    wheels = sorted(Path().glob("polyhead-*.whl"))
    assert wheels, "Put the wheel of Polyhead beside this notebook, or install Polyhead with pip."
    %pip install --quiet "{wheels[-1]}[report]\""""
_TRAIN = """\
import polyhead

run = polyhead.train_or_resume(recipe)  # checks the data, trains, and tests the best weights once
assert run.best.is_file()"""
_ANALYZE = """\
polyhead.analyze_errors(run)
polyhead.find_mistakes(run, most=1)"""


class Notebook(NamedTuple):
    """A notebook.

    Attributes:
        path: the file.
        html: its page; None if it was not run.
        questions: the questions that are not answered.
    """

    path: Path
    html: Path | None
    questions: list[str]


def notebook(
    source: str | Path,
    changes: Sequence[str] = (),
    out: str | Path | None = None,
    *,
    vary: Sequence[Factor] = (),
    seeds: int = 3,
    run: bool = False,
    seconds: float = SECONDS,
    show: Callable[[str], None] = print,
) -> Notebook:
    """Write a notebook that trains a recipe and is the report on it.

    Run it from top to bottom; run again, it resumes an interrupted training. Answers to the questions of an earlier
    version of the file and cells that people have added to it stay.

    Args:
        source: path or name of the recipe.
        changes: overrides ``key=value``.
        out: the file; ``NAME.ipynb`` if None.
        vary: settings of an ablation study, which the notebook trains, too.
        seeds: how many seeds each variation of it is trained with.
        run: whether to run the notebook here, and to write its page beside it.
        seconds: time limit of a cell.
        show: receives the lines to print.

    Raises:
        PolyheadError: if the recipe is wrong, a package is missing, or a cell fails.
    """
    check_packages()
    config = resolved(source, changes)
    path = Path(out) if out is not None else Path(f"{config['name']}.ipynb")
    if path.suffix != ".ipynb":
        raise PolyheadError(f"{str(path)!r}: expected the name of a notebook, which ends in .ipynb. Correct --out.")
    content, notes = merge(str(config["name"]), list(_cells(config, vary, seeds)), read_notebook(path))
    for note in notes:
        show(f"{path}: {note}")
    write_notebook(content, path)
    if not run:
        return Notebook(path, None, unanswered(content))
    execute(content, path.resolve().parent, seconds)
    write_notebook(content, path)
    page = path.with_suffix(".html")
    write_text(page, html(content, path.parent))
    return Notebook(path, page, unanswered(content))


def _cells(config: Mapping[str, Any], vary: Sequence[Factor], seeds: int) -> list[Cell]:
    """Return the cells for a resolved recipe."""
    name, folder = config["name"], (Path(config["runs"]) / str(config["name"])).as_posix()
    rest = {key: value for key, value in config.items() if key not in ("data", "model", "stages")}
    cells = [
        Cell("title", "text", f"# {name}\n\nThis notebook trains a model, and is the report on it."),
        AUTHORS,
        Cell("install", "work", _INSTALL),
        Cell("heading-data", "text", "## Data, model and training\n\nAll settings are here; change them here only."),
        _assigned("data", config["data"]),
        _assigned("model", config["model"]),
        _assigned("stages", config["stages"]),
        Cell(
            "recipe",
            "work",
            f'recipe = {{\n    "data": data,\n    "model": model,\n    "stages": stages,\n{_entries(rest)}}}',
        ),
        Cell("train", "work", _TRAIN),
        Cell("analyze", "work", _ANALYZE),
    ]
    studies = []
    if vary:
        studies = [repr(f"{Path(config['runs']).as_posix()}/{name}_ablation")]
        cells.append(Cell("ablation", "work", _ablation(config, vary, seeds)))
    sources = Sources({task: list(QUESTIONS.values()) for task in config["data"]}, studies=studies)
    return [*cells, opening(folder), *sections(sources)]


def _assigned(name: str, value: Any) -> Cell:
    """Return the cell of a part of the recipe."""
    return Cell(name, "work", f"{name} = {pprint.pformat(value, width=100, sort_dicts=False)}")


def _entries(settings: Mapping[str, Any]) -> str:
    """Return settings as lines of a mapping in Python."""
    return "".join(f"    {json.dumps(key)}: {value!r},\n" for key, value in settings.items())


def _ablation(config: Mapping[str, Any], vary: Sequence[Factor], seeds: int) -> str:
    """Return the code of an ablation study."""
    factors = {factor.key: factor.values for factor in vary}
    name = str(config["name"])
    return (
        f"import yaml\n\nPath({name + '.yaml'!r}).write_text(yaml.safe_dump(recipe, sort_keys=False))\n"
        f"polyhead.ablate({name + '.yaml'!r}, {factors!r}, seeds={seeds}, name={name + '_ablation'!r})"
    )
