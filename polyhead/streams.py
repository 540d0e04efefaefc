"""The standard streams of a command: safe for the terminal, whole to the end, and there even where they are closed."""

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from polyhead.errors import printable

READER_GONE = (errno.EPIPE, errno.EIO)
"""Error numbers of a write to a closed pipe, and to a terminal that was closed."""


@contextmanager
def safe() -> Iterator[None]:
    """Let standard output and standard error be an :class:`Output` of a :class:`Screen`."""
    open_closed_streams()
    output: Any = Output(Screen(sys.stdout))
    errors: Any = Output(Screen(sys.stderr, restarts=True))
    with redirect_stdout(output), redirect_stderr(errors):
        try:
            yield
        finally:
            output.flush()


class Output:
    """A standard stream that shows each line at once, and drops all lines after its reader has gone.

    A command thus does its work to the end, whatever happens to the viewer of its output.

    Args:
        stream: a text stream.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write text, and return its length."""
        try:
            self.stream.write(text)
            if "\n" in text:
                self.stream.flush()
        except OSError as error:
            self._drop(error)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        try:
            self.stream.flush()
        except OSError as error:
            self._drop(error)

    def _drop(self, error: OSError) -> None:
        """Let the stream write to nowhere if its reader has gone; raise any other error."""
        if error.errno not in READER_GONE:
            raise error
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), self.stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class Screen:
    """A stream that escapes what a terminal would obey or cannot show; all else is that of the stream itself.

    Names of files and classes come with data, which can come from anyone.

    Args:
        stream: a standard stream.
        restarts: whether a text may begin with a carriage return, as those of progress bars do.
    """

    def __init__(self, stream: Any, *, restarts: bool = False) -> None:
        self._stream, self._restarts = stream, restarts
        self._encoding = stream.encoding or "utf-8"

    def write(self, text: str) -> int:
        """Write a text, and return the number of its characters."""
        start = "\r" if self._restarts and text.startswith("\r") else ""
        safe = start + printable(text[len(start) :])
        self._stream.write(safe.encode(self._encoding, "backslashreplace").decode(self._encoding))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the stream."""
        return getattr(self._stream, name)


def open_closed_streams() -> None:
    """Let the standard streams that are closed lead nowhere; a file that is opened later would get their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for name in ("stdout", "stderr"):  # None where they were closed at the start, or in a program without a console
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            setattr(sys, name, os.fdopen(nowhere, "w", encoding="utf-8"))
