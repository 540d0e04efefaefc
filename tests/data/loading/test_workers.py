"""Loader processes: their number, their errors, and how they end."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from builders.toy_parts import Squares
from hypothesis import given
from hypothesis import strategies as st

from polyhead.data.loading import source as sources
from polyhead.data.loading import workers
from polyhead.data.loading.source import Source
from polyhead.data.loading.workers import (
    AHEAD,
    FILES_PER_WORKER,
    PAGE,
    Room,
    Workers,
    affordable,
    begin_worker,
    default_workers,
    room,
    shared_bytes,
)
from polyhead.errors import InvalidFileError, PolyheadError
from polyhead.types import Batch, Meta
from polyhead.workflows.tasks import open_tasks

MIB = 2**20
PLENTY = Room(64 * 2**30, 100_000)
counts = st.integers(1, 64)


@given(counts, counts, st.integers(1, 10**9))
def test_where_there_is_room_all_processes_are_started(asked: int, tasks: int, batch: int) -> None:
    free = Room(None, None)
    assert affordable(asked, tasks, free, batch, 4 * batch) == Workers(asked, asked)


@given(counts, counts, st.integers(0, 10**9), st.integers(0, 10**5), st.integers(1, 10**9), st.integers(1, 10**9))
def test_batches_and_files_fit_into_what_is_free(
    asked: int, tasks: int, memory: int, files: int, batch: int, val_batch: int
) -> None:
    train, val, note = affordable(asked, tasks, Room(memory, files), batch, val_batch)
    for count, size in ((train, tasks * batch), (val, val_batch)):
        assert 0 <= count <= asked
        assert count == 0 or (AHEAD * count + AHEAD) * size <= memory
        assert count == 0 or 2 * tasks * count * FILES_PER_WORKER <= files
    assert bool(note) is (min(train, val) < asked)


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        (PLENTY, Workers(8, 8)),
        (
            Room(64 * MIB, 100_000),  # a container of Docker
            Workers(
                3,
                0,
                "loader processes: 3 for training and 0 for validation instead of 8, because /dev/shm has 64 MiB free. "
                "In a container, allow more with 'docker run --shm-size=2g', or set workers=0.",
            ),
        ),
        (
            Room(64 * 2**30, 84),
            Workers(
                2,
                2,
                "loader processes: 2 for training and 2 for validation instead of 8, because only 84 more files may be "
                "opened ('ulimit -n' shows the limit)",
            ),
        ),
        (
            Room(0, 0, "there is no shared memory"),
            Workers(
                0,
                0,
                "loader processes: 0 for training and 0 for validation instead of 8, because there is no shared memory",
            ),
        ),
    ],
    ids=["plenty", "memory", "files", "none"],
)
def test_a_note_says_why_there_are_fewer(free: Room, expected: Workers) -> None:
    assert affordable(8, 1, free, 6 * MIB, 24 * MIB) == expected


def test_tasks_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert [default_workers(tasks) for tasks in (1, 2, 3, 16)] == [8, 4, 2, 1]
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert default_workers(1) == 8
    source = Source(Squares(9), Squares(4, 1), Squares(4, 2))
    tasks = open_tasks(
        {"a": source, "b": source, "c": Source(source.reader, source.val, source.test, workers=5)}, (32, 32), 0
    )
    assert [(task.workers, task.val_workers) for task in tasks.values()] == [(8, 8), (8, 8), (5, 5)]


def test_a_tensor_takes_whole_pages() -> None:
    batch = Batch({"a": torch.zeros(PAGE + 1, dtype=torch.uint8)}, (torch.zeros(1), None), [Meta("a")])
    assert shared_bytes(batch) == 3 * PAGE


def test_without_room_a_task_is_loaded_in_the_training_process_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "room", lambda: Room(100_000, 1000))
    task = open_tasks({"a": squares(2)}, (32, 32), 0)["a"]
    assert (task.workers, task.val_workers) == (0, 0)
    assert task.notes[0].startswith("loader processes: 0 for training and 0 for validation instead of 2, because /dev/")
    assert len(list(task.evaluation("val"))) == 1


def test_a_system_without_shared_memory_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(multiprocessing, "Lock", refuse)
    assert room() == Room(0, 0, "this system does not let processes share memory ([Errno 30] Read-only file system)")


def test_the_limit_of_open_files_counts() -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        free = room().files
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert free is not None
    assert 0 < free < 256


class Broken(Squares):
    """One sample cannot be read."""

    def raw(self, index: int) -> Any:
        if index == 3:
            raise InvalidFileError("b.jpg", "is damaged", "remove it")
        return super().raw(index)


def squares(count: int, reader: Callable[..., Squares] = Squares) -> Source:
    return Source(reader(8), reader(8, 1), reader(8, 2), batch=2, workers=count)


@pytest.mark.parametrize("count", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_an_error_of_a_sample_is_the_same_with_and_without_processes(count: int) -> None:
    task = open_tasks({"a": squares(count, Broken)}, (32, 32), 0)["a"]
    for batches in (task.evaluation("val"), task.train(8, lambda: 0, 0, 0)):
        with pytest.raises(InvalidFileError, match=r"^b\.jpg: is damaged; remove it$"):
            list(batches)


@pytest.mark.slow
def test_a_batch_that_does_not_fit_into_shared_memory_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is raised in training, not lost in a thread of a loader process."""

    def full(_: torch.Tensor) -> None:
        raise RuntimeError("unable to allocate shared memory(shm): No space left on device (28)")

    task = open_tasks({"a": squares(1)}, (32, 32), 0)["a"]
    monkeypatch.setattr(torch.Tensor, "share_memory_", full)  # processes are forked, and so have it too
    with pytest.raises(PolyheadError, match=r"^a batch could not be put into shared memory: unable .*--shm-"):
        list(task.evaluation("val"))


@pytest.mark.slow
def test_processes_that_are_stopped_end_without_an_error() -> None:
    """Those of a job get SIGTERM like the training itself, which says how to resume."""
    task = open_tasks({"a": squares(2)}, (32, 32), 0)["a"]
    before = multiprocessing.active_children()
    batches = iter(task.train(8, lambda: 0, 0, 0))
    next(batches)
    processes = [each for each in multiprocessing.active_children() if each not in before]
    assert len(processes) == 2
    for process in processes:
        process.terminate()
        process.join(60)
        assert process.exitcode == 0


def test_signals_wait_until_processes_are_started() -> None:
    caught = []
    before = signal.signal(signal.SIGTERM, lambda *_: caught.append(1))
    try:
        with workers.held_signals():
            signal.raise_signal(signal.SIGTERM)
            assert not caught
        assert caught
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_process_ends_on_a_signal_as_on_ctrl_c() -> None:
    before = {number: signal.getsignal(number) for number in workers.STOPS}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        begin_worker(0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGHUP)  # of a training that was started with nohup
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


ORPHAN = """
import multiprocessing, os, time
from polyhead.data.loading.workers import begin_worker

def work():
    while os.getppid() == training:
        time.sleep(0.01)
    begin_worker(0)
    print("still running")

training = os.getpid()
multiprocessing.get_context("fork").Process(target=work).start()
os._exit(0)  # training is killed before its worker has started
"""


def test_a_worker_exits_if_training_was_killed_before_it_started() -> None:
    ended = subprocess.run([sys.executable, "-c", ORPHAN], capture_output=True, text=True, check=True, timeout=250)
    assert (ended.stdout, ended.stderr) == ("", "")
