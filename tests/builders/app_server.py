"""Start the page of a model in its own process, and a browser for it."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

OFFLINE = ["--no-sandbox", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
"""Options of the browser: no name of another machine can be resolved."""
INSTALL = "apt-get install --no-install-recommends chromium fonts-liberation"


class Server(NamedTuple):
    """A running page.

    Attributes:
        url: its address.
        seconds: how long it took to start.
        process: its process.
        output: a file with what it printed.
    """

    url: str
    seconds: float
    process: subprocess.Popen[bytes]
    output: Path

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None


@contextmanager
def serving(
    command: Sequence[str | Path], output: Path, cwd: Path | None = None, without: Sequence[str] = ()
) -> Iterator[Server]:
    """Start a command that prints the address of its page, and stop it at the end.

    Args:
        command: the command.
        output: the file for what it prints.
        cwd: the folder to start it in.
        without: variables of the environment that it must not see.
    """
    environment = {name: value for name, value in os.environ.items() if name not in without}
    begun = time.perf_counter()
    with (
        output.open("wb") as file,
        subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, cwd=cwd, env=environment) as process,
    ):
        try:
            while not (found := re.search(r"http://127\.0\.0\.1:\d+", output.read_text(encoding="utf-8"))):
                assert process.poll() is None, output.read_text(encoding="utf-8")
                assert time.perf_counter() - begun < 300, output.read_text(encoding="utf-8")
                time.sleep(0.1)
            yield Server(found[0], time.perf_counter() - begun, process, output)
        finally:
            process.terminate()
            process.wait(60)


def app_command(run: Path | str, *options: str) -> list[str]:
    """Return the command that serves a run."""
    return [sys.executable, "-m", "polyhead", "app", str(run), *options]


_open: list[Browser] = []
"""The browser that is open: Playwright can be started only once in a process."""


@contextmanager
def browsing() -> Iterator[Browser]:
    """Start a headless browser, unless one is open; without one the test is skipped."""
    if _open:
        yield _open[0]
        return
    path = shutil.which("chromium")
    if path is None:
        pytest.skip(f"needs the browser chromium; install it with: {INSTALL}")
    with sync_playwright() as playwright:
        _open.append(playwright.chromium.launch(executable_path=path, args=OFFLINE))
        yield _open[0]
        _open.pop().close()


def upload(page: Page, path: Path) -> None:
    """Give a file to the page."""
    page.set_input_files("#given input[type=file]", path)


def click(page: Page, point: tuple[int, int], path: Path) -> None:
    """Click on a pixel of the photo in the drawn image."""
    drawn = page.locator("#drawn img")
    box = drawn.bounding_box()
    assert box is not None
    with Image.open(path) as image:
        drawn.click(position={"x": point[0] * box["width"] / image.width, "y": point[1] * box["height"] / image.height})
