"""Serve a page: offline, with limits, and with uploads that are deleted."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from polyhead.app.limits import MAX_UPLOAD, Limits
from polyhead.errors import PolyheadError

if TYPE_CHECKING:
    import gradio as gr

QUEUE = 64
"""Calls that wait at a time; further ones are refused."""


@contextmanager
def uploads() -> Iterator[Path]:
    """Provide a new folder for uploads and drawn images, which is deleted at the end."""
    folder = Path(mkdtemp(prefix="polyhead-app-"))
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    try:
        yield folder
    finally:
        rmtree(folder, ignore_errors=True)


def launch(page: "gr.Blocks", host: str = "127.0.0.1", port: int | None = None, *, browser: bool = False) -> None:
    """Serve a page until the process is stopped.

    Args:
        page: the page.
        host: the address to listen at; ``0.0.0.0`` for all of this machine.
        port: the port; None for the first free one from 7860.
        browser: whether to open it in the browser.

    Raises:
        PolyheadError: if the port is not free.
    """
    from starlette.middleware import Middleware

    from polyhead.app.page import CSS

    page.queue(max_size=QUEUE)
    try:
        _, address, _ = page.launch(
            server_name=host,
            server_port=port,
            share=False,
            inbrowser=browser,
            quiet=True,
            prevent_thread_lock=True,
            footer_links=["api"],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            max_file_size=MAX_UPLOAD,
            css=CSS,
            app_kwargs={"middleware": [Middleware(Limits)]},
        )
    except OSError as error:
        raise PolyheadError(f"port {port} of {host} cannot be used ({error}). Give another one with --port.") from error
    print(f"{address} (stop it with Ctrl-C)", flush=True)
    page.block_thread()
