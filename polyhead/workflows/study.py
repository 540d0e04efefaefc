"""A study: a base recipe, named variations and seeds become runs, and one table compares them."""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from polyhead.analysis.stored_predictions import MEASURES
from polyhead.config import recipe
from polyhead.config.expand import check_keys
from polyhead.errors import PolyheadError, suggest
from polyhead.paths import studies
from polyhead.run import Run

OWN = {
    "seed": "the study sets for each of its 'seeds'",
    "name": "is made of the variation and the seed",
    "runs": "is told by --runs DIR",
}
"""Settings that each run of a study has of its own, and how."""
_KEYS = ("base", "variations", "seeds", "folds", "metric", "tables")


class Study(NamedTuple):
    """What a study file says.

    Attributes:
        name: of the study, and of the folder of its runs.
        base: path of the base recipe, where there is such a file beside the study from there, or the name of one that
            ships.
        variations: for each row of the table the parts of recipes to lay over the base, one for each of its runs;
            the tasks of a variation's runs together are its answer.
        seeds: each variation is trained with each.
        folds: of a cross-validation, each tested once in every seed; None leaves the splits as the recipe has them.
        metric: what differences are of (:data:`polyhead.analysis.stored_predictions.MEASURES`); None takes AP50 for boxes, and the
            first of its kind for other tasks.
        tables: ``pooled`` makes one table of all tasks together, ``tasks`` one for each task.
    """

    name: str
    base: str
    variations: dict[str, list[dict[str, Any]]]
    seeds: list[int]
    folds: int | None
    metric: str | None
    tables: str = "pooled"


class Member(NamedTuple):
    """One run of a study: the folder it will be in, and its resolved recipe."""

    folder: Path
    config: dict[str, Any]

    @property
    def finished(self) -> bool:
        """Whether it was trained to its end, tested, and has kept what it keeps."""
        return "finished" in Run(self.folder).read_manifest()


Plan = dict[str, list[list[Member]]]
"""The runs of each row, by seed."""


def load(study: str | Path) -> Study:
    """Read a study file, or one that ships.

    Raises:
        PolyheadError: when there is none, a key is unknown, or a value is of the wrong kind.
    """
    path, shipped = Path(study), studies()
    if not path.is_file():
        if str(study) not in shipped:
            raise PolyheadError(
                f"there is no study {str(study)!r}, neither a file nor a name{suggest(path.stem, shipped)}"
            )
        path = shipped[str(study)]
    try:
        given = check_keys(yaml.safe_load(path.read_text(encoding="utf-8")), _KEYS, f"the study {path.name}")
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PolyheadError(f"{path}: no valid YAML in UTF-8: {' '.join(str(error).split())}") from error
    variations = _wanted(given, "variations", dict, path)
    rows = {str(name): list(parts) if isinstance(parts, list) else [parts or {}] for name, parts in variations.items()}
    for name, parts in rows.items():
        if Path(name).name != name:
            raise PolyheadError(f"{path}: variations.{name}: a variation names folders; take a name without slashes")
        if not parts or not all(isinstance(part, dict) for part in parts):
            raise PolyheadError(
                f"{path}: variations.{name}: expected settings to lay over the base, or a list of them; got {parts!r}"
            )
    seeds = given.get("seeds", [0])
    if not isinstance(seeds, list) or not seeds or not all(map(_whole, seeds)):
        raise PolyheadError(f"{path}: seeds: expected a list of whole numbers, got {seeds!r}")
    if len(set(seeds)) < len(seeds):
        raise PolyheadError(f"{path}: seeds: one is given twice in {seeds!r}, and would count as two")
    folds = given.get("folds")
    if folds is not None and (not _whole(folds) or folds < 2):
        raise PolyheadError(f"{path}: folds: expected a whole number of 2 or more, got {folds!r}")
    metric = given.get("metric")
    if metric is not None:
        check_metric(f"{path}: metric", metric)
    tables = given.get("tables", "pooled")
    if tables not in ("pooled", "tasks"):
        raise PolyheadError(f"{path}: tables: expected pooled or tasks, got {tables!r}")
    base = str(_wanted(given, "base", str, path))
    beside = path.parent / base
    return Study(path.stem, str(beside) if beside.is_file() else base, rows, seeds, folds, metric, tables)


def check_metric(where: str, metric: object) -> None:
    """Refuse what no kind of task is compared by."""
    known = list(dict.fromkeys(each for measures in MEASURES.values() for each in measures))
    if metric not in known:
        raise PolyheadError(f"{where}: expected one of {', '.join(known)}, got {metric!r}")


