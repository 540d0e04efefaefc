"""Read the JSON and CSV files that Polyhead has written; a damaged one is refused with its name and what is wrong."""

import csv
import io
import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from polyhead.errors import PolyheadError, few
from polyhead.stored.shape import Shape, fault

MAX_BYTES = 2**28
"""Larger files are refused: none of ours is as large, and parsing one would fill the memory."""


def damaged(path: Path, what: str, remedy: str) -> PolyheadError:
    """Return the error for a damaged file.

    Args:
        path: the file.
        what: what is wrong with it.
        remedy: how it can be written again, as sentences.
    """
    return PolyheadError(f"{path} is damaged: {what}. {remedy}")


def read_text(path: Path, remedy: str) -> str:
    """Read a UTF-8 text file.

    Raises:
        PolyheadError: if it is no UTF-8 text, or too large.
    """
    if path.stat().st_size > MAX_BYTES:
        raise damaged(path, f"it is larger than {MAX_BYTES >> 20} MiB", remedy)
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise damaged(path, f"it is not UTF-8 text (byte {error.start})", remedy) from error


def read_json(path: Path, shape: Shape, remedy: str) -> dict[str, Any]:
    """Read the mapping in a JSON file; empty if the file does not exist.

    Args:
        path: the file.
        shape: the expected shape of its content (:mod:`polyhead.stored.shape`).
        remedy: how the file can be written again, for the error message.

    Raises:
        PolyheadError: if it is no JSON, or its content has another shape.
    """
    if not path.is_file():
        return {}
    text = read_text(path, remedy)
    try:
        loaded = json.loads(text, parse_constant=_finite, parse_float=_finite)
    except RecursionError as error:
        raise damaged(path, "it is nested too deeply", remedy) from error
    except ValueError as error:
        raise PolyheadError(f"{path} is not valid JSON, perhaps truncated ({error}). {remedy}") from error
    if what := fault(loaded, dict) or fault(loaded, shape) or _other(loaded, shape):
        raise damaged(path, what, remedy)
    content: dict[str, Any] = loaded
    return content


def _other(content: dict[str, Any], shape: Shape) -> str | None:
    """Return that a mapping has none of the expected keys, as that of another file; an empty one may."""
    expected = [key.removesuffix("?") for key in shape] if isinstance(shape, Mapping) else []
    if not content or not expected or not content.keys().isdisjoint(expected):
        return None
    return f"expected some of the entries {few(expected, 3)}, got {few([*content], 3)}"


def _finite(text: str) -> float:
    """Return a number of a JSON file; we write none that is not finite."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is not a finite number")
    return value


def read_rows(path: Path, remedy: str, required: Collection[str] = ()) -> list[dict[str, str]]:
    """Read the rows of a CSV file; an empty list if the file does not exist.

    Args:
        path: the file.
        remedy: how the file can be written again, for the error message.
        required: columns that it must have.

    Raises:
        PolyheadError: if it is no CSV with a header, a column is missing, or a row is longer or shorter than the
            header.
    """
    if not path.is_file():
        return []
    text = read_text(path, remedy)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[dict[str, str]] = []
    try:
        header = next(reader, [])
        if len(set(header)) < len(header):
            raise damaged(path, "two columns have the same name", remedy)
        if missing := [column for column in required if column not in header]:
            raise damaged(path, f"line 1: expected the names of the columns, with {missing[0]!r}", remedy)
        for cells in reader:
            if len(cells) != len(header):
                what = f"line {reader.line_num}: expected {len(header)} values, got {len(cells)}"
                raise damaged(path, what, remedy)
            rows.append(dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise damaged(path, f"line {reader.line_num}: it is not valid CSV ({error})", remedy) from error
    return rows


def number_of(text: str) -> float | None:
    """Return the number that a cell holds, which may be ``nan`` or ``inf``; None where it holds none.

    >>> number_of("0.5"), number_of("1_000"), number_of("")
    (0.5, None, None)
    """
    try:
        return None if "_" in text or text != text.strip() else float(text)
    except ValueError:
        return None
