"""The comparison table in other forms than text: a DataFrame (and from it CSV), and Markdown."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from polyhead.analysis.table import Row, cells, notes

if TYPE_CHECKING:
    from pandas import DataFrame


def frame(rows: Sequence[Row]) -> "DataFrame":
    """Return the table as a DataFrame with a row for each row.

    ``METRIC``, ``METRIC_low`` and ``METRIC_high`` are a score and its interval, ``METRIC_sd`` is the standard deviation
    over the seeds. ``difference`` and ``relative`` have ``_low`` and ``_high``, too. What is not known is NaN.
    """
    import pandas as pd  # pylint: disable=import-outside-toplevel  # takes long, and few commands need it

    return pd.DataFrame([_entries(row) for row in rows])


def _entries(row: Row) -> dict[str, Any]:
    """Return the columns of one row."""
    entries: dict[str, Any] = {"run": row.name, "seeds": row.seeds, "images": row.images, "objects": row.objects}
    for name, triple in row.scores.items():
        entries |= _triple(name, triple)
    entries[f"{row.metric}_sd"] = row.spread
    entries |= _triple("difference", row.difference) | _triple("relative", row.relative)
    entries |= {"parameters": row.parameters, "minutes": row.minutes, "milliseconds": row.milliseconds}
    return {name: math.nan if value is None else value for name, value in entries.items()}


def _triple(name: str, triple: Sequence[float] | None) -> dict[str, float | None]:
    """Return the columns of a value with its interval."""
    value, low, high = (None, None, None) if triple is None else triple
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def markdown(rows: Sequence[Row], below: Sequence[str] = ()) -> str:
    """Return the table in Markdown, with its notes and further lines below it."""
    columns = {_escaped(name): list(map(_escaped, column)) for name, column in cells(rows).items()}
    lines = [list(columns), ["---"] * len(columns), *(list(line) for line in zip(*columns.values(), strict=True))]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join([table, *map(_escaped, [*notes(rows), *below])]) + "\n"


def _escaped(text: str) -> str:
    r"""Escape what Markdown would read as the border of a cell, or as emphasis.

    >>> _escaped("a|b*c_d")
    'a\\|b\\*c\\_d'
    """
    for mark in "|*_":
        text = text.replace(mark, f"\\{mark}")
    return text
