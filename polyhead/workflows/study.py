"""Studies: a base recipe, its variations and seeds, trained as runs and compared in one table."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from polyhead.config import files, recipe
from polyhead.config.expand import check_keys
from polyhead.config.names import check_names
from polyhead.config.reuse import reusing
from polyhead.contracts.classes import ALLOWED
from polyhead.data.io.files import is_folder_name
from polyhead.data.io.yaml_files import load_yaml
from polyhead.errors import PolyheadError, suggest
from polyhead.kinds import KINDS, kind_of
from polyhead.paths import studies
from polyhead.run import Run
from polyhead.workflows.run_settings import changed_settings

RESERVED = {
    "seed": "the study sets from its 'seeds'",
    "name": "is made of the variation and the seed",
    "runs": "is set with --runs DIR",
}
"""Settings that a study sets for each of its runs, and how."""
_KEYS = ("base", "changes", "variations", "reference", "seeds", "folds", "metric", "tables", "note")


class Study(NamedTuple):
    """The contents of a study file.

    Attributes:
        name: name of the study, and of the folder of its runs.
        base: path of the base recipe (relative to the study file if it exists there), or the name of one that ships.
        variations: for each row of the table a list of partial recipes to merge into the base, one per run. The tasks
            of all runs of a variation make up its row. The key ``changes`` of a partial recipe holds overrides.
        seeds: each variation is trained with each seed.
        folds: number of cross-validation folds; each is the test set once per seed. None uses the splits of the recipe.
        metric: metric of the differences (:attr:`polyhead.contracts.kind.Kind.measures`); None uses the main score of
            the kind of task.
        tables: ``pooled`` makes one table over all tasks, ``tasks`` one table per task.
        folders: the folder of the study file, in which relative paths are looked up after that of the base recipe;
            empty for a study that ships.
        changes: overrides ``key=value`` of every run, applied before those of its variation.
        reference: name of the variation that differences are to; None takes the first.
        note: a line below the table.
    """

    name: str
    base: str
    variations: dict[str, list[dict[str, Any]]]
    seeds: list[int]
    folds: int | None
    metric: str | None
    tables: str = "pooled"
    folders: Sequence[Path] = ()
    changes: Sequence[str] = ()
    reference: str | None = None
    note: str | None = None


class Member(NamedTuple):
    """A run of a study.

    Attributes:
        folder: the run folder.
        config: the resolved recipe.
        searched: the folders in which the relative paths of the recipe were looked up before the current one.
    """

    folder: Path
    config: dict[str, Any]
    searched: Sequence[Path]

    @property
    def finished(self) -> bool:
        """Whether the run was trained completely, tested, and has saved its exemplars."""
        return "finished" in Run(self.folder).read_manifest()


Plan = dict[str, list[list[Member]]]
"""The runs of each row, by seed."""


def load(study: str | Path) -> Study:
    """Read a study file.

    Args:
        study: path of the file, or the name of a study that ships.

    Raises:
        PolyheadError: when it does not exist, a key is unknown, or a value has the wrong type.
    """
    path, shipped = Path(study), studies()
    if not path.is_file():
        if str(study) not in shipped:
            raise PolyheadError(
                f"there is no study {str(study)!r}, neither a file nor a name{suggest(path.stem, shipped)}"
            )
        path = shipped[str(study)]
    given = check_keys(load_yaml(path), _KEYS, f"the study {path.name}")
    if not is_folder_name(path.stem):
        raise PolyheadError(f"{path}: the runs of the study are in a folder of its name. Rename the file.")
    rows = _rows(given, path)
    seeds = given.get("seeds", [0])
    if not isinstance(seeds, list) or not seeds or not all(map(_is_int, seeds)):
        raise PolyheadError(f"{path}: seeds: expected a list of whole numbers, got {seeds!r}")
    if len(set(seeds)) < len(seeds):
        raise PolyheadError(f"{path}: seeds: expected different seeds, got {seeds!r}. Remove the duplicates.")
    folds = given.get("folds")
    if folds is not None and (not _is_int(folds) or folds < 2):
        raise PolyheadError(f"{path}: folds: expected a whole number of 2 or more, got {folds!r}")
    metric = given.get("metric")
    if metric is not None:
        check_metric(f"{path}: metric", metric)
    tables = given.get("tables", "pooled")
    if tables not in ("pooled", "tasks"):
        raise PolyheadError(f"{path}: tables: expected pooled or tasks, got {tables!r}")
    reference, note = given.get("reference"), given.get("note")
    if reference is not None and reference not in rows:
        raise PolyheadError(f"{path}: reference: there is no variation {reference!r}{suggest(str(reference), rows)}")
    if note is not None and not isinstance(note, str):
        raise PolyheadError(f"{path}: note: expected a text, got {note!r}")
    base = str(_require(given, "base", str, path))
    local = path.parent / base
    base = str(local) if local.is_file() else base
    changes = _check_texts(given.get("changes", []), f"{path}: changes")
    folders = files.recipe_folders(path)
    return Study(path.stem, base, rows, seeds, folds, metric, tables, folders, changes, reference, note)


def _rows(given: Mapping[str, Any], path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the partial recipes of each variation.

    Raises:
        PolyheadError: when a name cannot be used for folders, or a variation has another type.
    """
    variations = _require(given, "variations", dict, path)
    named = check_names(variations, f"{path}: variations")
    rows = {name: list(parts) if isinstance(parts, list) else [parts or {}] for name, parts in named.items()}
    for name, parts in rows.items():
        if Path(name).name != name or not is_folder_name(f"{name}.seed") or "\\" in name:
            raise PolyheadError(f"{path}: variations.{name}: the name is used for folders. Use a name without slashes.")
        if not parts or not all(isinstance(part, dict) for part in parts):
            raise PolyheadError(
                f"{path}: variations.{name}: expected settings to merge into the base, or a list of them; got {parts!r}"
            )
        for part in parts:
            _check_texts(part.get("changes", []), f"{path}: variations.{name}.changes")
    return rows


