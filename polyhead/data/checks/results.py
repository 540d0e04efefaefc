"""Store what checks of data have found in the user's cache folder, so that only data that has changed is read again."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from polyhead.data.io.json_files import load_json
from polyhead.errors import PolyheadError
from polyhead.paths import cache
from polyhead.run import write_text

VERSION = 1
"""Version of the stored values; others are not used."""


def stored(key: str) -> Any:
    """Return what :func:`store` has written under a key; None if there is nothing, or nothing that can be used."""
    with suppress(PolyheadError):  # a damaged file, or no home folder: the check is only repeated
        content = load_json(_file(key))
        if isinstance(content, dict) and content.get("version") == VERSION:
            return content.get("value")
    return None


def store(key: str, value: Any) -> None:
    """Write a value of plain types to the user's cache folder."""
    with suppress(PolyheadError, OSError):  # without a writable cache the check is only repeated
        file = _file(key)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps({"version": VERSION, "value": value}))


def _file(key: str) -> Path:
    return cache("POLYHEAD_CHECKED") / f"{key}.json"
