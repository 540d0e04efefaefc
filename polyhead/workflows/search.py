"""Search for the best settings of a recipe on val with Optuna; test is never read.

Each setting that is tried is a run in ``NAME/search``, stopped early where its val score lags behind. All trials are
stored in ``NAME/search.db`` (SQLite). A search that was killed goes on exactly where it stopped: what a trial tries
depends only on the seed, the number of the trial and the trials before it, and its training resumes like any other.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from polyhead import checkpoint
from polyhead.config import files, recipe
from polyhead.config.factors import Factor
from polyhead.engine.after_epoch import AfterEpoch
from polyhead.engine.learner import NotFiniteError
from polyhead.errors import PolyheadError, counted
from polyhead.nets.precision import standard_defaults
from polyhead.rng import derive_seed
from polyhead.run import Run, atomic_write
from polyhead.workflows.budget import Budget
from polyhead.workflows.preflight import build
from polyhead.workflows.scope import Scope
from polyhead.workflows.study_runs import remove_leftovers
from polyhead.workflows.train import resume_parts, train_parts

if TYPE_CHECKING:
    import optuna

SEED = 0
"""Seed of the search and of its runs."""
RANDOM_TRIALS = 5
"""First trials, which are drawn at random and are all trained to the end."""
WARMUP_FRACTION = 0.25
"""Fraction of the epochs before which no trial is stopped."""
DIGITS = 3
"""Significant digits of a value that is drawn from a range."""


class Searched(NamedTuple):
    """The result of a search.

    Attributes:
        settings: the overrides with the best val score.
        note: how they were found, for the table.
    """

    settings: list[str]
    note: str


class _PrunedError(Exception):
    """A trial that is stopped early."""


def check_search(varied: Sequence[Factor], trials: int, grid: bool) -> None:
    """Check the settings of a search.

    Raises:
        PolyheadError: for the first that is not valid.
    """
    if trials < 1:
        raise PolyheadError(f"--search: expected a whole number of 1 or more trials, got {trials}")
    if grid:
        raise PolyheadError("--grid trains all combinations, and --search draws some of them. Give one of the two.")
    for factor in varied:
        if factor.bounds is None and len(factor.values) < 2:
            raise PolyheadError(
                f"--vary {factor}: a search needs a range or several values. To set a value for all runs, write "
                f"{factor} without --vary."
            )


@standard_defaults()
def find_best(
    source: str | Path,
    changes: Sequence[str],
    varied: Sequence[Factor],
    trials: int,
    folder: Path,
    file: Path,
    show: Callable[[str], None],
    budget: Budget,
) -> Searched:
    """Try settings until there are enough trials, and return those with the best val score.

    Args:
        source: path or name of the recipe.
        changes: overrides ``key=value`` of every run.
        varied: what is searched.
        trials: how many settings are tried in all, those of earlier calls included.
        folder: the folder of the study.
        file: the study file, which exists once the search has ended.
        show: receives the lines to print.
        budget: the time in which trials may be started.

    Raises:
        PolyheadError: when Optuna is missing, the folder has another search, or the time is used up.
    """
    study = _open(source, changes, varied, folder)
    if file.is_file() and len(study.trials) != trials:
        raise PolyheadError(
            f"{file}: this search has ended after {counted(len(study.trials), 'trial')}, and its choice was tested. "
            f"More trials would choose after a look at test. Give --search {len(study.trials)}, or another --name."
        )
    for number in range(trials):
        if number == len(study.trials):
            if budget.is_used_up:
                raise budget.error([f"trials {number + 1} to {trials} of the search"])
            study.ask()
        if not study.trials[number].state.is_finished():
            _try(study, number, source, changes, varied, folder, show, trials)
    return _result(study, varied)


def _optuna() -> ModuleType:
    """Import Optuna.

    Raises:
        PolyheadError: when it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise PolyheadError("optuna is not installed. Install it with: pip install 'polyhead[sweep]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _open(source: str | Path, changes: Sequence[str], varied: Sequence[Factor], folder: Path) -> "optuna.Study":
    """Open the search in a folder, or create it.

    Raises:
        PolyheadError: when the search there has another recipe or other factors.
    """
    library = _optuna()
    base = recipe.load(source, changes)
    described = {"base": json.loads(json.dumps(base)), "vary": [str(factor) for factor in varied]}
    path = folder / "search.db"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as partial:
            storage = library.storages.RDBStorage(f"sqlite:///{partial}")
            created = library.create_study(study_name="search", storage=storage, direction="maximize")
            created.set_user_attr("described", described)
            storage.remove_session()
            storage.engine.dispose()
    warmup = int(WARMUP_FRACTION * sum(stage["epochs"] for stage in base["stages"]))
    pruner = library.pruners.MedianPruner(n_startup_trials=RANDOM_TRIALS, n_warmup_steps=warmup)
    where = f"sqlite:///{path}"
    study: "optuna.Study" = library.load_study(
        study_name="search", storage=where, sampler=_sampler(0, ""), pruner=pruner
    )
    begun = study.user_attrs["described"]
    changed = [key for key, value in described.items() if not files.same(begun.get(key), value, ())]
    if changed:
        names = " and ".join(
            {"base": "another recipe or other overrides", "vary": "another --vary"}[k] for k in changed
        )
        raise PolyheadError(
            f"{path}: this search was started with {names}. Give this one another name with --name, or delete "
            f"{str(folder)!r}."
        )
    return study


def _sampler(trial: int, key: str) -> "optuna.samplers.BaseSampler":
    """Return the sampler of one value: it has no history, so that a search can go on after a kill.

    Values are drawn one by one (not ``multivariate``), since a kill may come between two of them.
    """
    seed = derive_seed(SEED, "search", trial, key) % 2**32
    sampler: optuna.samplers.BaseSampler = _optuna().samplers.TPESampler(
        seed=seed, n_startup_trials=RANDOM_TRIALS, multivariate=False
    )
    return sampler


def _try(
    study: "optuna.Study",
    number: int,
    source: str | Path,
    changes: Sequence[str],
    varied: Sequence[Factor],
    folder: Path,
    show: Callable[[str], None],
    trials: int,
) -> None:
    """Train a trial, or what is left of one that was interrupted, and store its val score."""
    optuna = _optuna()
    frozen = study.trials[number]
    # Only a new trial can be asked for; this one may have been started by a process that was killed.
    trial = optuna.trial.Trial(study, frozen._trial_id)  # pylint: disable=protected-access  # see above
    settings = []
    for factor in varied:
        study.sampler = _sampler(number, factor.key)
        settings.append(f"{factor.key}={_suggest(trial, factor)}")
    name = f"trial{number + 1:03d}"
    show(f"trial {number + 1} of {trials}: {' '.join(settings)}")
    place = [f"seed={SEED}", f"name={name}", f"runs={json.dumps(str(folder / 'search'))}"]
    config = recipe.load(source, [*changes, *settings, *place], must_exist=True)
    run = Run(folder / "search" / name)
    remove_leftovers(run.folder)
    reported = set(frozen.intermediate_values)

    def report(epoch: int, score: float | None) -> None:
        """Store the best val score so far, and stop a trial that lags behind."""
        if score is not None and epoch not in reported:
            trial.report(score, epoch)
            reported.add(epoch)
        if score is not None and trial.should_prune():
            raise _PrunedError

    try:
        score = _train(config, run, report, show)
    except _PrunedError:
        show(f"trial {number + 1} is stopped early: its val score lags behind")
        study.tell(number, state=optuna.trial.TrialState.PRUNED)
    except NotFiniteError as error:
        show(f"trial {number + 1} has failed: {error}")
        study.tell(number, state=optuna.trial.TrialState.FAIL)
    else:
        study.tell(number, score)


def _train(
    config: dict[str, Any], run: Run, report: Callable[[int, float | None], None], show: Callable[[str], None]
) -> float | None:
    """Train a run without reading its test split, or resume it, and return the val score of the selected epoch."""
    scope = Scope(("val",), [AfterEpoch(report)])
    if "finished" not in run.read_manifest():
        if run.config.is_file():
            resume_parts(build(config), run, show, config, scope)
        else:
            train_parts(build(config), show, config, scope=scope)
    return checkpoint.load(run.best).score


def _suggest(trial: "optuna.Trial", factor: Factor) -> str:
    """Return the value of a factor in a trial; Optuna returns the same again for a trial that has one."""
    if factor.bounds is None:
        return str(trial.suggest_categorical(factor.key, factor.values))
    low, high, whole = factor.bounds
    if whole:
        return str(trial.suggest_int(factor.key, int(low), int(high), log=factor.bounds.is_log))
    return f"{trial.suggest_float(factor.key, low, high, log=factor.bounds.is_log):.{DIGITS}g}"


def _result(study: "optuna.Study", varied: Sequence[Factor]) -> Searched:
    """Return the settings with the best val score, the earliest of equal ones, and how they were found.

    Raises:
        PolyheadError: when no trial was trained to the end.
    """
    optuna = _optuna()
    states = [trial.state.name for trial in study.trials]
    complete, pruned, failed = map(states.count, ("COMPLETE", "PRUNED", "FAIL"))
    if not complete:
        raise PolyheadError(
            f"none of {counted(len(states), 'trial')} was trained to the end: no loss was finite. Narrow the ranges."
        )
    best = max(_complete(study), key=lambda trial: (trial.value or 0.0, -trial.number))
    settings = [f"{factor.key}={_suggest(optuna.trial.FixedTrial(best.params), factor)}" for factor in varied]
    counts = f"{complete} to the end, {pruned} stopped early" + (f", {failed} failed" if failed else "")
    return Searched(
        settings,
        f"{counted(len(states), 'setting')} were tried ({counts}); the choice was made on val (best score "
        f"{best.value:.3f}). Test was read once, for these rows only.",
    )


def _complete(study: "optuna.Study") -> "list[optuna.trial.FrozenTrial]":
    """Return the trials that were trained to the end."""
    return [trial for trial in study.trials if trial.state.name == "COMPLETE"]
