"""Write predictions to a JSON or CSV file as they come, so that they need not be kept in memory."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from polyhead.run import NOT_UTF8, atomic_write
from polyhead.workflows.result import Result, table

# An error in a block ends its context managers in turn, from the inner to the outer one.
# pylint: disable=contextmanager-generator-missing-cleanup

Write = Callable[[Sequence[Result]], None]
"""Writes the results of one input."""


@contextmanager
def json_list(path: str | None) -> Iterator[Write]:
    """Provide a function that adds results to a JSON list; it does nothing without a path."""
    with _opened(path) as file:
        count = 0

        def write(results: Sequence[Result]) -> None:
            nonlocal count
            if file is None:
                return
            for result in results:
                text = json.dumps(result.to_json(), indent=1, ensure_ascii=False).replace("\n", "\n ")
                file.write(f"{',' if count else '['}\n {text}")
                count += 1

        yield write
        if file:
            file.write("\n]\n" if count else "[]\n")


@contextmanager
def csv_table(path: str | None) -> Iterator[Write]:
    """Provide a function that adds the rows of results to a CSV file; it does nothing without a path."""
    with _opened(path) as file:
        if file:
            table([]).to_csv(file, index=False)

        def write(results: Sequence[Result]) -> None:
            if file:
                table(results).to_csv(file, index=False, header=False)

        yield write


@contextmanager
def _opened(path: str | None) -> Iterator[IO[str] | None]:
    """Open a file that appears when it is complete, and not at all if the block fails; None without a path."""
    if path is None:
        yield None
        return
    with atomic_write(Path(path)) as partial:
        try:
            with partial.open("w", encoding="utf-8", errors=NOT_UTF8, newline="") as file:
                yield file
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
