"""Changes to a recipe from the command line: ``stages.0.epochs=5``, ``--seed 3``, ``batch=4``."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import yaml

from polyhead.errors import PolyheadError, suggest

ALIASES = {
    "epochs": "stages.0.epochs",
    "lr": "stages.0.lr",
    "optimizer": "stages.0.optimizer",
    "patience": "stages.0.patience",
    "batch": "data.*.batch",
    "workers": "data.*.workers",
    "imgsz": "model.size",
}
"""Short keys, as users of other detectors know them. Those of a stage need a recipe with one stage."""

DOTTED = ("rates", "init", "weights")
"""Settings of a stage whose keys are names of parts, dots included (``stages.0.rates.neck.0=0``)."""


def separate(argv: Sequence[str], own: Iterable[str]) -> tuple[list[str], list[str]]:
    """Split arguments into the command's own words and overrides ``key=value``.

    ``--key value`` and ``--key=value`` are overrides where ``--key`` is not one of the command's ``own`` options.

    Raises:
        PolyheadError: when the value of the last ``--key`` is missing.
    """
    rest: list[str] = []
    changes: list[str] = []
    words = iter(argv)
    for word in words:
        key = word.removeprefix("--")
        if word == key:
            (changes if re.match(r"[A-Za-z_][\w.*-]*=", word) else rest).append(word)
        elif word.split("=")[0] in own or not key:
            rest.append(word)
        elif "=" in key:
            changes.append(key)
        else:
            value = next(words, None)
            if value is None:
                raise PolyheadError(f"{word} needs a value: {word} VALUE or {key}=VALUE")
            changes.append(f"{key}={value}")
    return rest, changes


def lay(config: dict[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """``config`` with ``patch`` laid over it: mappings are merged key by key, all else is replaced; null takes out."""
    result = {key: value for key, value in config.items() if key not in patch or patch[key] is not None}
    for key, value in patch.items():
        if value is not None:
            old = result.get(key)
            result[key] = lay(old if isinstance(old, dict) else {}, value) if isinstance(value, Mapping) else value
    return result


def apply(config: dict[str, Any], change: str, known: Collection[str]) -> None:
    """Change ``config`` in place.

    Args:
        config: a recipe.
        change: ``key=value``, its value YAML.
        known: the keys of a recipe.

    Raises:
        PolyheadError: when the key leads nowhere, or the value is no YAML.
    """
    key, equals, text = change.partition("=")
    if not equals:
        raise PolyheadError(f"{change!r} is no override; write {change}=VALUE")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PolyheadError(f"{change!r}: the value is no valid YAML; put it in quotes") from error
    path = ALIASES.get(key, key).split(".")
    if path[0] not in known:
        raise PolyheadError(f"unknown key {path[0]!r} of the recipe{suggest(path[0], [*known, *ALIASES])}")
    stages = config.get("stages")
    if ALIASES.get(key, "").startswith("stages") and isinstance(stages, list) and len(stages) > 1:
        raise PolyheadError(f"{key!r} is ambiguous: the recipe has {len(stages)} stages; write stages.0.{key}={text}")
    if path[0] == "stages" and len(path) > 4 and path[2] in DOTTED:
        path[3:] = [".".join(path[3:])]
    _put(config, path, value, change)


def _put(node: Any, path: list[str], value: Any, change: str) -> None:
    part, rest = path[0], path[1:]
    if isinstance(node, dict):
        if "class_path" in node and part not in ("class_path", "init_args"):
            node = node.setdefault("init_args", {})
        keys: list[Any] = [key for key in node if node[key] is not None] if part == "*" else [part]
    elif isinstance(node, list):
        keys = _positions(node, part, change)
    else:
        raise PolyheadError(f"{change!r} leads nowhere: there is nothing to set inside of {node!r}")
    for key in keys:
        if rest:
            if isinstance(node, dict) and node.get(key) is None:
                node[key] = {}
            if key in ("model", "reader", "transforms") and isinstance(node[key], str):
                node[key] = {"class_path": node[key]}  # a bare name gets a place for its settings
            _put(node[key], rest, value, change)
        else:
            node[key] = value


def _positions(entries: list[Any], part: str, change: str) -> list[int]:
    if part == "*":
        return list(range(len(entries)))
    if not part.isdecimal():
        raise PolyheadError(f"{change!r}: {part!r} stands where a position in a list is expected, counted from 0")
    if int(part) >= len(entries):
        there = f"{len(entries)} entries, 0 to {len(entries) - 1}" if len(entries) > 1 else f"{len(entries)} entry, 0"
        raise PolyheadError(f"{change!r}: there is no entry {part}; the recipe has {there}")
    return [int(part)]
