"""Read JSON files of annotations."""

import json
from collections import Counter
from collections.abc import Iterable
from math import isfinite
from pathlib import Path
from reprlib import repr as short
from typing import Any

from polyhead.data.io.files import read_text
from polyhead.errors import InvalidFileError

CHUNK = 1 << 20
"""Bytes that :func:`contains` reads at a time."""


def load_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InvalidFileError: if the file cannot be read, is not valid JSON (names line and column), or gives a key twice.
    """
    text = read_text(path)
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        where = f"{path}: line {error.lineno}, column {error.colno}"
        raise InvalidFileError(
            where, f"is not valid JSON ({error.msg})", "repair the file, or export it again"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidFileError(path, f"cannot be used as JSON ({error})", "export the file again") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the mapping of pairs; Python would keep the last of two equal keys without a word."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {short(twice)} is given twice")
    return found


def number(value: Any) -> float | None:
    """Return a JSON number, or a text with one such as ``"996.0000"``, as a float; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value) if "_" not in str(value) else None
    except (ValueError, OverflowError):
        return None


def whole_number(value: Any) -> int | None:
    """Return a JSON number without fraction, or a text with one, as an integer; None for anything else."""
    found = number(value)
    return int(found) if found is not None and isfinite(found) and found == int(found) else None


def head(path: Path, size: int = 4096) -> bytes:
    """Return the first bytes of a file; none if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""


def contains(path: Path, words: Iterable[bytes]) -> bool:
    """Return whether a file has all of these words, without holding or parsing all of it."""
    missing, before = set(words), b""
    longest = max(map(len, missing))
    try:
        with path.open("rb") as file:
            while missing and (chunk := file.read(CHUNK)):
                text = before + chunk
                missing = {word for word in missing if word not in text}
                before = chunk[-longest:]
    except OSError:
        return False
    return not missing
