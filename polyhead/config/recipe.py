"""A recipe: the YAML that a training starts from, and the parts that are built from it.

Short forms are written out first (:mod:`polyhead.config.expand`); then the signatures of classes and functions are the
schema, and jsonargparse checks the types. A fully resolved recipe (:func:`dump`) is a recipe too, and reproduces its
run. Stages are checked before anything is imported that costs seconds.
"""

from argparse import ArgumentError
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import yaml

from polyhead.config import overrides
from polyhead.config.errors import explain, parameters
from polyhead.config.expand import SECTIONS, check_keys, check_sections, expand_model, expand_task
from polyhead.engine.stage import Stage
from polyhead.errors import PolyheadError, SettingError, suggest
from polyhead.paths import shipped

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from polyhead.data.loading.source import Source
    from polyhead.nets.model import Model

_SOURCE, _MODEL = "polyhead.data.loading.source.Source", "polyhead.nets.model.Model"
_READER, _LOOK = "polyhead.contracts.reader.Reader", "polyhead.data.augment.base.Look"
_CHECK = "polyhead.data.loading.source.check_settings"
_importable = ["polyhead"]


@dataclass
class Settings:
    """What a recipe says beside ``model``, ``data`` and ``stages``.

    Attributes:
        seed: same seed, same run (on one kind of CPU, with as many threads; some of a GPU's sums follow no order).
        precision: ``auto``, or one of Lightning's names.
        name: of the run's folder; the recipe's own name when None.
        runs: the folder that run folders are made in.
        memory: MiB of pictures of each task and split that the run keeps for 'polyhead extend'; 0 keeps none.
        max_parameters: of the whole network; one that has more is not trained.
        max_drop: the part of its score that an older task may lose. A training of several stages tells what each task
            has lost since the stage that taught it, and whether that is more; 'polyhead evaluate' takes it for its
            ``--max-drop`` where a ``--baseline`` is given, and 'polyhead extend' for the older tasks.
    """

    seed: int = 0
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    name: str | None = None
    runs: str = "runs"
    memory: float = 16.0
    max_parameters: int | None = None
    max_drop: float | None = None

    def __post_init__(self) -> None:
        if self.max_drop is not None and not 0 <= self.max_drop <= 1:
            raise SettingError(f"max_drop must lie between 0 and 1, got {self.max_drop:g}")
        if self.memory < 0:
            raise SettingError(f"memory must be 0 or more, got {self.memory:g}")
        if self.max_parameters is not None and self.max_parameters <= 0:
            raise SettingError(f"max_parameters must be positive, got {self.max_parameters}")


_KEYS = [*SECTIONS, *(field.name for field in fields(Settings))]


class Parts(NamedTuple):
    """What a recipe describes, built. The model has no heads yet: they are made when the data has told the classes."""

    model: "Model"
    sources: "dict[str, Source]"
    stages: list[Stage]
    settings: Settings


def allow(packages: Iterable[str]) -> None:
    """Let recipes import from these packages too, in this process; without it they import from polyhead alone."""
    _importable.extend(packages)