def plan(study: Study, changes: Sequence[str] = (), runs: str | Path = "runs") -> Plan:
    """Every run of a study with its resolved recipe; nothing is opened or trained.

    Args:
        study: what to plan.
        changes: overrides ``key=value`` of every run.
        runs: the folder that the study's folder is in.

    Raises:
        PolyheadError: when a recipe is faulty, or something is set that the study itself sets for each run.
    """
    result: Plan = {}
    _check_own(study, [change.partition("=")[0] for change in changes], "the command line")
    for name, parts in study.variations.items():
        _check_own(study, [key for part in parts for key in part], f"variation {name!r}")
        result[name] = []
        for seed in study.seeds:
            members: list[Member] = []
            for fold in range(study.folds or 1):
                for number, part in enumerate(parts):
                    label = f"{name}.seed{seed}"
                    label += f".fold{fold}" if study.folds else ""
                    label += f".{number}" if len(parts) > 1 else ""
                    folder = Path(runs) / study.name / label
                    own = [f"seed={seed}"]
                    own += [
                        f"{key}={json.dumps(value)}" for key, value in (("name", label), ("runs", str(folder.parent)))
                    ]
                    own += [f"data.*.split.{key}={value}" for key, value in _fold(study, fold).items()]
                    try:
                        members.append(Member(folder, recipe.load(study.base, [*changes, *own], part)))
                    except PolyheadError as error:
                        raise PolyheadError(f"study {study.name}, variation {name!r}: {error}") from error
            result[name].append(members)
    if study.tables == "tasks":
        _check_tables(study, result)
    return result


def _check_tables(study: Study, planned: Plan) -> None:
    """Refuse variations of other tasks: a table for each task has every variation in it."""
    tasks = {name: {task for member in seeds[0] for task in member.config["data"]} for name, seeds in planned.items()}
    for name, theirs in tasks.items():
        if missing := sorted(set().union(*tasks.values()) - theirs):
            raise PolyheadError(
                f"study {study.name}, variation {name!r}: it has no task {missing[0]!r}, which others have; with "
                "'tables: tasks' all variations have the same tasks (one may be a list of runs, each with some of them)"
            )


def carry_out(plan: Plan, show: Callable[[str], None] = print) -> None:
    """Train every run that is not finished: new ones from the beginning, stopped ones from where they stopped.

    Raises:
        PolyheadError: before any training, when a folder holds a run of other settings, or one cannot be trained.
    """
    from polyhead.workflows import train
    from polyhead.workflows.preflight import prepare

    members = [member for seeds in plan.values() for seed in seeds for member in seed]
    for member in members:
        clear(member.folder)
        _check(member)
    for name, seeds in plan.items():
        for member in seeds[0]:
            if not Run(member.folder).config.is_file():
                try:
                    prepare(member.config)
                except PolyheadError as error:
                    raise PolyheadError(f"variation {name!r}: {error}") from error
    for number, member in enumerate(members, 1):
        if not member.finished:
            show(f"run {number} of {len(members)}: {member.folder}")
            if Run(member.folder).config.is_file():
                train.resume(member.folder, show)
            else:
                train.train(member.config, show)


def clear(folder: Path) -> None:
    """Take away what a run leaves that was killed before its recipe was written: empty folders, a manifest, a lock."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    if folder.is_dir() and all(path in (Run(folder).manifest, Run(folder).lock) for path in files):
        shutil.rmtree(folder)


def rows(plan: Plan) -> dict[str, list[list[str]]]:
    """The folders of each row, for :func:`polyhead.analysis.table.compare`.

    Raises:
        PolyheadError: naming every run that is not finished: a table never has holes; or when a folder holds a run of
            other settings.
    """
    missing = [str(m.folder) for seeds in plan.values() for seed in seeds for m in seed if not m.finished]
    if missing:
        raise PolyheadError(
            f"{len(missing)} run(s) of the study are not finished: {', '.join(missing)}; "
            "'polyhead study' without --table trains them"
        )
    for member in (member for seeds in plan.values() for seed in seeds for member in seed):
        _check(member)
    return {name: [[str(member.folder) for member in seed] for seed in seeds] for name, seeds in plan.items()}


def _whole(value: object) -> bool:
    """Whether it is a whole number; YAML's ``true`` is none, though Python's is."""
    return isinstance(value, int) and not isinstance(value, bool)


def _check_own(study: Study, keys: Iterable[str], where: str) -> None:
    """Refuse settings that every run of a study has of its own."""
    for key in keys:
        if key in OWN:
            raise PolyheadError(f"study {study.name}: {where} sets {key!r}, which {OWN[key]}")


def _fold(study: Study, fold: int) -> dict[str, int]:
    return {} if study.folds is None else {"folds": study.folds, "fold": fold}


def _check(member: Member) -> None:
    """Refuse a run that was begun with other settings: its row would be another variation's."""
    config = Run(member.folder).config
    if not config.is_file():
        if member.folder.exists():
            raise PolyheadError(f"{str(member.folder)!r} is in the way of a run of the study: it holds none; rename it")
        return
    begun = recipe.load(config)
    changed = [key for key in member.config if key != "runs" and begun.get(key) != member.config[key]]
    if changed:
        raise PolyheadError(
            f"run {str(member.folder)!r} was begun with other settings ({', '.join(changed)}); "
            "delete its folder, or rename the study file"
        )


def _wanted(given: Mapping[str, Any], key: str, kind: type, path: Path) -> Any:
    value = given.get(key)
    if not isinstance(value, kind) or not value:
        what = {"base": "the name or file of a recipe", "variations": "{NAME: settings to lay over the base, ...}"}[key]
        raise PolyheadError(f"{path}: {key}: expected {what}, got {value!r}")
    return value
