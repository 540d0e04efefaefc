"""Load a recipe (the YAML file that defines a training run), check it, and build the objects that it describes.

Short forms are expanded first (:mod:`polyhead.config.expand`). The signatures of classes and functions are the schema,
and jsonargparse checks the types. A fully resolved recipe (:func:`dump`) is a recipe too, and reproduces its run.
Stages are checked before any slow import.
"""

from argparse import ArgumentError
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from polyhead.config import files, overrides
from polyhead.config.errors import explain
from polyhead.config.expand import OWN_MODELS, SECTIONS, check_keys, check_sections, expand_model, expand_task
from polyhead.config.names import check_names
from polyhead.config.nested import ordered, refuse_nulls
from polyhead.config.reuse import reused
from polyhead.config.settings import Settings
from polyhead.contracts.classes import ALLOWED
from polyhead.data.io.yaml_files import load_yaml, require_bounded
from polyhead.engine.stage import Stage
from polyhead.errors import PolyheadError, SettingError, suggest
from polyhead.paths import shipped

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from polyhead.data.loading.source import Source
    from polyhead.nets.model import Model

_SOURCE, _MODEL = "polyhead.data.loading.source.Source", "polyhead.nets.model.Model"
_READER, _AUGMENTATION = "polyhead.contracts.reader.Reader", "polyhead.data.augment.base.Augmentation"
_MODALITY = "polyhead.contracts.modality.Modality"
_HEAD = "polyhead.contracts.network.HeadFactory"
_CHECK = "polyhead.data.loading.source.check_settings"


_KEYS = [*SECTIONS, *(field.name for field in fields(Settings))]


class Parts(NamedTuple):
    """The objects that a recipe describes. The model has no heads yet: they are built when the classes are known."""

    model: "Model"
    sources: "dict[str, Source]"
    stages: list[Stage]
    settings: Settings


def load(
    recipe: str | Path,
    changes: Sequence[str] = (),
    patch: Mapping[str, Any] | None = None,
    folders: Sequence[Path] = (),
    *,
    must_exist: bool = False,
) -> dict[str, Any]:
    """Return the fully resolved settings of a recipe: plain types, with all defaults. No data is opened.

    Relative paths of files next to the recipe or in the current folder become absolute (:mod:`polyhead.config.files`).

    Args:
        recipe: path of a YAML file, or the name of a recipe that comes with Polyhead. Tasks that are null are left out.
        changes: overrides ``key=value`` (:mod:`polyhead.config.overrides`).
        patch: a partial recipe, merged into it before the overrides (:func:`polyhead.config.overrides.merge`).
        folders: folders in which relative paths are looked up after that of the recipe.
        must_exist: whether to check that all files and folders that the recipe names exist.

    Raises:
        PolyheadError: when the recipe does not exist, a key is unknown, a value has the wrong type, or a file is
            missing.
    """
    path = find(recipe)
    base = _read(path)
    _check_removed_tasks((patch or {}).get("data"), _tasks(base))
    folders = [*files.recipe_folders(path), *folders]
    config = resolve(overrides.merge(base, patch or {}), changes, path.stem, folders)
    if must_exist:
        files.require(config, folders)
    return config


def resolve(config: dict[str, Any], changes: Sequence[str], name: str, folders: Sequence[Path] = ()) -> dict[str, Any]:
    """Return the fully resolved settings of a recipe that is given as a mapping; see :func:`load`.

    Settings and stages are built once to check their values, and discarded.

    Args:
        config: the recipe; changed in place by the overrides.
        changes: overrides ``key=value``.
        name: name of the run where the recipe has none.
        folders: folders in which relative paths are looked up before the current one.
    """
    tasks = _tasks(config)
    for change in changes:
        overrides.apply(config, change, _KEYS)
    _check_removed_tasks(config.get("data"), tasks)
    _check_task_names(config, changes, tasks)
    config = _expand(config)
    settings = _resolve(Settings, _settings(config), "", check=True)
    settings["name"] = settings["name"] or name
    stages = [_resolve(Stage, stage, f"stages.{number}", check=True) for number, stage in enumerate(config["stages"])]
    data = {task: _resolve(_import(_SOURCE), entry, f"data.{task}") for task, entry in config["data"].items()}
    for task, entry in data.items():
        with _error_prefix(f"data.{task}"):
            _import(_CHECK)(entry)
    model = _resolve_model(config["model"])
    return files.make_absolute({"model": model, "data": data, "stages": stages, **settings}, folders)


