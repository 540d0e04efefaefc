"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest


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
