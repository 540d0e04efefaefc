"""Expand the short forms of a recipe to class paths and arguments, which are then checked against signatures.

``model: ssd300`` and ``reader: coco`` become import paths. Settings of a task that are not parameters of its source
become arguments of its reader. Settings in full form are left unchanged.
"""

from collections.abc import Collection, Mapping
from typing import Any

from polyhead.config.names import check_names
from polyhead.config.renamed import suggest_key
from polyhead.errors import PolyheadError

SECTIONS = {
    "model": "the name of a model, or {class_path: NAME, init_args: {...}}",
    "data": "{TASK: {reader: NAME, ...}, ...}",
    "stages": "a list of stages",
}
"""The sections that every recipe needs, and the form of each."""

READERS = {
    "coco": "polyhead.data.readers.coco.Coco",
    "voc": "polyhead.data.readers.voc.Voc",
    "yolo": "polyhead.data.readers.yolo.Yolo",
    "labelme": "polyhead.data.readers.labelme.LabelMe",
    "box_csv": "polyhead.data.readers.box_csv.BoxCsv",
    "penn_fudan": "polyhead.data.readers.penn_fudan.PennFudan",
    "folder": "polyhead.data.readers.folder.Folder",
    "cifar10": "polyhead.data.readers.cifar10.Cifar10",
    "oxford_pets": "polyhead.data.readers.oxford_pets.OxfordPets",
    "oxford_pets_masks": "polyhead.data.readers.oxford_pets.OxfordPetsMasks",
    "coco_masks": "polyhead.data.readers.coco_masks.CocoMasks",
    "yolo_masks": "polyhead.data.readers.yolo_masks.YoloMasks",
    "voc_masks": "polyhead.data.readers.voc_masks.VocMasks",
    "labelme_masks": "polyhead.data.readers.labelme_masks.LabelMeMasks",
    "png_masks": "polyhead.data.readers.png_masks.PngMasks",
    "exemplars": "polyhead.data.readers.exemplars.ExemplarReader",
    "scenes": "polyhead.data.synthetic.scenes.Scenes",
    "merge": "polyhead.data.readers.merge.Merge",
}
"""Short names of the data formats."""

AUGMENTATIONS = {
    "yolov4": "polyhead.data.augment.yolov4.Yolov4",
    "yolox": "polyhead.data.augment.yolov4.Yolox",
}
"""Transform presets that have settings."""

OWN_MODELS = "polyhead.models."
"""Where the models are whose short names recipes use."""

_TYPES: dict[str, type | tuple[type, ...]] = {"model": (str, dict), "data": dict, "stages": list}


def check_sections(config: Mapping[str, Any]) -> None:
    """Check that a recipe has a model, data and stages, each of the right type."""
    for section, form in SECTIONS.items():
        if not config.get(section):
            raise PolyheadError(f"the recipe has no {section}. A recipe needs {', '.join(SECTIONS)}.")
        if not isinstance(config[section], _TYPES[section]):
            raise PolyheadError(f"{section}: expected {form}, got {config[section]!r}")


def check_keys(given: object, known: Collection[str], where: str) -> dict[str, Any]:
    """Check that ``given`` is a mapping with known keys only, and return it."""
    if not isinstance(given, dict):
        raise PolyheadError(f"{where}: expected settings 'key: value', got {given!r}")
    for key in given:
        if key not in known:
            raise PolyheadError(f"unknown key {str(key)!r} of {where}{suggest_key(str(key), known)}")
    return given


