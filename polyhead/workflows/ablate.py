"""``ablate``: vary settings of a recipe one at a time, or search for the best ones, as a study that can be resumed."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from polyhead.config import files, recipe
from polyhead.config.factors import Factor, combinations, factors, one_at_a_time, title
from polyhead.config.overrides import listed
from polyhead.data.io.files import is_folder_name
from polyhead.data.io.yaml_files import load_yaml
from polyhead.errors import PolyheadError
from polyhead.run import write_text
from polyhead.workflows.budget import Budget
from polyhead.workflows.search import Searched, check_search, find_best
from polyhead.workflows.study import RESERVED, check_metric, load, plan
from polyhead.workflows.study_runs import train_missing
from polyhead.workflows.study_table import Tables, tables_of, write_tables

if TYPE_CHECKING:
    from pandas import DataFrame

BASE, SHORT = "base", "short"
"""Names of the rows of the recipe itself, and of the baseline."""
SHORT_FRACTION = 0.1
"""Epochs of the baseline, as a fraction of those of the recipe; at least one in each stage."""
ADVICE = "A setting that is picked by these test scores scores lower on new data; --search picks it on val."


class Ablated(NamedTuple):
    """The result of an ablation.

    Attributes:
        folder: of the study: its tables, plots and runs.
        file: the study file, which ``polyhead study`` runs as well.
        tables: the rows of each table.
        text: the tables as text.
    """

    folder: Path
    file: Path
    tables: Tables
    text: str


def ablate(
    source: str | Path,
    vary: Sequence[str] | Mapping[str, Any],
    changes: Sequence[str] = (),
    **settings: Any,
) -> "DataFrame":
    """Vary settings of a recipe, train each variation with several seeds, and return the table as a DataFrame.

    Args:
        source: path or name of the recipe.
        vary: the values of each setting, ``{"lr": [0.001, 0.0001]}``, or as on the command line.
        changes: overrides ``key=value`` of every run.
        settings: those of :func:`run`, such as ``seeds=3``, ``jobs=2`` or ``search=20``.

    Returns:
        The columns of :func:`polyhead.analysis.table_files.frame`; for several tasks ``task`` is another column.

    Raises:
        PolyheadError: as :func:`run`.

    Examples:
        >>> small = ["imgsz=64", "data.*.count=8", "data.*.val.count=4", "data.*.test.count=4", "workers=0"]
        >>> table = polyhead.ablate(
        ...     "demo", {"lr": [0.001]}, ["epochs=1", "data.signs=null", *small], seeds=1, show=lambda line: None
        ... )
        >>> list(table["run"])
        ['base', 'lr=0.001']
    """
    from polyhead.analysis.table_files import frame

    tables = run(source, factors(vary), listed(changes), **settings).tables
    frames = {task: frame(rows) for task, rows in tables.items()}
    if list(frames) == [""]:
        return frames[""]
    import pandas as pd  # pylint: disable=import-outside-toplevel  # takes long, and few commands need it

    return pd.concat([table.assign(task=task) for task, table in frames.items()], ignore_index=True)


def run(
    source: str | Path,
    varied: Sequence[Factor],
    changes: Sequence[str] = (),
    *,
    seeds: int = 3,
    grid: bool = False,
    search: int | None = None,
    jobs: int = 1,
    minutes: float | None = None,
    metric: str | None = None,
    name: str | None = None,
    runs: str | Path = "runs",
    show: Callable[[str], None] = print,
) -> Ablated:
    """Write a study of the variations of a recipe, train it, and write its tables.

    Rows are the baseline ``short`` (the recipe with a tenth of its epochs), the recipe itself (``base``, to which
    differences are), and each variation; after a search only the setting that was best on val.

    Args:
        source: path or name of the recipe.
        varied: the factors.
        changes: overrides ``key=value`` of every run.
        seeds: how many seeds each variation is trained with: 0, 1, 2...
        grid: whether all combinations of the values are variations, instead of one factor at a time.
        search: settings that a search tries; None for no search.
        jobs: how many runs of the study are trained at once.
        minutes: time in which runs are started.
        metric: metric of the differences.
        name: name of the study; that of the recipe with ``_ablation`` or ``_search`` if None.
        runs: the parent of the study's folder.
        show: receives the lines to print.

    Raises:
        PolyheadError: when a setting is not valid, a study of this name has other contents, or the time is used up.
    """
    budget = Budget(minutes)
    if seeds < 1:
        raise PolyheadError(f"--seeds: expected a whole number of 1 or more, got {seeds}")
    if metric is not None:
        check_metric("--metric", metric)
    for factor in varied:
        if factor.key in RESERVED:
            raise PolyheadError(f"--vary {factor}: {factor.key!r} cannot be varied; the study sets it for each run")
    if search is None:
        _check_listed(varied)
    else:
        check_search(varied, search, grid)
    path = recipe.find(source)
    name = name or f"{path.stem}_{'ablation' if search is None else 'search'}"
    if not is_folder_name(name):
        raise PolyheadError(f"--name: expected a name for a folder, got {name!r}")
    base = recipe.load(source, changes, must_exist=True)
    folder, file = Path(runs) / name, Path(runs) / f"{name}.yaml"
    content = _head(source, path, changes, seeds, base, metric)
    if search is None:
        tried = combinations(varied) if grid else one_at_a_time(varied)
        settings = _different(source, changes, tried, base, show)
        content["note"] = ADVICE
    else:
        found = find_best(source, changes, varied, search, folder, file, show, budget)
        settings = _different(source, changes, [found.settings], base, show, found)
        content["note"] = found.note
    content["variations"] |= {title(each): {"changes": each} for each in settings}
    _write(file, content)
    loaded = load(file)
    planned = plan(loaded, runs=runs)
    train_missing(planned, show, jobs, budget)
    tables = tables_of(loaded, planned, metric)
    return Ablated(folder, file, tables, write_tables(loaded, planned, tables, folder))


def _check_listed(varied: Sequence[Factor]) -> None:
    """Check that each factor lists its values.

    Raises:
        PolyheadError: for a range, which only a search can use.
    """
    for factor in varied:
        if factor.bounds is not None:
            raise PolyheadError(f"--vary {factor}: a range needs a search. Add --search TRIALS, or list its values.")


def _head(
    source: str | Path, path: Path, changes: Sequence[str], seeds: int, base: Mapping[str, Any], metric: str | None
) -> dict[str, Any]:
    """Return the content of the study file, with the rows ``short`` and ``base``."""
    variations: dict[str, Any] = {}
    epochs = [stage["epochs"] for stage in base["stages"]]
    fewer = [max(1, round(SHORT_FRACTION * count)) for count in epochs]
    if fewer != epochs:
        variations[SHORT] = {"changes": [f"stages.{number}.epochs={count}" for number, count in enumerate(fewer)]}
    variations[BASE] = {}
    content: dict[str, Any] = {
        "base": str(path.absolute()) if Path(source).is_file() else str(source),
        "changes": list(changes),
    }
    content |= {"variations": variations, "reference": BASE, "seeds": list(range(seeds))}
    if len(base["data"]) > 1:
        content["tables"] = "tasks"  # tasks of different kinds could not be pooled
    return content | ({} if metric is None else {"metric": metric})


def _different(
    source: str | Path,
    changes: Sequence[str],
    tried: Sequence[list[str]],
    base: Mapping[str, Any],
    show: Callable[[str], None],
    found: Searched | None = None,
) -> list[list[str]]:
    """Leave out the settings that are those of the base, and name them.

    Raises:
        PolyheadError: when a setting is not valid, or no variation is left, except after a search.
    """
    left = []
    for settings in tried:
        config = recipe.load(source, [*changes, *settings])
        if files.same(config, base, ()):
            show(f"{' '.join(settings)}: these are the settings of the base, so it is not a variation")
        else:
            left.append(settings)
    if not left and found is None:
        raise PolyheadError(
            f"--vary: nothing differs from the recipe: {', '.join(' '.join(each) for each in tried)} "
            f"{'is' if len(tried) == 1 else 'are'} what it has already. Give other values."
        )
    return left


def _write(file: Path, content: Mapping[str, Any]) -> None:
    """Write the study file, unless it has this content already.

    Raises:
        PolyheadError: when it has another one.
    """
    if file.is_file():
        given = load_yaml(file)
        given = given if isinstance(given, dict) else {}
        changed = [key for key in {**content, **given} if given.get(key) != content.get(key)]
        if changed:
            raise PolyheadError(
                f"{file} describes another study (other {', '.join(changed)}). Give this one another name with --name, "
                "or delete the file: finished runs with the same settings are used again."
            )
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    command = f"# written by polyhead ablate; 'polyhead study {file}' trains it as well\n"
    write_text(file, command + yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=120))
