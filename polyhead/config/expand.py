"""Short forms of a recipe, written out: the plain mapping goes in, the mapping that signatures can check comes out.

``model: ssd300`` and ``reader: coco`` become import paths; settings of a task that are not the source's own become
those of its reader. What is already written out stays as it is.
"""

from collections.abc import Collection, Mapping
from typing import Any

from polyhead.errors import PolyheadError, suggest

SECTIONS = {
    "model": "the name of a model, or {class_path: NAME, init_args: {...}}",
    "data": "{TASK: {reader: NAME, ...}, ...}",
    "stages": "a list of stages",
}
"""The sections of every recipe, and what each holds."""

READERS = {
    "coco": "polyhead.data.readers.coco.Coco",
    "voc": "polyhead.data.readers.voc.Voc",
    "yolo": "polyhead.data.readers.yolo.Yolo",
    "penn_fudan": "polyhead.data.readers.penn_fudan.PennFudan",
    "folder": "polyhead.data.readers.folder.Folder",
    "cifar10": "polyhead.data.readers.cifar10.Cifar10",
    "coco_masks": "polyhead.data.readers.coco_masks.CocoMasks",
    "voc_masks": "polyhead.data.readers.voc_masks.VocMasks",
    "png_masks": "polyhead.data.readers.png_masks.PngMasks",
    "kept": "polyhead.data.readers.exemplars.Kept",
    "scenes": "polyhead.data.synthetic.scenes.Scenes",
    "merge": "polyhead.data.readers.merge.Merge",
}
"""Short names of the data formats."""

LOOKS = {"yolov4": "polyhead.data.augment.yolov4.Yolov4"}
"""Presets of transforms that have settings."""

_KINDS: dict[str, type | tuple[type, ...]] = {"model": (str, dict), "data": dict, "stages": list}


def check_sections(config: Mapping[str, Any]) -> None:
    """Refuse a recipe without a model, data or stages, or with something else in their place."""
    for section, form in SECTIONS.items():
        if not config.get(section):
            raise PolyheadError(f"the recipe has no {section}; a recipe needs {', '.join(SECTIONS)}")
        if not isinstance(config[section], _KINDS[section]):
            raise PolyheadError(f"{section}: expected {form}, got {config[section]!r}")


def check_keys(given: object, known: Collection[str], where: str) -> dict[str, Any]:
    """``given``, when it is a mapping with known keys only."""
    if not isinstance(given, dict):
        raise PolyheadError(f"{where}: expected settings 'key: value', got {given!r}")
    for key in given:
        if key not in known:
            raise PolyheadError(f"unknown key {str(key)!r} of {where}{suggest(str(key), known)}")
    return given


def expand_model(model: str | dict[str, Any]) -> dict[str, Any]:
    """``ssd300`` -> ``{class_path: polyhead.models.ssd300, init_args: {}}``."""
    given: dict[str, Any] = {"class_path": model} if isinstance(model, str) else model
    path = check_keys(given, ("class_path", "init_args"), "model").get("class_path")
    if not isinstance(path, str):
        raise PolyheadError(f"model.class_path: expected the name of a model, got {path!r}")
    path = path if "." in path else f"polyhead.models.{path}"
    return {"class_path": path, "init_args": dict(given.get("init_args") or {})}


def expand_task(entry: object, own: Collection[str], where: str) -> dict[str, Any]:
    """The settings of a task, those of its readers apart. A ``split`` that is a name is the reader's too.

    Args:
        entry: the task's settings. ``val`` and ``test`` may be a few settings: the rest is taken from ``reader``.
        own: the settings of a source; all others are the reader's.
        where: the task's place in the recipe, for messages.
    """
    if not isinstance(entry, dict):
        raise PolyheadError(f"{where}: expected {{reader: NAME, ...}}, got {entry!r}")
    rest = {key: value for key, value in entry.items() if key not in own or (key == "split" and isinstance(value, str))}
    task = {key: value for key, value in entry.items() if key not in rest}
    task["reader"] = reader = _expand_reader(task.get("reader"), rest, f"{where}.reader")
    for part in ("val", "test"):
        given = task.get(part)
        if isinstance(given, dict) and not {"reader", "class_path"} & given.keys():
            task[part] = {"class_path": reader["class_path"], "init_args": {**reader["init_args"], **given}}
        elif given is not None:
            task[part] = _expand_reader(given, {}, f"{where}.{part}")
    if isinstance(task.get("transforms"), dict):
        task["transforms"] = _expand_transforms(task["transforms"], f"{where}.transforms")
    return task


def _expand_transforms(given: dict[str, Any], where: str) -> dict[str, Any]:
    """``{preset: NAME, setting: value}``, written out as ``{class_path, init_args}``."""
    if "preset" in given:
        given = {"class_path": given["preset"], "init_args": {key: given[key] for key in given if key != "preset"}}
    path = check_keys(given, ("preset", "class_path", "init_args"), where).get("class_path")
    if not isinstance(path, str) or ("." not in path and path not in LOOKS):
        raise PolyheadError(f"{where}: expected a preset with settings ({', '.join(LOOKS)}), got {path!r}")
    return {"class_path": LOOKS.get(path, path), "init_args": dict(given.get("init_args") or {})}


def _expand_reader(given: object, arguments: dict[str, Any], where: str) -> dict[str, Any]:
    """A reader given by its name, as ``{reader: NAME, setting: value}`` or as ``{class_path, init_args}``."""
    if isinstance(given, dict) and "reader" in given:
        rest = {key: value for key, value in given.items() if key != "reader"}
        return _expand_reader(given["reader"], {**rest, **arguments}, where)
    if isinstance(given, dict):
        check_keys(given, ("class_path", "init_args"), where)
        return _expand_reader(given.get("class_path"), {**(given.get("init_args") or {}), **arguments}, where)
    if not isinstance(given, str):
        raise PolyheadError(f"{where}: expected a data format ({', '.join(READERS)}), got {given!r}")
    if "." not in given and given not in READERS:
        raise PolyheadError(f"{where}: unknown data format {given!r}{suggest(given, READERS)}")
    path = READERS.get(given, given)
    if path == READERS["merge"] and isinstance(arguments.get("parts"), dict):
        parts = {name: _expand_reader(part, {}, f"{where}.parts.{name}") for name, part in arguments["parts"].items()}
        arguments = {**arguments, "parts": parts}
    return {"class_path": path, "init_args": arguments}
