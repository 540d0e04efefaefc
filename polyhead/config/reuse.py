"""Reuse what was computed from equal settings: the recipes of a study differ in few of their sections."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy
from typing import TypeVar

Result = TypeVar("Result")

_results: ContextVar[dict[str, object] | None] = ContextVar("results", default=None)


@contextmanager
def reusing() -> Iterator[None]:
    """Compute what has the same key only once within the block."""
    token = _results.set({})
    try:
        yield
    finally:
        _results.reset(token)


def reused(key: str, compute: Callable[[], Result]) -> Result:
    """Return what ``compute`` returns, or a copy of what it returned for this key within the same block."""
    results = _results.get()
    if results is None:
        return compute()
    if key not in results:
        results[key] = compute()
    return deepcopy(results[key])  # type: ignore[return-value]  # the key stands for the function and its arguments
