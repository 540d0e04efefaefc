"""The campaigns against killed trainings and full disks pass, in a small form, and can fail."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import hostile_data, kills

ROOT = Path(__file__).parents[2]


def campaign(module: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a campaign in its own process, since no thread may run where it forks."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", f"benchmarks.{module}", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("cases", [["single", "joint", "workers"], ["sequential"], ["study"]], ids=" ".join)
def test_killed_trainings_are_resumed_and_equal(cases: list[str], tmp_path: Path) -> None:
    """One kill of each case; those of a process share its start."""
    done = campaign("kills", str(tmp_path / "work"), "--kills", str(len(cases)), "--only", *cases)
    last = done.stdout.splitlines()[-1]
    assert done.returncode == 0, done.stdout + done.stderr
    assert last.startswith(f"{len(cases)} kills, ")
    assert "0 not resumed, 0 different, 0 orphans, 0 not killed" in last


@pytest.mark.slow
def test_a_training_on_a_full_disk_says_so_and_is_resumed(tmp_path: Path) -> None:
    done = campaign("full_disks", str(tmp_path / "work"), "--sizes", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("could not be written, probably because the disk is full") >= 2


@pytest.mark.slow
@pytest.mark.parametrize("reader", hostile_data.WRITERS)
def test_damaged_data_is_read_or_named(reader: str, tmp_path: Path) -> None:
    counts = hostile_data.campaign(reader, tmp_path, tries=6, seed=1)
    assert counts.total() == 6
    assert counts.keys() <= {"clean", "sound"}


def test_contents_differ_where_a_file_is_missing_or_a_number_has_changed(tmp_path: Path) -> None:
    table = tmp_path / "results.csv"
    table.write_text("epoch,time,loss\n1,3.5,0.25\n", encoding="utf-8")
    (tmp_path / "plot.png").write_bytes(b"any")
    before = kills.contents(tmp_path)
    table.write_text("epoch,time,loss\n1,9.9,0.25\n", encoding="utf-8")
    (tmp_path / "plot.png").write_bytes(b"other")
    assert kills.contents(tmp_path) == before
    table.write_text("epoch,time,loss\n1,9.9,0.26\n", encoding="utf-8")
    assert kills.contents(tmp_path) != before
    (tmp_path / "plot.png").unlink()
    assert set(kills.contents(tmp_path)) == {"results.csv"}
