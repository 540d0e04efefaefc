"""A run that is killed at any moment and resumed ends with the same weights as one that is not."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace as replace_epochs
from functools import cache
from pathlib import Path

import pytest
import torch
from builders.toy_parts import toy_model
from builders.training_process import fingerprint, stages, toy_tasks, train

from polyhead import run as runs
from polyhead.engine.fit import fit
from polyhead.engine.learner import Learner
from polyhead.engine.stage import Stage
from polyhead.errors import PolyheadError
from polyhead.run import Run, replace

KILLS = 5


class Stop(Exception):
    """Interrupts a training."""


@pytest.mark.parametrize(
    "kind", ["onecycle", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("plateau", "repeated", "sizes"))]
)
def test_resuming_from_every_state_that_is_saved_gives_the_same_weights(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop after each write of resume.ckpt in turn: within epochs, after them, and between stages."""
    expected = train(tmp_path / "uninterrupted", kind, 0)
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
    """Starts processes that train and can be killed."""

    def __init__(self) -> None:
        tests = Path(__file__).parent.parent
        command = [sys.executable, str(tests / "builders" / "training_server.py")]
        paths = os.pathsep.join([str(tests.parent), str(tests)])
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with  # the fixture ends it
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def read_number(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def start(self, folder: Path, kind: str, workers: int) -> int:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{folder}\t{kind}\t{workers}\n")
        self.process.stdin.flush()
        return self.read_number()


@pytest.fixture(scope="module")
def server() -> Iterator[TrainingServer]:
    made = TrainingServer()
    yield made
    os.killpg(made.process.pid, signal.SIGKILL)  # and the loader workers: one that is left would keep the pipe open
    made.process.communicate()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Return the fingerprint of a training that is not interrupted."""
    return cache(lambda kind: train(tmp_path_factory.mktemp("uninterrupted"), kind, 0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "workers"), [(kind, count) for kind in ("onecycle", "plateau", "sizes") for count in (0, 2)]
)
def test_sigkill_at_random_moments(
    server: TrainingServer, uninterrupted: Callable[[str], str], kind: str, workers: int, tmp_path: Path
) -> None:
    """Five kills per run, thirty in all, at random moments: in training, validation, saving, between stages."""
    folder = tmp_path / "killed"
    generator = torch.Generator().manual_seed(workers + len(kind))
    for _ in range(KILLS):
        pid = server.start(folder, kind, workers)
        _wait_for_save(folder / "resume.ckpt")
        time.sleep(0.15 * float(torch.rand((), generator=generator)))
        os.kill(pid, signal.SIGKILL)
        assert server.read_number() == -signal.SIGKILL
    server.start(folder, kind, workers)
    assert server.read_number() == 0
    assert fingerprint(Run(folder)) == uninterrupted(kind)


def _wait_for_save(path: Path) -> None:
    """Wait until this process has saved its first state, so that every process advances the run."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    end = time.monotonic() + 100
    while not path.exists() or path.stat().st_mtime_ns == before:
        assert time.monotonic() < end, "the training saves no state"
        time.sleep(0.002)


def test_a_finished_run_is_not_changed(tmp_path: Path) -> None:
    first = train(tmp_path, "onecycle", 0)
    assert train(tmp_path, "onecycle", 0) == first


def test_the_state_loads_with_weights_only(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    fit(toy_model(), toy_tasks(0), stages("plateau"), run, describe={})
    state = torch.load(run.resume, weights_only=True)
    assert state["polyhead"]["stage"] == 1
    assert len(state["polyhead"]["progress"]["rows"]) == 6


@pytest.mark.parametrize(
    ("fewer", "message"),
    [
        (
            lambda given: given[:1],
            "the run is in stage 2, but has the settings of 1 only. Restore its stages, or",
        ),
        (
            lambda given: [given[0], replace_epochs(given[1], epochs=2)],
            "stage 2 has trained 3 epochs already, more than its setting epochs=2. Set stages.1.epochs to 3 or more",
        ),
    ],
)
def test_settings_that_are_less_than_what_was_trained_are_refused(
    fewer: Callable[[list[Stage]], list[Stage]], message: str, tmp_path: Path
) -> None:
    run = Run.create(tmp_path, "run")
    fit(toy_model(), toy_tasks(0), stages("plateau"), run, describe={})
    with pytest.raises(PolyheadError, match=f"^{re.escape(f'{run.folder}: {message}')}"):
        fit(toy_model(), toy_tasks(0), fewer(stages("plateau")), run, describe={})


def test_a_loader_process_that_dies_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the system is out of memory."""

    def die(*_: object) -> None:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")

    monkeypatch.setattr(Learner, "training_step", die)
    run = Run.create(tmp_path, "run")
    message = (
        r"^a loader process was killed or has ended \(DataLoader worker \(pid 7\) is killed by signal: Killed.\), .*"
    )
    with pytest.raises(PolyheadError, match=f"{message}Resume with 'polyhead train --resume {run.folder}'"):
        fit(toy_model(), toy_tasks(0), stages("plateau"), run, describe={})