def instantiate(config: Mapping[str, Any]) -> Parts:
    """Build the objects of a resolved recipe (:func:`load`). Readers read their annotations here.

    Raises:
        PolyheadError: when a folder or file of the recipe does not exist or cannot be used.
    """
    return Parts(
        settings=_build(Settings, _settings(config), ""),
        stages=[_build(Stage, stage, f"stages.{number}") for number, stage in enumerate(config["stages"])],
        model=_build(_import(_MODEL), config["model"], "model"),  # before the data: reading it can take minutes
        sources=sources(config),
    )


def sources(config: Mapping[str, Any]) -> "dict[str, Source]":
    """Build the sources of a resolved recipe; see :func:`instantiate`."""
    return {task: _source(entry, f"data.{task}") for task, entry in config["data"].items()}


def build_model(spec: Mapping[str, Any]) -> "Model":
    """Build the model of a weights file, without heads and without what is built with them.

    No pretrained file is read: the weights file has all tensors.

    Args:
        spec: ``{class_path, init_args}``, as in a resolved recipe.
    """
    model: Model = _build(_import(_MODEL), files.without_weights(expand_model(dict(spec))), "model")
    return model


def dump(config: Mapping[str, Any]) -> str:
    """Return resolved settings as YAML; :func:`load` of it gives the same settings."""
    return yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)


def find(recipe: str | Path) -> Path:
    """Return the file of a recipe, given its path or the name of a recipe that comes with Polyhead.

    Raises:
        PolyheadError: when it does not exist; the message names the most similar recipe.
    """
    path = Path(recipe)
    if path.is_file():
        return path
    if path.is_dir():
        inside = path / "config.yaml"
        remedy = f"'polyhead train {inside}' repeats that run." if inside.is_file() else "Give a YAML file."
        raise PolyheadError(f"recipe {str(recipe)!r} is a folder. {remedy}")
    recipes = shipped()
    if str(recipe) in recipes:
        return recipes[str(recipe)]
    files = {each.stem: str(each) for each in path.parent.glob("*.y*ml")}
    similar = get_close_matches(path.stem, files, n=1)
    hint = f"; did you mean {files[similar[0]]!r}?" if similar else suggest(path.stem, recipes)
    missing = f"recipe file {str(recipe)!r} does not exist" if path.name != str(recipe) or path.suffix else ""
    raise PolyheadError(f"{missing or f'unknown recipe {path.name!r}'}{hint}")


def _read(path: Path) -> dict[str, Any]:
    """Read the YAML of a recipe, which must be a mapping."""
    content = load_yaml(path)
    if not isinstance(content, dict):
        raise PolyheadError(f"{path}: expected a recipe with the keys {', '.join(SECTIONS)}, got a file without keys")
    return content


def _tasks(config: Mapping[str, Any]) -> list[str]:
    """Return the task names of a recipe."""
    data = config.get("data")
    return [*data] if isinstance(data, dict) else []


def _check_removed_tasks(data: Any, tasks: Sequence[str]) -> None:
    """Check that tasks that are set to null exist: with a typing error, the task would stay in the recipe."""
    for task, entry in data.items() if isinstance(data, dict) else ():
        if entry is None and task not in tasks:
            raise PolyheadError(f"data.{task}: there is no such task to remove{suggest(task, tasks)}")


def _check_task_names(config: Mapping[str, Any], changes: Sequence[str], tasks: Sequence[str]) -> None:
    """Check that overrides name existing tasks: with a typing error, a key would add a task or have no effect."""
    for key in (change.partition("=")[0] for change in changes):
        steps = key.split(".")
        if steps[0] == "data" and steps[2:] and steps[1] not in ("*", *tasks):
            given = config["data"][steps[1]]
            if not (isinstance(given, dict) and "reader" in given):
                hint = suggest(steps[1], tasks)
                raise PolyheadError(f"{key}: there is no task {steps[1]!r}{hint} (a new task needs a reader first)")
        if steps[:2] == ["model", "heads"] and steps[2:] and steps[2] not in _tasks(config):
            raise PolyheadError(f"{key}: there is no task {steps[2]!r}{suggest(steps[2], _tasks(config))}")


