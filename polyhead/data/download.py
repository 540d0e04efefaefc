"""Download a file over HTTP: resumed after an interruption, and given up when the server is too slow."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Event, Thread
from time import monotonic
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from polyhead.errors import PolyheadError
from polyhead.run import replace

WINDOW = 60.0
"""Seconds within which a server must answer, and over which its rate is measured."""
MIN_RATE = 1000
"""Bytes per second below which a download is given up."""
_BLOCK = 1 << 20
_AGAIN = "Run the same command again to resume the download."


def fetch(url: str, path: Path, show: Callable[[str], None] = print) -> None:
    """Download a file, or complete a download that was interrupted.

    Args:
        url: what to download.
        path: the file to write; until it is complete it is named ``path`` + ``.part``.
        show: prints a line about the progress.

    Raises:
        PolyheadError: if the server cannot be reached, is too slow, returns an error or closes the connection; what
            was received is stored for the next attempt. Or if the ``.part`` file is a link, which is never followed.
    """
    part = path.with_name(path.name + ".part")
    have = _size(part)
    transfer = _Transfer(Request(url, headers={"Range": f"bytes={have}-"} if have else {}))
    try:
        answer = transfer.take()
        if answer is None:  # the part is complete
            replace(part, path)
            return
        resumed = answer.status == 206  # a server without ranges answers 200 and sends the complete file
        content_range = answer.content_range or f"bytes {have}-"
        if resumed and not content_range.startswith(f"bytes {have}-"):
            raise PolyheadError(
                f"{url}: expected the bytes from {have} on, got {content_range!r:.100}. Delete {part} and try again."
            )
        expected = answer.length or 0  # 0: the server does not tell
        show(f"{url}: {expected / 1e6:.1f} MB" + (f", resumed after {have / 1e6:.1f} MB" if resumed else ""))
        free = shutil.disk_usage(path.parent).free
        if expected > free:
            raise PolyheadError(
                f"{url}: {expected / 1e9:.1f} GB do not fit in {path.parent} ({free / 1e9:.1f} GB free). Free some "
                "space or choose another folder with --out."
            )
        received = _write(transfer, part, resumed, url)
    except _ServerError as error:
        raise PolyheadError(f"{url}: {error}") from error
    except OSError as error:
        raise PolyheadError(f"{part}: cannot be written ({error.strerror}). {_AGAIN}") from error
    finally:
        transfer.stop()
    if received < expected:
        raise PolyheadError(
            f"{url}: the download was interrupted (expected {expected} bytes, got {received}). Run the same command "
            "again to resume it."
        )
    replace(part, path)


def _size(part: Path) -> int:
    """Return the size of the received part, 0 if there is none.

    Raises:
        PolyheadError: if writing to it would write to another file.
    """
    if part.is_symlink() or (part.exists() and (not part.is_file() or part.stat().st_nlink > 1)):
        raise PolyheadError(f"{part}: expected a file of an interrupted download, got a link or no file. Remove it.")
    return part.stat().st_size if part.exists() else 0


def _write(transfer: "_Transfer", part: Path, resumed: bool, url: str) -> int:
    """Write what is received to the part, and return the number of bytes."""
    flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | (os.O_APPEND if resumed else os.O_TRUNC)
    received = counted = 0
    begun = monotonic()
    with os.fdopen(os.open(part, flags, 0o666), "wb") as file:
        while block := transfer.take():
            file.write(block)
            received += len(block)
            if (seconds := monotonic() - begun) > WINDOW:
                if received - counted < MIN_RATE * seconds:
                    raise PolyheadError(
                        f"{url}: given up, because the server sent only {received - counted} bytes in {seconds:.0f} s. "
                        f"{_AGAIN}"
                    )
                begun, counted = monotonic(), received
    return received


class _ServerError(Exception):
    """The server cannot be reached, or its answer cannot be used."""


class _Answer(NamedTuple):
    """The header of a response, as far as it matters; ``length`` is that of the bytes that follow, if it is known."""

    status: int
    length: int | None
    content_range: str | None


class _Transfer:
    """Receive a response in a thread of its own.

    A server that sends byte after byte, in its header or between two blocks, keeps only that thread waiting: a timeout
    of the socket begins again with each byte.
    """

    def __init__(self, request: Request) -> None:
        self._items: Queue[Any] = Queue(4)
        self._stopped = Event()
        Thread(target=self._receive, args=[request], daemon=True).start()

    def take(self) -> Any:
        """Return the header (None if there is nothing left to send), then the blocks, then an empty block.

        Raises:
            _ServerError: if the server answers with an error, breaks off, or sends nothing for ``WINDOW`` seconds.
        """
        try:
            item = self._items.get(timeout=WINDOW)
        except Empty:
            raise _ServerError(f"given up, because the server sent nothing in {WINDOW:.0f} s. {_AGAIN}") from None
        if isinstance(item, _ServerError):
            raise item
        return item

    def stop(self) -> None:
        """End the thread at the next byte that it receives."""
        self._stopped.set()

    def _receive(self, request: Request) -> None:
        try:
            with urlopen(request, timeout=WINDOW) as response:
                left = response.length
                self._put(_Answer(response.status, left, response.headers.get("Content-Range")))
                # read1 returns what has come; a server may keep the connection open after the last byte
                while not self._stopped.is_set() and left != 0:
                    block = response.read1(_BLOCK if left is None else min(left, _BLOCK))
                    if not block:
                        break
                    left = None if left is None else left - len(block)
                    self._put(block)
            self._put(b"")
        except HTTPError as error:
            error.close()
            if error.code == 416 and request.has_header("Range"):  # range not satisfiable: the part is complete
                self._put(None)
                return
            reason = "".join(filter(str.isprintable, str(error.reason)))[:100]
            self._put(_ServerError(f"the server answered {error.code} {reason}. Check the address."))
        except Exception as error:  # noqa: BLE001  # pylint: disable=broad-exception-caught  # servers send anything
            what = "".join(filter(str.isprintable, str(error)))[:300] or type(error).__name__
            self._put(_ServerError(f"{what}. {_AGAIN}"))

    def _put(self, item: Any) -> None:
        while not self._stopped.is_set():
            try:
                self._items.put(item, timeout=0.1)
            except Full:
                continue
            return
