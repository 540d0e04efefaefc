"""A run that was killed, at any moment, ends with the weights of one that was not."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import torch
from builders.toy_parts import toy_model
from builders.training_process import fingerprint, stages, toy_tasks, train

from polyhead import run as runs
from polyhead.engine.fit import fit
from polyhead.run import Run, replace

KILLS = 5


class Stop(Exception):
    """Ends a training in the middle."""


@pytest.mark.parametrize("kind", ["onecycle", "plateau"])
def test_every_state_that_is_written_goes_on_to_the_same_weights(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop after each write of resume.ckpt in turn: inside epochs, after them, at the change of stages."""
    expected = train(tmp_path / "whole", kind, 0)
    folder = tmp_path / "stopped"
    real = replace
    writes = 0

    def stop_after(partial: Path, path: Path) -> None:
        nonlocal writes
        real(partial, path)
        if path.name == "resume.ckpt":
            writes += 1
            raise Stop

    monkeypatch.setattr(runs, "replace", stop_after)
    for _ in range(200):
        try:
            result = train(folder, kind, 0)
            break
        except Stop:
            continue
    assert writes > 3 * 7 + 3 * 5 - 4
    assert result == expected


class TrainingServer:
    """Starts lives of a training, and ends them."""

    def __init__(self) -> None:
        tests = Path(__file__).parent.parent
        command = [sys.executable, str(tests / "builders" / "training_server.py")]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(tests)}
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with  # the fixture ends it
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def answer(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def start(self, folder: Path, kind: str, workers: int) -> int:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{folder}\t{kind}\t{workers}\n")
        self.process.stdin.flush()
        return self.answer()


@pytest.fixture(scope="module")
def server() -> Iterator[TrainingServer]:
    made = TrainingServer()
    yield made
    os.killpg(made.process.pid, signal.SIGKILL)  # and the lives' workers: one left would keep the pipe open
    made.process.communicate()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """What a training ends with that nobody stops."""
    return cache(lambda kind: train(tmp_path_factory.mktemp("whole"), kind, 0))


@pytest.mark.parametrize(("kind", "workers"), [("onecycle", 0), ("onecycle", 2), ("plateau", 0), ("plateau", 2)])
def test_sigkill_at_random_moments(
    server: TrainingServer, whole: Callable[[str], str], kind: str, workers: int, tmp_path: Path
) -> None:
    """Five kills a run, twenty in all: while training, validating, writing, between stages; whenever chance has it."""
    folder = tmp_path / "killed"
    chance = torch.Generator().manual_seed(workers + len(kind))
    for _ in range(KILLS):
        life = server.start(folder, kind, workers)
        _wait_for_news(folder / "resume.ckpt")
        time.sleep(0.15 * float(torch.rand((), generator=chance)))
        os.kill(life, signal.SIGKILL)
        assert server.answer() == -signal.SIGKILL
    server.start(folder, kind, workers)
    assert server.answer() == 0
    assert fingerprint(Run(folder)) == whole(kind)


def _wait_for_news(path: Path) -> None:
    """Until the first state of this life is written, so that every life brings the run a little further."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    end = time.monotonic() + 100
    while not path.exists() or path.stat().st_mtime_ns == before:
        assert time.monotonic() < end, "the training writes no state"
        time.sleep(0.002)


def test_a_finished_run_is_left_as_it_is(tmp_path: Path) -> None:
    first = train(tmp_path, "onecycle", 0)
    assert train(tmp_path, "onecycle", 0) == first


def test_the_state_is_plain(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    fit(toy_model(), toy_tasks(0), stages("plateau"), run, describe={})
    state = torch.load(run.resume, weights_only=True)
    assert state["polyhead"]["stage"] == 1
    assert len(state["polyhead"]["progress"]["rows"]) == 6
