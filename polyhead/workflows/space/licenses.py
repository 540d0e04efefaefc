"""Licenses of what a Space contains: the data, the weights that were trained from it, and all together.

Images of a data set are passed on without being asked for only if each license that the data states is one of
:data:`OPEN`. A license that is named together with reservations ("CC BY 4.0; the photos are under the terms of their
owners") is not: all parts of the text, separated by semicolons, must be open licenses.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any

from polyhead.data.catalog import WEIGHTS_CATALOG
from polyhead.paths import HUB, OFFICIAL

UNKNOWN = "unknown"
OWN = "Apache-2.0"
"""License of Polyhead's files."""
OPEN = frozenset(
    [
        "apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "isc", "unlicense", "cc0-1.0", "pddl", "odc-by", "odbl",
        "cdla-permissive-1.0", "cdla-permissive-2.0", "cdla-sharing-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0",
        "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0",
    ]
)  # fmt: skip
"""Licenses that allow everyone to pass files on, by the Hub's identifiers."""
TIMM = "timm's "
"""Start of the names of timm's weights."""
_ALIASES = {
    "apache-license-2.0": "apache-2.0",
    "apache-2": "apache-2.0",
    "cc0": "cc0-1.0",
    "odc-odbl": "odbl",
    "creative-commons-attribution-4.0": "cc-by-4.0",
    "creative-commons-attribution-4.0-international": "cc-by-4.0",
}
_ADDRESS = re.compile(r"https?://creativecommons\.org/licenses/([a-z-]+)/([0-9.]+)/?")
_REMARK = re.compile(r"\s*\([^()]*\)$")
"""A remark at the end, as in "Apache-2.0 (drawn by Polyhead)"."""


def identifier(text: str) -> str | None:
    """Return the Hub's identifier of a license that :data:`OPEN` has; None for any other text.

    Examples:
        >>> identifier("CC BY 4.0"), identifier("Apache-2.0 (drawn by Polyhead)"), identifier("CC BY 4.0, mostly")
        ('cc-by-4.0', 'apache-2.0', None)
    """
    plain = _ADDRESS.sub(r"cc-\1-\2", _REMARK.sub("", text.strip().lower()))
    plain = re.sub(r"[\s_-]+", "-", plain).removesuffix("-license")
    plain = _ALIASES.get(plain, plain)
    return plain if plain in OPEN else None


def is_open(text: str) -> bool:
    """Return whether a text states open licenses and nothing else.

    Examples:
        >>> is_open("MIT; CC0 1.0"), is_open("CC BY 4.0; the photos are under the terms of their owners"), is_open("")
        (True, False, False)
    """
    return all(identifier(part) for part in text.split(";"))


def together(texts: Iterable[str]) -> str:
    """Return the Hub's identifier of the license that all texts state; ``other`` for several or an unknown one."""
    found = {identifier(part) for text in texts for part in text.split(";")}
    only = found.pop() if len(found) == 1 else None
    return only or "other"


def of_data(manifest: Mapping[str, Any], tasks: Iterable[str]) -> dict[str, str]:
    """Return the license of the data of each task; ``unknown`` where the run does not state it."""
    data = manifest.get("data", {})
    entries = data if isinstance(data, dict) else {}
    return {task: entries.get(task, {}).get("license") or UNKNOWN for task in tasks}


def of_pretrained(model: Mapping[str, Any], config: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return the licenses of the weights from which a run started, by name.

    Args:
        model: the settings of its model (:attr:`polyhead.checkpoint.Checkpoint.model`).
        config: its recipe; empty for a run of :func:`polyhead.fit`.
        manifest: its manifest.
    """
    found = dict(_named(model))
    starts = [start for stage in config.get("stages", ()) for start in (stage.get("init") or {}).values()]
    if starts or "extends" in manifest:
        found["an earlier run"] = UNKNOWN
    return found


def of_weights(data: Mapping[str, str], pretrained: Mapping[str, str]) -> str:
    """Return what a reader must know of the license of weights: the data and the weights that they come from."""
    sources = "; ".join(dict.fromkeys(data.values()))
    starts = ", ".join(f"{name}: {terms}" for name, terms in pretrained.items())
    return f"data: {sources}; pretrained weights: {starts or 'none'}"


def hub_models(pretrained: Iterable[str]) -> list[str]:
    """Return the repositories on the Hub of pretrained weights.

    Args:
        pretrained: names of weights (:func:`of_pretrained`).
    """
    backbones = [name.removeprefix(TIMM) for name in pretrained if name.startswith(TIMM)]
    return [config.hf_hub_id for each in backbones if (config := _timm_config(each)) is not None and config.hf_hub_id]


def _named(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name and the license of all pretrained weights in the settings of a model."""
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _named(value)
        elif key == "weights" and value == HUB:
            backbone = node.get("backbone")
            yield f"{TIMM}{backbone or 'weights'}", _of_timm(backbone)
        elif key == "weights" and isinstance(value, str):
            name = PurePath(value.replace("\\", "/")).name
            official = next((each for each, files in OFFICIAL.items() if name in (each, *files)), None)
            yield official or name, WEIGHTS_CATALOG[official].license if official else UNKNOWN


def _of_timm(backbone: Any) -> str:
    """Return the license that timm states for the default weights of a backbone."""
    return getattr(_timm_config(backbone), "license", None) or UNKNOWN


def _timm_config(backbone: Any) -> Any:
    """Return what timm states of the default weights of a backbone; None if it does not have it."""
    import timm

    return timm.get_pretrained_cfg(backbone) if isinstance(backbone, str) else None
