"""The runs of a study: several at once, a limited time, and what is left after a kill."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from builders.training_process import fingerprint

from polyhead import cli
from polyhead.errors import PolyheadError
from polyhead.run import Run, read_rows
from polyhead.workflows import study, study_runs
from polyhead.workflows.budget import Budget
from polyhead.workflows.study_runs import train_missing

pytestmark = pytest.mark.usefixtures("undrawn")

BASE = """\
model: {class_path: ssd300, init_args: {backbone: regnetx_002, size: 64, width: 16}}
data:
  shapes:
    {reader: scenes, domain: shapes, count: 8, size: 64, val: {count: 4, seed: 1}, test: {count: 4, seed: 2}, batch: 4,
    workers: 0}
stages: [{epochs: 3}]
"""
STUDY = """\
base: base.yaml
variations: {base: {}, slow: {changes: [lr=0.0001]}}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study file next to its base; runs are made in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "two.yaml").write_text(STUDY)
    return tmp_path / "two.yaml"


@pytest.mark.parametrize("jobs", [1, 2])
def test_no_run_is_started_when_the_time_is_used_up(file: Path, monkeypatch: pytest.MonkeyPatch, jobs: int) -> None:
    monkeypatch.setattr(study_runs, "_check_trainable", lambda plan: None)
    message = (
        "the 1e-09 minutes are used up, and 2 runs of the study are missing: runs/two/base.seed0, runs/two/slow.seed0. "
        "Give the same command again to go on."
    )
    with pytest.raises(PolyheadError, match=f"^{re.escape(message)}$"):
        train_missing(study.plan(study.load(file)), lambda line: None, jobs, Budget(1e-9))
    assert not Path("runs/two").exists()


def test_no_jobs_are_refused(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["study", str(file), "--jobs", "0"]) == 2
    assert "--jobs: expected a whole number of 1 or more, got 0" in capsys.readouterr().err


def test_more_jobs_than_cores_are_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_runs, "_check_trainable", lambda plan: None)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    lines: list[str] = []
    with pytest.raises(PolyheadError):
        train_missing(study.plan(study.load(file)), lines.append, 2, Budget(1e-9))
    assert lines[0] == "--jobs 2 is more than the 1 core of this machine: runs will wait for each other"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kills a process by a signal")
def test_runs_in_processes_end_with_the_study_and_have_the_results_of_runs_in_turn(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-m", "polyhead", "study", str(file), "--jobs", "2"]
    # pylint: disable-next=consider-using-with  # it is killed below
    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    runs = [Run(f"runs/two/{name}.seed0") for name in ("base", "slow")]
    deadline = time.monotonic() + 240
    while not any(run.results_csv.is_file() for run in runs):
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    for run in runs:
        while run.folder.is_dir() and not _is_free(run):
            assert time.monotonic() < deadline, "its process trains on"
            time.sleep(0.2)
    assert not all("finished" in run.read_manifest() for run in runs)
    assert cli.main(["study", str(file), "--jobs", "2"]) == 0
    assert "2 runs at once, with 1 thread each" in capsys.readouterr().out
    assert [len(read_rows(run.results_csv)) for run in runs] == [3, 3]
    assert cli.main(["study", str(file), "--runs", "turn"]) == 0
    for run in runs:
        assert fingerprint(run) == fingerprint(Run(f"turn/two/{run.name}"))
    commands = [run.read_manifest()["command"][1:] for run in runs]
    assert commands == [["study", str(file), "--jobs", "2"]] * 2


def _is_free(run: Run) -> bool:
    """Return whether no process trains in a run."""
    try:
        with run.locked():
            return True
    except PolyheadError:
        return False


@pytest.mark.slow
def test_a_run_that_fails_in_its_process_is_named(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(STUDY.replace("lr=0.0001", "lr=1e30, stages.0.grad_clip_norm=null"))
    assert cli.main(["study", str(file), "--jobs", "2", "epochs=1"]) == 2
    error = capsys.readouterr().err
    assert re.match(r"polyhead: error: run 'runs/two/slow.seed0': stage 0, step \d+: the loss is not finite", error)
