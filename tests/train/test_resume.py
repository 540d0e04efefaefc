"""A run that was killed, at any moment, ends with the weights of one that was not."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from killable import fingerprint, stages, toy_tasks, train
from toys import toy_model

from polyhead.run import Run, replace
from polyhead.train import saver
from polyhead.train.fit import fit

KILLS = 10
LIFE = Path(__file__).parent.parent / "life.py"


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

    monkeypatch.setattr(saver, "replace", stop_after)
    for _ in range(200):
        try:
            result = train(folder, kind, 0)
            break
        except Stop:
            continue
    assert writes > 3 * 7 + 3 * 5 - 4
    assert result == expected


def start(folder: Path, kind: str, workers: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, str(LIFE), str(folder), kind, str(workers)]
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize(("kind", "workers"), [("onecycle", 2), ("plateau", 0)])
def test_sigkill_at_random_moments(kind: str, workers: int, tmp_path: Path) -> None:
    """Ten kills a run: while training, validating, writing, between stages; whenever chance has it."""
    expected = train(tmp_path / "whole", kind, 0)
    folder = tmp_path / "killed"
    chance = torch.Generator().manual_seed(workers)
    for _ in range(KILLS):
        process = start(folder, kind, workers)
        _wait_for_news(folder / "resume.ckpt", process)
        time.sleep(0.15 * float(torch.rand((), generator=chance)))
        assert process.poll() is None, "the training ended before it was killed often enough; give it more epochs"
        process.kill()
        process.wait()
    assert start(folder, kind, workers).wait(120) == 0
    assert fingerprint(Run(folder)) == expected


def _wait_for_news(path: Path, process: "subprocess.Popen[bytes]") -> None:
    """Until the process has written its first state, so that every life brings the run a little further."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    while process.poll() is None and (not path.exists() or path.stat().st_mtime_ns == before):
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