def _expand(config: dict[str, Any]) -> dict[str, Any]:
    """Expand short forms; everything that needs no slow import is checked first."""
    check_keys(config, _KEYS, "the recipe")
    if isinstance(config.get("data"), dict):
        named = check_names(config["data"], "data")
        config = {**config, "data": {task: entry for task, entry in named.items() if entry is not None}}
    check_sections(config)
    for number, stage in enumerate(config["stages"]):
        check_keys(stage, [field.name for field in fields(Stage)], f"stages.{number}")
    own = [field.name for field in fields(_import(_SOURCE))]
    data = {task: expand_task(entry, own, f"data.{task}") for task, entry in config["data"].items()}
    return {**config, "model": expand_model(config["model"]), "data": data}


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is not ``model``, ``data`` or ``stages``."""
    return {key: value for key, value in config.items() if key not in SECTIONS}


def _import(path: str) -> Any:
    """Import a class or function whose module takes seconds to import."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def _resolve(kind: Any, given: Mapping[str, Any], where: str, *, check: bool = False) -> dict[str, Any]:
    """Return ``given``, the settings of a class or of a factory of one, with all defaults filled in.

    Where asked to, an object is built to check the values, and discarded.
    """
    key = f"{kind.__module__}.{kind.__name__} {where} {given!r}"
    return reused(key, partial(_resolve_anew, kind, given, where, check=check))


def _resolve_anew(kind: Any, given: Mapping[str, Any], where: str, *, check: bool) -> dict[str, Any]:
    parser, config = _parse(kind, given, where)
    dumped = yaml.safe_load(parser.dump(config, skip_unset=False))["part"][0]
    resolved: dict[str, Any] = ordered(dumped, first="class_path")
    if check:
        _build(kind, resolved, where)
    return resolved


def _resolve_model(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a model with all defaults filled in.

    Heads with settings are resolved first, one by one, so that a message can name the task.
    """
    heads = given["init_args"].get("heads")
    if isinstance(heads, dict) and given["class_path"].startswith(OWN_MODELS):
        own = {task: head for task, head in heads.items() if isinstance(head, dict) and "class_path" in head}
        resolved = {task: _resolve(_import(_HEAD), head, f"model.heads.{task}") for task, head in own.items()}
        given = {**given, "init_args": {**given["init_args"], "heads": {**heads, **resolved}}}
    return _resolve(_import(_MODEL), given, "model")


def _source(entry: Mapping[str, Any], where: str) -> "Source":
    """Build the source of a task.

    Its readers and transforms are built first: where null is allowed too, jsonargparse would hide their error messages.
    """
    types = {"reader": _READER, "val": _READER, "test": _READER, "transforms": _AUGMENTATION, "modality": _MODALITY}
    built = {
        key: _build(_import(path), entry[key], f"{where}.{key}")
        for key, path in types.items()
        if isinstance(entry[key], dict)
    }
    with _error_prefix(where):
        source: Source = _import(_SOURCE)(**{**entry, **built})
        return source


def _build(kind: type, given: Mapping[str, Any], where: str) -> Any:
    """Build an object from its settings."""
    parser, config = _parse(kind, given, where)
    with _error_prefix(where):
        return parser.instantiate(config).part[0]


@contextmanager
def _error_prefix(where: str) -> Iterator[None]:
    """Put the key path of an object in front of the error messages about its settings."""
    try:
        yield
    except SettingError as error:
        raise PolyheadError(f"{where}: {error}" if where else str(error)) from error


def _parse(kind: Any, given: Mapping[str, Any], where: str) -> "tuple[ArgumentParser, Namespace]":
    """Check one section of a recipe. Sections are parsed one by one, so that a message can name the key path."""
    from jsonargparse import ArgumentParser, set_parsing_settings

    require_bounded(given, where)
    refuse_nulls(f"{kind.__module__}.{kind.__name__}", given, where, ALLOWED)
    set_parsing_settings(import_path_denylist=["*"], import_path_allowlist=ALLOWED)
    parser = ArgumentParser(exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--part", type=list[kind])
    # It tries the types of a union in turn, and changes what is nested. As a mapping of names, a class whose init_args
    # come first is refused before that.
    given = ordered(given, first="init_args")
    try:
        return parser, parser.parse_object({"part": [given]})
    except ArgumentError as error:
        more_keys = [field.name for field in fields(kind)] if where.startswith("data.") else ()
        raise PolyheadError(explain(str(error), where, more_keys)) from error
