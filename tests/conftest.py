"""Fixtures for all tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from benchmarks.undrawn import without_plots
from polyhead.contracts import classes

# A busy machine would fail tests by chance: no test is timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Use a new cache folder for this test session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def own_packages() -> Iterator[None]:
    """Take back what a test allows recipes to import."""
    before = list(classes.ALLOWED)
    yield
    classes.ALLOWED[:] = before


@pytest.fixture(scope="module")
def undrawn() -> Iterator[None]:
    """Write empty plots, for tests that look at none (``pytestmark = pytest.mark.usefixtures("undrawn")``)."""
    with without_plots():
        yield


def _root(variable: str) -> Path:
    """Return the folder that an environment variable names, or skip the test."""
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"needs real data: set {variable} to its folder")
    return Path(value).resolve()


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data sets; without it, the test is skipped."""
    return _root("POLYHEAD_DATA")


@pytest.fixture(scope="session")
def weights_root() -> Path:
    """The folder of pretrained weights; without it, the test is skipped."""
    return _root("POLYHEAD_WEIGHTS")