def check_metric(where: str, metric: object) -> None:
    """Check that models can be compared by this metric.

    Raises:
        PolyheadError: when no kind of task has it.
    """
    known = list(dict.fromkeys(each.name for name in KINDS for each in kind_of(name).measures))
    if metric not in known and ALLOWED == ["polyhead"]:  # kinds of others may have others
        raise PolyheadError(f"{where}: expected one of {', '.join(known)}, got {metric!r}")


@reusing()
def plan(study: Study, changes: Sequence[str] = (), runs: str | Path = "runs") -> Plan:
    """Resolve the recipes of all runs of a study; nothing is opened or trained.

    Args:
        study: the study.
        changes: overrides ``key=value`` of every run, applied last.
        runs: the parent of the study's folder.

    Raises:
        PolyheadError: when a recipe is wrong, or sets something that the study sets for each run.
    """
    result: Plan = {}
    _check_reserved(study, _keys(changes), "the command line")
    _check_reserved(study, _keys(study.changes), "the key 'changes'")
    for name, parts in study.variations.items():
        own = [key for part in parts for key in (*part, *_keys(part.get("changes", [])))]
        _check_reserved(study, own, f"variation {name!r}")
        result[name] = []
        for seed in study.seeds:
            members: list[Member] = []
            for fold in range(study.folds or 1):
                for number, part in enumerate(parts):
                    label = f"{name}.seed{seed}"
                    label += f".fold{fold}" if study.folds else ""
                    label += f".{number}" if len(parts) > 1 else ""
                    members.append(_member(study, name, changes, part, Path(runs) / study.name / label, seed, fold))
            result[name].append(members)
    if study.tables == "tasks":
        _check_same_tasks(study, result)
    return result


def _member(
    study: Study, name: str, changes: Sequence[str], part: Mapping[str, Any], folder: Path, seed: int, fold: int
) -> Member:
    """Resolve the recipe of one run.

    Args:
        study: the study.
        name: name of the variation.
        changes: overrides ``key=value`` of every run.
        part: the partial recipe of this run.
        folder: its run folder.
        seed: its seed.
        fold: its fold.
    """
    own = [f"seed={seed}", f"name={json.dumps(folder.name)}", f"runs={json.dumps(str(folder.parent))}"]
    if study.folds is not None:
        own += [f"data.*.split.folds={study.folds}", f"data.*.split.fold={fold}"]
    own = [*study.changes, *part.get("changes", []), *changes, *own]
    patch = {key: value for key, value in part.items() if key != "changes"}
    try:
        searched = [*files.recipe_folders(recipe.find(study.base)), *study.folders]
        return Member(folder, recipe.load(study.base, own, patch, study.folders), searched)
    except PolyheadError as error:
        raise PolyheadError(f"study {study.name}, variation {name!r}: {error}") from error


