"""Run Polyhead's commands in forked processes, which start in no time and can be killed at a chosen moment."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from polyhead import cli

Prepare = Callable[[], None]
WAIT = 0.02
"""Seconds between two looks at a process."""


def preload() -> None:
    """Import what a training needs, so that the forked processes have it.

    Call it before the first command. No thread may run at a fork, so PyTorch must use a single one.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    for module in ("polyhead.workflows.train", "polyhead.workflows.evaluate", "polyhead.workflows.study"):
        import_module(module)
    torch.set_num_threads(1)


def start(words: Sequence[str], log: Path, prepare: Prepare | None = None, folder: Path | None = None) -> int:
    """Start ``polyhead WORDS`` in its own process group and return its process id.

    Args:
        words: the command and its arguments.
        log: file to which its output is appended.
        prepare: called in the process before the command begins.
        folder: working folder of the process.
    """
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(descriptor, stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout, sys.stderr = (os.fdopen(stream, "w", buffering=1, encoding="utf-8") for stream in (1, 2))
        if folder:
            os.chdir(folder)
        if prepare:
            prepare()
        code = cli.main(list(words))
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001  # pylint: disable=broad-exception-caught  # it must not return to the caller
        traceback.print_exc()
        code = 70
    os._exit(code)


def wait(pid: int, seconds: float | None = None) -> int | None:
    """Wait for a process; return its exit code, minus the signal that ended it, or None if the time is over."""
    end = None if seconds is None else time.monotonic() + seconds
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if end is not None and time.monotonic() >= end:
            return None
        time.sleep(WAIT)


def kill(pid: int) -> None:
    """End a process with SIGKILL, but not the processes that it has started."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def orphans(pid: int, seconds: float = 30.0) -> bool:
    """Return whether a process of the group of ``pid`` still lives after some seconds, and end it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            return False
        time.sleep(WAIT)
    os.killpg(pid, signal.SIGKILL)
    return True
