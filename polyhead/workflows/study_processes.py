"""Train several runs of a study at once, each in a process of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from polyhead.contracts.classes import ALLOWED
from polyhead.engine.progress import format_duration
from polyhead.errors import PolyheadError, counted
from polyhead.workflows.budget import Budget
from polyhead.workflows.study import Member

PATIENCE = 30
"""Seconds that a process has to end by itself before it is killed."""
POLL = 0.2
"""Seconds between two looks at the running processes."""


class _Job(NamedTuple):
    """A run that is being trained in a process of its own.

    Attributes:
        member: the run.
        process: trains it, and ends when its standard input does.
        errors: what the process prints to standard error.
        begun: when it was started, in seconds.
    """

    member: Member
    process: subprocess.Popen[str]
    errors: IO[str]
    begun: float


def train_at_once(
    missing: Sequence[tuple[str, Member]], show: Callable[[str], None], jobs: int, budget: Budget
) -> None:
    """Train runs in processes of their own, each with its share of the threads.

    Args:
        missing: the runs, the first one first, each with a line that names it.
        show: receives the lines to print.
        jobs: how many are trained at once.
        budget: the time in which runs may be started.

    Raises:
        PolyheadError: for the first run that fails; the others are stopped, and can be resumed.
    """
    import torch

    cores = os.cpu_count() or 1
    if jobs > cores:
        show(f"--jobs {jobs} is more than the {counted(cores, 'core')} of this machine: runs will wait for each other")
    threads = max(1, torch.get_num_threads() // jobs)
    show(f"{counted(jobs, 'run')} at once, with {counted(threads, 'thread')} each; each run logs to its own log.txt")
    waiting, running = list(missing), list[_Job]()
    try:
        while running or (waiting and not budget.is_used_up):
            while waiting and len(running) < jobs and not budget.is_used_up:
                title, member = waiting.pop(0)
                show(title)
                running.append(_start(member, threads))
            time.sleep(POLL)
            for job in [job for job in running if job.process.poll() is not None]:
                running.remove(job)
                _finish(job, show)
    finally:
        _stop(running)


def _start(member: Member, threads: int) -> _Job:
    """Start a process that trains a run (:mod:`polyhead.workflows.study_job`)."""
    errors = TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115  # closed when its process has ended
    path = os.pathsep.join(folder for folder in sys.path if folder)  # packages of the user are found there, too
    process = subprocess.Popen(  # pylint: disable=consider-using-with  # it ends after this function
        [sys.executable, "-m", "polyhead.workflows.study_job"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)},
        text=True,
    )
    assert process.stdin is not None
    job = {"folder": str(member.folder), "config": member.config, "allowed": ALLOWED, "command": sys.argv}
    process.stdin.write(json.dumps(job) + "\n")
    process.stdin.flush()  # it stays open: its end tells the process that this one has ended
    return _Job(member, process, errors, time.monotonic())


def _finish(job: _Job, show: Callable[[str], None]) -> None:
    """Report a process that has ended.

    Raises:
        PolyheadError: if the run was not trained to the end.
    """
    job.errors.seek(0)
    lines = job.errors.read().strip().splitlines() or ["it was killed, perhaps because the memory is full"]
    job.errors.close()
    if job.process.stdin is not None:
        job.process.stdin.close()
    if job.process.returncode:
        raise PolyheadError(f"run {str(job.member.folder)!r}: {lines[-1]}")
    show(f"{job.member.folder} is finished after {format_duration(time.monotonic() - job.begun)}")


def _stop(running: Sequence[_Job]) -> None:
    """Stop processes; what they have trained since they last saved is lost, as after a kill."""
    for job in running:
        job.process.terminate()
    for job in running:
        try:
            job.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            job.process.kill()
            job.process.wait()
        job.errors.close()
        if job.process.stdin is not None:
            job.process.stdin.close()
