"""Tables and escaped text in Markdown."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from polyhead.errors import one_line

_NUMBER = re.compile(r"[-+]?[\d,.]*\d[\d,.]*%?( \[.*\])?|-")


def escape(text: str) -> str:
    r"""Escape what Markdown would read as markup, and line breaks.

    >>> escape("a_b|c")
    'a\\_b\\|c'
    """
    return re.sub(r"([\\`*_|<>\[\]#])", r"\\\1", one_line(text))


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table; columns of numbers are aligned to the right. Cells are Markdown (:func:`escape`).

    >>> print(table(["class", "images"], [["cat", 12]]))
    | class | images |
    | --- | ---: |
    | cat | 12 |
    """
    cells = [[one_line(str(cell)) for cell in row] for row in rows]
    numeric = [
        any(any(map(str.isdigit, row[column])) for row in cells)
        and all(_NUMBER.fullmatch(row[column]) for row in cells)
        for column in range(len(header))
    ]
    lines = [header, ["---:" if right else "---" for right in numeric], *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
