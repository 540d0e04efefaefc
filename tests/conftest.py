"""Fixtures that every test may use."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A user's cache folder for this run of the tests alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def _root(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"needs real data: set {variable} to the folder that holds it")
    return Path(value).resolve()


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data sets; the test is skipped where there is none."""
    return _root("POLYHEAD_DATA")


@pytest.fixture(scope="session")
def weights_root() -> Path:
    """The folder of pretrained weights; the test is skipped where there is none."""
    return _root("POLYHEAD_WEIGHTS")
