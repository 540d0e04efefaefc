"""The files of a run that the report reads, and what is common to its sections."""

from collections.abc import Mapping
from typing import Any

from polyhead.data.io.yaml_files import load_yaml
from polyhead.errors import PolyheadError
from polyhead.run import Run

SPLITS = ("test", "val")
"""The splits that a report is about, the first of which the run has scores."""


def split_of(run: Run) -> str:
    """Return the split that a report is about.

    Raises:
        PolyheadError: if the run was not evaluated.
    """
    results = run.results
    for split in SPLITS:
        if results.get(split, {}).get("tasks"):
            return split
    raise PolyheadError(f"run {run.folder} has no scores. Write them with 'polyhead evaluate {run.quoted}'.")


def tasks_of(run: Run, split: str | None = None) -> dict[str, dict[str, Any]]:
    """Return the numbers of each task on a split; None takes that of the report."""
    found: dict[str, dict[str, Any]] = run.results.get(split or split_of(run), {}).get("tasks", {})
    return found


def recipe_of(run: Run) -> dict[str, Any]:
    """Return the recipe of a run; empty for one of :func:`polyhead.fit`."""
    content = load_yaml(run.config) if run.config.is_file() else {}
    return content if isinstance(content, dict) else {}


def number(value: float | None) -> str:
    """Return a number with three places; a dash where it is not defined."""
    return "-" if value is None else f"{value:.3f}"


def triple(value: float | None, interval: Any) -> str:
    """Return a score and its interval.

    >>> triple(0.5, [0.4, 0.6])
    '0.500 [0.400, 0.600]'
    """
    if not interval or None in (value, *interval):
        return number(value)
    return f"{number(value)} [{number(interval[0])}, {number(interval[1])}]"


def dummy_of(numbers: Mapping[str, Any]) -> tuple[str, float | None]:
    """Return what the dummy baseline of a task predicts, and its score."""
    baseline = numbers.get("dummy_baseline") or {}
    return str(baseline.get("name", "not measured")), baseline.get("score")
