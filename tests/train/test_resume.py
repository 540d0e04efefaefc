"""A run that was killed, at any moment, ends with the weights of one that was not."""

import multiprocessing
import random
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from killable import fingerprint, stages, toy_tasks, train
from toys import toy_model

from polyhead.run import Run, replace
from polyhead.train import saver
from polyhead.train.fit import fit

KILLS = 10


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


@pytest.mark.parametrize(("kind", "workers", "seed"), [("onecycle", 2, 0), ("plateau", 0, 1)])
def test_sigkill_at_random_moments(
    kind: str, workers: int, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten kills a run: while training, validating, writing, between stages; whenever chance has it."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))  # the server preloads, so a life is short
    expected = train(tmp_path / "whole", kind, 0)
    folder = tmp_path / "killed"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["killable"])
    chance = random.Random(seed)
    kills = 0
    while kills < KILLS:
        process = context.Process(target=train, args=(folder, kind, workers))
        process.start()
        _wait_for_news(folder / "resume.ckpt", process)
        process.join(chance.uniform(0, 0.15))
        if process.exitcode is not None:
            break
        process.kill()
        process.join()
        kills += 1
    process = context.Process(target=train, args=(folder, kind, workers))
    process.start()
    process.join(120)
    assert process.exitcode == 0
    assert kills == KILLS
    assert fingerprint(Run(folder)) == expected


def _wait_for_news(path: Path, process: BaseProcess) -> None:
    """Until the process has written its first state, so that every life brings the run a little further."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    while process.exitcode is None and (not path.exists() or path.stat().st_mtime_ns == before):
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
