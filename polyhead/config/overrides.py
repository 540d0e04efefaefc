"""Apply overrides to a recipe: ``stages.0.epochs=5``, ``--seed 3``, ``batch=4``."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from polyhead.config.renamed import suggest_key
from polyhead.data.io.yaml_files import yaml_value
from polyhead.errors import PolyheadError

ALIASES = {
    "epochs": "stages.0.epochs",
    "lr": "stages.0.lr",
    "optimizer": "stages.0.optimizer",
    "accumulate": "stages.0.accumulate",
    "patience": "stages.0.patience",
    "batch": "data.*.batch",
    "workers": "data.*.workers",
    "imgsz": "model.size",
    "weight_decay": "stages.0.weight_decay",
    "transforms": "data.*.transforms",
    "dropout": "model.dropout",
}
"""Short keys that are common in other tools. Those of a stage need a recipe with one stage."""

TEXTS = ("name", "runs")
"""Settings that are texts, whatever YAML would read."""

DOTTED = ("lr_mult", "init", "weights")
"""Settings of a stage whose keys are names of model parts, which may have dots (``stages.0.lr_mult.neck.0=0``)."""


def listed(changes: Any) -> list[str]:
    """Return the overrides that a Python user gives, in order.

    Raises:
        PolyheadError: when they are a single string, or no strings.
    """
    if isinstance(changes, str) or not all(isinstance(change, str) for change in changes):
        raise PolyheadError(f"changes: expected a list such as ['epochs=1'], got {changes!r}")
    return list(changes)


def joined(argv: Iterable[str], option: str) -> list[str]:
    """Join an option with its value, which would be an override otherwise.

    >>> joined(["demo", "--vary", "lr=1,2"], "--vary")
    ['demo', '--vary=lr=1,2']
    """
    words = iter(argv)
    return [f"{word}={next(words, '')}" if word == option else word for word in words]


def separate(argv: Sequence[str], own: Iterable[str]) -> tuple[list[str], list[str]]:
    """Split command-line arguments into those of the command and overrides ``key=value``.

    ``--key value`` and ``--key=value`` are overrides unless ``--key`` is in ``own``, the options of the command.

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
                raise PolyheadError(f"{word} needs a value. Write {word} VALUE or {key}=VALUE.")
            changes.append(f"{key}={value}")
    return rest, changes


def merge(config: dict[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``config`` updated by ``patch``: mappings are merged, other values replaced, null removes a key."""
    result = {key: value for key, value in config.items() if key not in patch or patch[key] is not None}
    for key, value in patch.items():
        if value is not None:
            old = result.get(key)
            result[key] = merge(old if isinstance(old, dict) else {}, value) if isinstance(value, Mapping) else value
    return result


def apply(config: dict[str, Any], change: str, known: Collection[str]) -> None:
    """Apply one override to ``config``, in place.

    Args:
        config: a recipe.
        change: ``key=value`` with a value in YAML.
        known: the valid top-level keys of a recipe.

    Raises:
        PolyheadError: when the key does not exist, or the value is not valid YAML.
    """
    key, equals, text = change.partition("=")
    if not equals:
        raise PolyheadError(f"{change!r} is not an override. Write {change}=VALUE.")
    value = yaml_value(text, change)
    if key in TEXTS and value is not None and not isinstance(value, str):
        value = text  # 2024_01 is a number in YAML
    path = ALIASES.get(key, key).split(".")
    if path[0] not in known:
        raise PolyheadError(f"unknown key {path[0]!r} of the recipe{suggest_key(path[0], [*known, *ALIASES])}")
    stages = config.get("stages")
    if ALIASES.get(key, "").startswith("stages") and isinstance(stages, list) and len(stages) > 1:
        raise PolyheadError(f"{key!r} is ambiguous: the recipe has {len(stages)} stages. Write stages.0.{key}={text}")
    if path[0] == "stages" and len(path) > 4 and path[2] in DOTTED:
        path[3:] = [".".join(path[3:])]
    _put(config, path, value, change)


def _put(node: Any, path: list[str], value: Any, change: str, parent: str = "") -> None:
    """Set the value at ``path`` below ``node``; missing mappings on the way are created.

    Args:
        node: settings, or a list of them; changed in place.
        path: the keys and indices that remain.
        value: the value to set.
        change: the override, for error messages.
        parent: the key of ``node``.
    """
    step, rest = path[0], path[1:]
    if isinstance(node, dict):
        if "class_path" in node and step not in ("class_path", "init_args"):
            node = node.setdefault("init_args", {})
        keys: list[Any] = [key for key in node if node[key] is not None] if step == "*" else [step]
    elif isinstance(node, list):
        keys = _indices(node, step, change)
    else:
        raise PolyheadError(f"{change!r}: cannot set {step!r}: {node!r} has no settings")
    for key in keys:
        if rest:
            if isinstance(node, dict) and node.get(key) is None:
                node[key] = {}
            if (parent == "heads" or key in ("model", "reader", "transforms")) and isinstance(node[key], str):
                node[key] = {"class_path": node[key]}  # a short name, which now gets settings
            _put(node[key], rest, value, change, str(key))
        else:
            node[key] = value


def _indices(entries: list[Any], step: str, change: str) -> list[int]:
    """Return the list indices that a step of a key path names: one, or all for ``*``."""
    if step == "*":
        return list(range(len(entries)))
    if not step.isdecimal():
        raise PolyheadError(f"{change!r}: expected an index into a list (the first entry is 0), got {step!r}")
    if int(step) >= len(entries):
        valid = f"{len(entries)} entries: 0 to {len(entries) - 1}" if len(entries) > 1 else f"{len(entries)} entry: 0"
        raise PolyheadError(f"{change!r}: there is no entry {step}. The recipe has {valid}")
    return [int(step)]
