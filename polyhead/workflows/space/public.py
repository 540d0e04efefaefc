"""Reduce the files of a run to what may be public: no paths, no command line, no names of machines or of all images."""

import json
import platform
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from polyhead import checkpoint
from polyhead.checkpoint import Checkpoint
from polyhead.config.files import without_weights
from polyhead.errors import PolyheadError, few

MANIFEST = ("seed", "precision", "versions", "parameters", "kinds", "started", "finished")
"""Entries of a manifest that are public."""
_PATH = re.compile(r"(?<![\w.:/~-])(?:~|/[\w.@+ -]+)/[\w.@+-]+|\b[A-Za-z]:\\|\\\\[\w.-]+\\")
"""An absolute path: of two or more parts, in the home folder, of Windows, or on another machine."""
PACKAGE = "polyhead"


def private_part(text: str) -> str | None:
    """Return the first path or name of this machine in a text; None without any.

    Examples:
        >>> private_part("read /home/ann/data.json"), private_part("seg/det, 3 of 5; see https://example.org/a/b")
        ('/home/ann', None)
    """
    if found := _PATH.search(text):
        return found[0]
    node = platform.node()
    return node if len(node) > 3 and re.search(rf"\b{re.escape(node)}\b", text) else None


def thin_manifest(manifest: Mapping[str, Any], data: Mapping[str, str]) -> dict[str, Any]:
    """Return the public entries of a manifest.

    Args:
        manifest: the manifest of a run.
        data: the license of the data of each task.
    """
    public = {key: manifest[key] for key in MANIFEST if key in manifest}
    return {**public, "data": {task: {"license": terms} for task, terms in data.items()}}


def thin_mistakes(content: Mapping[str, Any], tasks: Collection[str]) -> dict[str, Any]:
    """Return the list of mistakes of some tasks, without paths and without the images that could not be read."""
    found = {task: entry for task, entry in content.get("tasks", {}).items() if task in tasks}
    shown = [each for each in content.get("mistakes", ()) if each.get("task") in tasks]
    return {
        **{key: content[key] for key in ("split", "conf") if key in content},
        "tasks": {task: _without(entry, "unread") for task, entry in found.items()},
        "mistakes": [_without(each, "path") for each in shown],
    }


def _without(entry: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return a mapping without a key."""
    return {name: value for name, value in entry.items() if name != key}


def public_weights(path: Path, weights: Checkpoint) -> Path | bytes:
    """Return a weights file without the paths of pretrained weights: the file itself if it names none.

    Args:
        path: the weights file.
        weights: its content.
    """
    model = without_weights(weights.model)
    if model == weights.model:
        return path
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        checkpoint.save(copy, weights._replace(model=model))
        return copy.read_bytes()


def check_own_parts(path: Path, weights: Checkpoint) -> None:
    """Check that Polyhead alone can build a model, as a Space has no other package with parts of models.

    Raises:
        PolyheadError: if it has parts of another package, or the weights file does not describe it.
    """
    if not weights.model or not weights.tasks:
        raise PolyheadError(
            f"{path} does not describe its model, so a Space cannot build it. Only a run of 'polyhead train' can be a "
            "Space."
        )
    parts = [*_classes(weights.model)]
    for entry in weights.tasks.values():
        parts += [entry.get("kind", ""), entry.get("modality", {}).get("name", "")]
    foreign = sorted({part for part in parts if "." in part and part.split(".")[0] != PACKAGE})
    if foreign:
        raise PolyheadError(
            f"{path} uses {few(foreign, 3)}, which a Space does not have. Only a model of Polyhead's own parts can be "
            "a Space."
        )


def _classes(node: Any) -> Iterator[str]:
    """Yield all class paths in settings."""
    if isinstance(node, Mapping):
        if isinstance(node.get("class_path"), str):
            yield node["class_path"]
        for value in node.values():
            yield from _classes(value)
    elif isinstance(node, list):
        for value in node:
            yield from _classes(value)


def json_bytes(content: Mapping[str, Any]) -> bytes:
    """Return a JSON file."""
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
