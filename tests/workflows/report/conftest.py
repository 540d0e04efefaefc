"""A trained run with a head of each kind, and its report."""

from pathlib import Path
from typing import Any

import pytest
from builders.three_heads import RECIPE

import polyhead
from polyhead.run import Run
from polyhead.workflows.report.write import Report, write_report


def small(folder: Path, **entries: Any) -> dict[str, Any]:
    """Return the recipe of a training that takes seconds."""
    return {**RECIPE, "name": "small", "runs": str(folder), **entries}


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A trained run with the heads ``det``, ``seg`` and ``cls``."""
    return polyhead.train(small(tmp_path_factory.mktemp("reported")), show=lambda _: None)


@pytest.fixture(scope="session")
def written(run: Run) -> Report:
    """Its report."""
    return write_report(run, links={"code": "https://example.org/code"}, show=lambda _: None)