def load(recipe: str | Path, changes: Sequence[str] = (), patch: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The fully resolved settings of a recipe: plain types, every default filled in. No data is opened.

    Args:
        recipe: path of a YAML file, or the name of a recipe that ships. A task that is null is left out.
        changes: overrides ``key=value`` (:mod:`polyhead.config.overrides`).
        patch: part of a recipe that is laid over it before the overrides (:func:`polyhead.config.overrides.lay`).

    Raises:
        PolyheadError: when there is no such recipe, a key is unknown or a value has the wrong type.
    """
    path = find(recipe)
    base = _read(path)
    _check_left_out((patch or {}).get("data"), _tasks(base))
    return resolve(overrides.lay(base, patch or {}), changes, path.stem)


def resolve(config: dict[str, Any], changes: Sequence[str], name: str) -> dict[str, Any]:
    """The same of a recipe that is in no file; ``name`` is that of the run where the recipe does not tell one.

    Settings and stages are built and thrown away: they refuse numbers that they cannot have.
    """
    tasks = _tasks(config)
    for change in changes:
        overrides.apply(config, change, _KEYS)
    _check_left_out(config.get("data"), tasks)
    _check_named(config, changes, tasks)
    config = _expand(config)
    settings = _resolve(Settings, _settings(config), "")
    _build(Settings, settings, "")
    settings["name"] = settings["name"] or name
    stages = [_resolve(Stage, stage, f"stages.{number}") for number, stage in enumerate(config["stages"])]
    for number, stage in enumerate(stages):
        _build(Stage, stage, f"stages.{number}")
    data = {task: _resolve(_kind(_SOURCE), entry, f"data.{task}") for task, entry in config["data"].items()}
    for task, entry in data.items():
        with _placed(f"data.{task}"):
            _kind(_CHECK)(entry)
    return {"model": _resolve(_kind(_MODEL), config["model"], "model"), "data": data, "stages": stages, **settings}


def instantiate(config: Mapping[str, Any]) -> Parts:
    """Build what :func:`load` gave. Readers read their annotations here.

    Raises:
        PolyheadError: when a folder or file of the recipe does not exist, or cannot be what it should be.
    """
    return Parts(
        settings=_build(Settings, _settings(config), ""),
        stages=[_build(Stage, stage, f"stages.{number}") for number, stage in enumerate(config["stages"])],
        sources=sources(config),
        model=_build(_kind(_MODEL), config["model"], "model"),
    )


def sources(config: Mapping[str, Any]) -> "dict[str, Source]":
    """The sources of what :func:`load` gave; see :func:`instantiate`."""
    return {task: _source(entry, f"data.{task}") for task, entry in config["data"].items()}


def build_model(spec: Mapping[str, Any]) -> "Model":
    """The model of a weights file, without heads. No pretrained file is read: the tensors are at hand.

    Args:
        spec: ``{class_path, init_args}``, as a resolved recipe has it.
    """
    model: Model = _build(_kind(_MODEL), without_files(expand_model(dict(spec))), "model")
    return model


def without_files(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A model's settings, those of its parts too, without the pretrained files that it began with."""
    return {
        key: None if key == "weights" else without_files(value) if isinstance(value, dict) else value
        for key, value in spec.items()
    }


def dump(config: Mapping[str, Any]) -> str:
    """Resolved settings as YAML; :func:`load` of it gives the same settings again."""
    return yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)


def find(recipe: str | Path) -> Path:
    """The file of a recipe: a path, or the name of one that ships.

    Raises:
        PolyheadError: when there is neither; it names the nearest recipe.
    """
    path = Path(recipe)
    if path.is_file():
        return path
    if path.is_dir():
        inside = path / "config.yaml"
        remedy = f"'polyhead train {inside}' repeats that run" if inside.is_file() else "give a YAML file"
        raise PolyheadError(f"recipe {str(recipe)!r} is a folder; {remedy}")
    recipes = shipped()
    if str(recipe) in recipes:
        return recipes[str(recipe)]
    files = {each.stem: str(each) for each in path.parent.glob("*.y*ml")}
    beside = get_close_matches(path.stem, files, n=1)
    near = f"; did you mean {files[beside[0]]!r}?" if beside else suggest(path.stem, recipes)
    missing = f"recipe file {str(recipe)!r} does not exist" if path.name != str(recipe) or path.suffix else ""
    raise PolyheadError(f"{missing or f'unknown recipe {path.name!r}'}{near}")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise PolyheadError(f"{path}: a recipe is text in UTF-8, and this file is not") from error
    except yaml.YAMLError as error:
        raise PolyheadError(f"{path}: no valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise PolyheadError(f"{path}: a recipe has the keys {', '.join(SECTIONS)}; this file has no keys")
    return content


def _tasks(config: Mapping[str, Any]) -> list[str]:
    data = config.get("data")
    return [*data] if isinstance(data, dict) else []


def _check_left_out(data: Any, tasks: Sequence[str]) -> None:
    """Refuse a null for a task that there is none of: a typing error would leave in what was to go."""
    for task, entry in data.items() if isinstance(data, dict) else ():
        if entry is None and task not in tasks:
            raise PolyheadError(f"data.{task}: there is no such task to leave out{suggest(task, tasks)}")


def _check_named(config: Mapping[str, Any], changes: Sequence[str], tasks: Sequence[str]) -> None:
    """Refuse settings, or a head, of a task that there is not: a typing error would make a new one, or do nothing."""
    for key in (change.partition("=")[0] for change in changes):
        words = key.split(".")
        if words[0] == "data" and words[2:] and words[1] not in ("*", *tasks):
            given = config["data"][words[1]]
            if not (isinstance(given, dict) and "reader" in given):
                near = suggest(words[1], tasks)
                raise PolyheadError(f"{key}: there is no task {words[1]!r}{near} (a new task needs a reader first)")
        if words[:2] == ["model", "heads"] and words[2:] and words[2] not in _tasks(config):
            raise PolyheadError(f"{key}: there is no task {words[2]!r}{suggest(words[2], _tasks(config))}")


def _expand(config: dict[str, Any]) -> dict[str, Any]:
    """Write short forms out, and check first what can be checked without importing anything that costs seconds."""
    check_keys(config, _KEYS, "the recipe")
    if isinstance(config.get("data"), dict):
        config = {**config, "data": {str(task): entry for task, entry in config["data"].items() if entry is not None}}
    check_sections(config)
    for number, stage in enumerate(config["stages"]):
        check_keys(stage, [field.name for field in fields(Stage)], f"stages.{number}")
    own = [field.name for field in fields(_kind(_SOURCE))]
    data = {task: expand_task(entry, own, f"data.{task}") for task, entry in config["data"].items()}
    return {**config, "model": expand_model(config["model"]), "data": data}


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in SECTIONS}


