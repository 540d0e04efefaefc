"""Find the files and folders that a recipe names.

They are, in ``data``, every parameter of a reader whose annotation contains ``Path``, and the lists of ids in
``split``; in ``model``, ``weights`` at any level and likewise every parameter with ``Path``; in ``stages``, the runs
and weights files in ``init``. A relative path is looked up next to the recipe, and then where
:func:`polyhead.paths.find` looks.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from inspect import Parameter
from pathlib import Path
from typing import Any, NamedTuple

from polyhead.config.errors import parameters
from polyhead.errors import PolyheadError
from polyhead.paths import DATA, HUB, RECIPES, WEIGHTS, check_utf8, expanded, find
from polyhead.run import Run

_LISTS = ("train", "val", "test")
_UNNAMED = ("reader", "init_args")
"""Keys that a recipe in short form does not have, so that error messages leave them out."""


class _FileSetting(NamedTuple):
    """A setting that is the path of a file or folder.

    Attributes:
        node: the mapping that contains it.
        key: its key in there.
        where: its key path in the recipe, for error messages.
        variable: the environment variable with further folders.
        required: whether it must exist. An optional parameter of a reader may be a file that is yet to be written.
    """

    node: dict[str, Any]
    key: str
    where: str
    variable: str
    required: bool = True

    @property
    def path(self) -> Path:
        """The path as written, with ``~`` replaced by the home folder."""
        return expanded(self.node[self.key])


def recipe_folders(recipe: Path) -> list[Path]:
    """Return the folder to look up a recipe's relative paths in first; none for a recipe without one of its own.

    The files of a recipe that ships are found from anywhere. The recipe of a run (``config.yaml``) was written
    somewhere else, and what is next to it (``samples``, ``weights``) is not data.
    """
    folder = recipe.parent.resolve()
    run = Run(folder)
    of_run = recipe.name == run.config.name and run.manifest.is_file()
    return [] if of_run or folder.is_relative_to(RECIPES.resolve()) else [folder]


def make_absolute(config: Mapping[str, Any], folders: Sequence[Path]) -> dict[str, Any]:
    """Return resolved settings with absolute paths in place of those that depend on where the recipe is used.

    These are the relative paths that exist in one of the folders, or else in the current one. Others stay as they are:
    those that an environment variable or the cache leads to are found from anywhere, on other machines too.

    Args:
        config: the resolved settings of a recipe; not changed.
        folders: absolute folders, the first one first.
    """
    result = deepcopy(dict(config))
    for setting in _file_settings(result):
        places = [] if setting.path.is_absolute() else [folder / setting.path for folder in (*folders, Path.cwd())]
        existing = [str(path) for path in places if path.exists()]
        if existing:
            setting.node[setting.key] = check_utf8(existing[0])
    return result


def require(config: Mapping[str, Any], folders: Sequence[Path]) -> None:
    """Check that every file and folder that a recipe names exists.

    Args:
        config: the resolved settings of the recipe.
        folders: as for :func:`make_absolute`, so that the message lists them too.

    Raises:
        PolyheadError: for the first that does not exist; the message lists all places that were searched.
    """
    for setting in _file_settings(config):
        try:
            find(setting.path, setting.variable, folders)
        except PolyheadError as error:
            if setting.required:
                raise PolyheadError(f"{setting.where}: {error}") from error


def same(recorded: Any, planned: Any, folders: Sequence[Path]) -> bool:
    """Return whether the settings of a run are those of a recipe, wherever the files are that both name.

    Without this, a study whose folder was moved, or whose data was deleted, would not recognize its own runs: a path
    that exists next to the recipe is absolute in the run, and may now be another one or relative.

    Args:
        recorded: the resolved settings of the run, or a part of them.
        planned: likewise of the recipe.
        folders: as for :func:`make_absolute`.
    """
    if isinstance(recorded, dict) and isinstance(planned, dict):
        return recorded.keys() == planned.keys() and all(same(recorded[key], planned[key], folders) for key in planned)
    if isinstance(recorded, list) and isinstance(planned, list):
        pairs = zip(recorded, planned, strict=False)
        return len(recorded) == len(planned) and all(same(one, other, folders) for one, other in pairs)
    if recorded == planned or not (isinstance(recorded, str) and isinstance(planned, str)):
        return bool(recorded == planned)
    begun, written = Path(recorded), Path(planned)
    inside = [folder for folder in (*folders, Path.cwd()) if written.is_relative_to(folder)]
    written = written.relative_to(inside[0]) if inside else written  # as in the recipe
    if begun.is_absolute() and not written.is_absolute():
        return begun.parts[-len(written.parts) :] == written.parts
    return begun == written


def without_weights(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a model with ``weights`` set to None at all levels, so that no pretrained file is read."""
    return {
        key: None if key == "weights" else without_weights(value) if isinstance(value, dict) else value
        for key, value in spec.items()
    }


def _file_settings(config: Mapping[str, Any]) -> Iterator[_FileSetting]:
    """Yield every file and folder that the resolved settings of a recipe name, in their order."""
    yield from _of_parts(config["model"], "model", WEIGHTS)
    for task, entry in config["data"].items():
        yield from _of_parts(entry, f"data.{task}", DATA)
        for name, value in (entry["split"] or {}).items():
            if name in _LISTS and isinstance(value, str):
                yield _FileSetting(entry["split"], name, f"data.{task}.split.{name}", DATA)
    for number, stage in enumerate(config["stages"]):
        for part in stage["init"]:
            yield _FileSetting(stage["init"], part, f"stages.{number}.init.{part}", WEIGHTS)


def _of_parts(node: dict[str, Any], where: str, variable: str) -> Iterator[_FileSetting]:
    """Yield the file settings of all parts (``{class_path, init_args}``) at or below a node."""
    known = parameters(node["class_path"]) if "class_path" in node else {}
    given = node.get("init_args") or {}
    for key, parameter in known.items():
        named = variable == WEIGHTS and key == "weights" and given.get(key) != HUB
        if isinstance(given.get(key), str) and (named or "Path" in str(parameter.annotation)):
            yield _FileSetting(given, key, f"{where}.{key}", variable, named or parameter.default is Parameter.empty)
    for key, value in node.items():
        below = where if key in _UNNAMED else f"{where}.{key}"
        if isinstance(value, dict):
            yield from _of_parts(value, below, variable)
        for number, each in enumerate(value if isinstance(value, list) else ()):
            if isinstance(each, dict):
                yield from _of_parts(each, f"{below}.{number}", variable)
