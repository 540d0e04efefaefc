"""A trained run, its page in a process, and a browser."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.app_server import Server, app_command, browsing, serving
from playwright.sync_api import Browser, Page

from polyhead.workflows.mistakes import find_mistakes
from polyhead.workflows.train import train

# In float32: with bfloat16, where the CPU has it, a box differs by more than a pixel from the one that is explained.
QUICK = ["stages.0.epochs=1", "stages.0.epoch_scale=0.1", "stages.0.val_every=1", "precision=32-true"]
LINK = "https://example.org/code"


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, data_root: Path, weights_root: Path) -> Path:
    """A run of a few steps from the official weights of COCO, tested on Penn-Fudan's 50 images, with its mistakes.

    POLYHEAD_APP_RUN names another one, for screenshots.
    """
    if given := os.environ.get("POLYHEAD_APP_RUN"):
        return Path(given)
    del data_root, weights_root
    folder = tmp_path_factory.mktemp("runs")
    changes = [*QUICK, f"runs={folder}", f"links.code={LINK}"]
    trained = train("yolox_nano_penn_fudan", changes, show=lambda line: None)
    find_mistakes(trained, most=1, trust=False, show=lambda line: None)
    return trained.folder


@pytest.fixture(scope="session")
def server(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The page of the run."""
    with serving(app_command(run), tmp_path_factory.mktemp("server") / "output.txt") as started:
        yield started


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless browser that can reach this machine alone."""
    with browsing() as started:  # pylint: disable=contextmanager-generator-missing-cleanup  # pytest ends fixtures
        yield started


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """The page in the browser; it must ask no other machine for anything."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(server.url)
    opened.wait_for_selector("#given input[type=file]", state="attached")
    yield opened
    assert [url for url in asked if not url.startswith((server.url, "data:", "blob:"))] == []
    opened.close()