def _kind(path: str) -> Any:
    """A class or function that costs seconds to import."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def _resolve(kind: type, given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """``given`` with every default filled in."""
    parser, config = _parse(kind, given, where)
    resolved: dict[str, Any] = yaml.safe_load(parser.dump(config, skip_unset=False))["part"][0]
    return resolved


def _source(entry: Mapping[str, Any], where: str) -> "Source":
    """A task's source, its parts first: what they say of a missing folder would be lost where null is allowed, too."""
    kinds = {"reader": _READER, "val": _READER, "test": _READER, "transforms": _LOOK}
    parts = {
        part: _build(_kind(kind), entry[part], f"{where}.{part}")
        for part, kind in kinds.items()
        if isinstance(entry[part], dict)
    }
    with _placed(where):
        source: Source = _kind(_SOURCE)(**{**entry, **parts})
        return source


def _build(kind: type, given: Mapping[str, Any], where: str) -> Any:
    parser, config = _parse(kind, given, where)
    with _placed(where):
        return parser.instantiate(config).part[0]


@contextmanager
def _placed(where: str) -> Iterator[None]:
    """Put the place of a part before what the part says of its settings."""
    try:
        yield
    except SettingError as error:
        raise PolyheadError(f"{where}: {error}" if where else str(error)) from error


def _parse(kind: type, given: Mapping[str, Any], where: str) -> "tuple[ArgumentParser, Namespace]":
    """Check one part of a recipe; one by one, so that a message can name the place."""
    from jsonargparse import ArgumentParser, set_parsing_settings

    _refuse_nulls(f"{kind.__module__}.{kind.__name__}", given, where)
    set_parsing_settings(import_path_denylist=["*"], import_path_allowlist=_importable)
    parser = ArgumentParser(exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--part", type=list[kind])  # type: ignore[valid-type]  # a class that is only known here
    try:
        return parser, parser.parse_object({"part": [dict(given)]})
    except ArgumentError as error:
        beside = [field.name for field in fields(kind)] if where.startswith("data.") else ()
        raise PolyheadError(explain(str(error), where, beside)) from error


def _refuse_nulls(owner: str, given: Mapping[str, Any], where: str) -> None:
    """Refuse ``key: null`` where None is no value; jsonargparse takes it for a key that was not given."""
    if "class_path" in given:
        owner, given = given["class_path"], given.get("init_args") or {}
    known = parameters(owner) if owner.split(".")[0] in _importable else {}
    for key, value in given.items():
        place = f"{where}.{key}" if where else key
        if isinstance(value, dict):
            _refuse_nulls("", value, place)
        elif isinstance(value, list):
            for number, each in enumerate(value):
                if isinstance(each, dict):
                    _refuse_nulls("", each, f"{place}.{number}")
        elif value is None and key in known and "None" not in str(known[key].annotation):
            raise PolyheadError(f"{place}: expected a value, got null; leave the key out to take the default")
