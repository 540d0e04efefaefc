"""The run folder: files are written atomically, and only one process at a time trains in it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from polyhead import checkpoint
from polyhead import run as runs
from polyhead.engine.fit import save_atomically
from polyhead.errors import Interrupted, PolyheadError
from polyhead.plotting.figures import save_image
from polyhead.run import Run, atomic_write, plain, unfinished, write_json, write_rows, write_text

HOLD = """
import sys
from polyhead.run import Run
with Run(sys.argv[1]).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_run_is_never_overwritten(tmp_path: Path) -> None:
    assert [Run.create(tmp_path, "run").folder.name for _ in range(3)] == ["run", "run2", "run3"]


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_text(path, "text " * 9999),
        lambda path: write_json(path, {"numbers": list(range(9999))}),
        lambda path: write_rows(path, [{"row": number} for number in range(9999)]),
        lambda path: checkpoint.save(path, {"state": {"weights": torch.zeros(99999)}}),
        lambda path: save_atomically({"weights": torch.zeros(99999)}, path),
        lambda path: save_image(Image.effect_noise((99, 99), 50), path),
    ],
    ids=["text", "json", "rows", "weights", "state", "image"],
)
def test_a_full_disk_gives_a_clear_error_and_leaves_the_old_file(
    write: Callable[[Path], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new file is written to a device that is always full."""
    path, partial = tmp_path / "file", tmp_path / "file.partial"
    monkeypatch.setattr(runs, "partial_path", lambda _: partial)
    path.write_text("old")
    partial.symlink_to("/dev/full")
    message = (
        rf"^{path} could not be written, probably because the disk is full \(free: [0-9]+ MiB in {tmp_path} and "
        r"[0-9]+ MiB in "
    )
    with pytest.raises(PolyheadError, match=message):
        write(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError("ours"), KeyboardInterrupt("ours")])
def test_other_errors_while_writing_are_passed_on(error: BaseException, tmp_path: Path) -> None:
    with pytest.raises(type(error), match="ours"), atomic_write(tmp_path / "file") as partial:  # noqa: PT012  # in its block
        partial.write_text("half")
        raise error
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "file"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_file_is_written_by_several_at_once(tmp_path: Path) -> None:
    """Each writer has a temporary file of its own, so the last one to finish wins."""
    path = tmp_path / "file"
    with atomic_write(path) as first:
        first.write_text("first")
        with atomic_write(path) as second:
            second.write_text("second")
        assert path.read_text() == "second"
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


ADD = """
import sys
from polyhead.run import Run
for number in range(30):
    Run(sys.argv[1]).add_scores(sys.argv[2], {f"task{number}": {"metric": "ap50", "images": 1, "score": 1.0}})
"""


def test_two_evaluations_at_once_lose_no_scores(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    val, test = ([sys.executable, "-c", ADD, str(run.folder), split] for split in ("val", "test"))
    with subprocess.Popen(val) as one, subprocess.Popen(test) as other:
        assert (one.wait(), other.wait()) == (0, 0)
    assert {split: len(found["tasks"]) for split, found in run.results.items()} == {"val": 30, "test": 30}


def test_scores_of_other_tasks_and_splits_stay(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    run.update_results(forgetting=[])
    first, second, third = ({"metric": "ap50", "images": 1, "score": float(score)} for score in range(3))
    run.add_scores("val", {"a": first, "b": second})
    run.add_scores("val", {"b": third})
    assert run.results == {"forgetting": [], "val": {"tasks": {"a": first, "b": third}}}


def test_what_killed_processes_have_left_half_written_is_removed_with_the_lock(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    mine = runs.partial_path(run.plots / "labels.a.png")
    old = run.weights / "best.pt.partial"
    dead, alive = (mine.with_name(f"results.png.00ff.{pid}.partial") for pid in (2**31, os.getppid()))
    results = run.plots / "results.png"
    for path in (mine, old, dead, alive, results):
        path.write_text("half")
    with run.locked():
        assert sorted(path for path in run.folder.rglob("*.p*")) == sorted([alive, results])


def test_only_one_process_at_a_time_trains_in_a_run(tmp_path: Path) -> None:
    """Another process is refused with a clear error; when the first is killed, the run is unlocked."""
    run = Run.create(tmp_path, "run")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        message = (
            f"^Run folder '{run.folder}' is locked by another training process. Wait for it to finish or stop it.$"
        )
        with pytest.raises(PolyheadError, match=message), run.locked():
            pass
        other.kill()
    with run.locked():
        pass


def test_without_fcntl_no_lock_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python on Windows has no ``fcntl``; there, a run can be trained in without a lock."""
    run = Run.create(tmp_path, "run")
    monkeypatch.setitem(sys.modules, "fcntl", None)
    entered = []
    with run.locked():
        entered.append("outer")
        with run.locked():
            entered.append("inner")
    assert entered == ["outer", "inner"]
    with pytest.raises(RuntimeError, match="ours"), run.locked():
        raise RuntimeError("ours")


def test_importing_the_module_needs_no_fcntl() -> None:
    code = "import sys; sys.modules['fcntl'] = None; import polyhead; polyhead.Run"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("resume", "finished"), [(True, False), (True, True), (False, False)])
def test_only_runs_that_can_be_resumed_are_reported_as_unfinished(resume: bool, finished: bool, tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    if resume:
        run.resume.write_bytes(b"")
    if finished:
        run.update_manifest(finished="2026-11-28")
    warning = (
        f"Run {run.folder} is not finished; evaluating its best checkpoint so far. "
        f"Resume it with 'polyhead train --resume {run.folder}'."
    )
    assert unfinished([run]) == ([warning] if resume and not finished else [])


def test_values_that_json_does_not_have_become_none() -> None:
    value = {"a": (1, 2.5), 3: [float("nan"), float("inf")], "b": {"c": "x", "d": None}}
    assert plain(value) == {"a": [1, 2.5], "3": [None, None], "b": {"c": "x", "d": None}}
    json.dumps(plain(value), allow_nan=False)


def test_an_interrupt_in_a_locked_run_names_the_run(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    with pytest.raises(Interrupted) as caught, run.locked():
        raise KeyboardInterrupt
    assert caught.value.folder == str(run.folder)