def _arguments(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a copy of the ``init_args`` of a part, which may be left out."""
    arguments = given.get("init_args") or {}
    if not isinstance(arguments, dict):
        raise PolyheadError(f"{where}.init_args: expected settings 'key: value', got {arguments!r}")
    return dict(arguments)


def expand_model(model: str | dict[str, Any]) -> dict[str, Any]:
    """Expand ``ssd300`` to ``{class_path: polyhead.models.ssd300, init_args: {}}``."""
    given: dict[str, Any] = {"class_path": model} if isinstance(model, str) else model
    path = check_keys(given, ("class_path", "init_args"), "model").get("class_path")
    if not isinstance(path, str):
        raise PolyheadError(f"model.class_path: expected the name of a model, got {path!r}")
    path = path if "." in path else f"{OWN_MODELS}{path}"
    arguments = _arguments(given, "model")
    if path.startswith(OWN_MODELS) and arguments.get("heads") is not None:
        arguments["heads"] = _expand_heads(arguments["heads"], "model.heads")
    return {"class_path": path, "init_args": arguments}


def _expand_heads(given: object, where: str) -> dict[str, Any]:
    """Expand the heads of a model: short names with settings, and import paths, become ``{class_path, init_args}``.

    Tasks whose head is null are left out.
    """
    from polyhead.models.heads import HEADS, head_path  # imports torch, which no recipe without this setting needs yet

    if not isinstance(given, dict):
        raise PolyheadError(f"{where}: expected the head of each task, {{TASK: NAME}}, got {given!r}")
    heads: dict[str, Any] = {}
    for task, head in check_names(given, where).items():
        at = f"{where}.{task}"
        name = check_keys(head, ("class_path", "init_args"), at).get("class_path") if isinstance(head, dict) else head
        if head is None:
            continue
        if not isinstance(name, str):
            raise PolyheadError(f"{at}: expected a head ({', '.join(HEADS)}), or {{class_path: NAME}}, got {head!r}")
        path = name if "." in name else head_path(name, at)
        arguments = _arguments(head, at) if isinstance(head, dict) else {}
        is_short = isinstance(head, str) and "." not in head
        heads[task] = head if is_short else {"class_path": path, "init_args": arguments}
    return heads


def expand_task(entry: object, own: Collection[str], where: str) -> dict[str, Any]:
    """Expand the settings of a task and separate those of its readers.

    A ``split`` that is a string is an argument of the reader (the name of a given split).

    Args:
        entry: the settings of the task. ``val`` and ``test`` may hold only the arguments that differ from ``reader``.
        own: parameters of a source; all other settings are arguments of the reader.
        where: key path of the task in the recipe, for error messages.
    """
    if not isinstance(entry, dict):
        raise PolyheadError(f"{where}: expected {{reader: NAME, ...}}, got {entry!r}")
    arguments = {
        key: value for key, value in entry.items() if key not in own or (key == "split" and isinstance(value, str))
    }
    task = {key: value for key, value in entry.items() if key not in arguments}
    task["reader"] = reader = _expand_reader(task.get("reader"), arguments, f"{where}.reader")
    for split in ("val", "test"):
        given = task.get(split)
        if isinstance(given, dict) and not {"reader", "class_path"} & given.keys():
            task[split] = {"class_path": reader["class_path"], "init_args": {**reader["init_args"], **given}}
        elif given is not None:
            task[split] = _expand_reader(given, {}, f"{where}.{split}")
    if isinstance(task.get("transforms"), dict):
        task["transforms"] = _expand_transforms(task["transforms"], f"{where}.transforms")
    return task


def _expand_transforms(given: dict[str, Any], where: str) -> dict[str, Any]:
    """Expand ``{preset: NAME, setting: value}`` to ``{class_path, init_args}``."""
    if "preset" in given:
        given = {"class_path": given["preset"], "init_args": {key: given[key] for key in given if key != "preset"}}
    path = check_keys(given, ("preset", "class_path", "init_args"), where).get("class_path")
    if not isinstance(path, str) or ("." not in path and path not in AUGMENTATIONS):
        raise PolyheadError(f"{where}: expected a preset with settings ({', '.join(AUGMENTATIONS)}), got {path!r}")
    return {"class_path": AUGMENTATIONS.get(path, path), "init_args": _arguments(given, where)}


def _expand_reader(given: object, arguments: dict[str, Any], where: str) -> dict[str, Any]:
    """Expand a reader: a name, ``{reader: NAME, setting: value}`` or ``{class_path, init_args}``."""
    if isinstance(given, dict) and "reader" in given:
        own = {key: value for key, value in given.items() if key != "reader"}
        return _expand_reader(given["reader"], {**own, **arguments}, where)
    if isinstance(given, dict):
        check_keys(given, ("class_path", "init_args"), where)
        return _expand_reader(given.get("class_path"), {**_arguments(given, where), **arguments}, where)
    if not isinstance(given, str):
        raise PolyheadError(f"{where}: expected a data format ({', '.join(READERS)}), got {given!r}")
    if "." not in given and given not in READERS:
        raise PolyheadError(f"{where}: unknown data format {given!r}{suggest_key(given, READERS)}")
    path = READERS.get(given, given)
    if path == READERS["merge"] and isinstance(arguments.get("parts"), dict):
        given_parts = check_names(arguments["parts"], f"{where}.parts")
        parts = {name: _expand_reader(part, {}, f"{where}.parts.{name}") for name, part in given_parts.items()}
        arguments = {**arguments, "parts": parts}
    return {"class_path": path, "init_args": arguments}