def _check_same_tasks(study: Study, planned: Plan) -> None:
    """Check that all variations have the same tasks, since a table per task needs every variation.

    Raises:
        PolyheadError: for the first variation that lacks a task.
    """
    tasks = {name: {task for member in seeds[0] for task in member.config["data"]} for name, seeds in planned.items()}
    for name, own in tasks.items():
        if missing := sorted(set().union(*tasks.values()) - own):
            raise PolyheadError(
                f"study {study.name}, variation {name!r}: it has no task {missing[0]!r}, which other variations have. "
                "With 'tables: tasks' all variations need the same tasks; a variation may be a list of runs that each "
                "have some of them."
            )


def run_folders(plan: Plan) -> dict[str, list[list[str]]]:
    """Return the folders of each row, for :func:`polyhead.analysis.table.compare`.

    Raises:
        PolyheadError: when runs are not finished (all are named), because a table must be complete; or when a folder
            contains a run with other settings.
    """
    missing = [str(m.folder) for seeds in plan.values() for seed in seeds for m in seed if not m.finished]
    if missing:
        raise PolyheadError(
            f"{len(missing)} run(s) of the study are not finished: {', '.join(missing)}. Train them with "
            "'polyhead study' without --table."
        )
    for member in (member for seeds in plan.values() for seed in seeds for member in seed):
        check_settings(member)
    return folders_of(plan)


def folders_of(plan: Plan) -> dict[str, list[list[str]]]:
    """Return the run folders of each row, by seed."""
    return {name: [[str(member.folder) for member in seed] for seed in seeds] for name, seeds in plan.items()}


def _keys(changes: Iterable[str]) -> list[str]:
    """Return the keys of overrides."""
    return [change.partition("=")[0] for change in changes]


def _check_texts(given: object, where: str) -> list[str]:
    """Check that overrides are a list of texts, and return them.

    Raises:
        PolyheadError: when they are not.
    """
    if not isinstance(given, list) or not all(isinstance(change, str) for change in given):
        raise PolyheadError(f"{where}: expected a list of overrides such as [lr=0.001], got {given!r}")
    return given


def _is_int(value: object) -> bool:
    """Return whether a value is an integer; a bool, which is an int in Python, is not."""
    return isinstance(value, int) and not isinstance(value, bool)


def _check_reserved(study: Study, keys: Iterable[str], where: str) -> None:
    """Check that no setting is given that the study sets for each run.

    Raises:
        PolyheadError: for the first such setting.
    """
    for key in keys:
        if key in RESERVED:
            raise PolyheadError(f"study {study.name}: {where} sets {key!r}, which {RESERVED[key]}")


def check_settings(member: Member) -> None:
    """Check that the folder of a run is free, or contains a run with the same settings.

    Raises:
        PolyheadError: when it does not.
    """
    config = Run(member.folder).config
    if not config.is_file():
        if member.folder.exists():
            raise PolyheadError(
                f"{str(member.folder)!r} exists but contains no run, and a run of the study needs this folder. Rename "
                "or delete it."
            )
        return
    changed = changed_settings(member.folder, member.config, member.searched)
    if changed:
        raise PolyheadError(
            f"run {str(member.folder)!r} was started with other settings ({', '.join(changed)}). Delete its folder, or "
            "rename the study file."
        )


def _require(given: Mapping[str, Any], key: str, kind: type, path: Path) -> Any:
    """Return a setting that must be there, non-empty and of one type.

    Raises:
        PolyheadError: when it is not.
    """
    value = given.get(key)
    if not isinstance(value, kind) or not value:
        what = {"base": "the name or file of a recipe", "variations": "{NAME: settings to merge into the base, ...}"}
        raise PolyheadError(f"{path}: {key}: expected {what[key]}, got {value!r}")
    return value
