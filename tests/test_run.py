"""The run folder: files are whole or as they were, and one process at a time trains in it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from polyhead import checkpoint
from polyhead.engine.fit import save_atomically
from polyhead.errors import PolyheadError
from polyhead.plotting.figures import save_picture
from polyhead.run import Run, whole, write_json, write_rows, write_text

HOLD = """
import sys
from polyhead.run import Run
with Run(sys.argv[1]).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_no_run_is_overwritten(tmp_path: Path) -> None:
    assert [Run.create(tmp_path, "run").folder.name for _ in range(3)] == ["run", "run2", "run3"]


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_text(path, "text " * 9999),
        lambda path: write_json(path, {"numbers": list(range(9999))}),
        lambda path: write_rows(path, [{"row": number} for number in range(9999)]),
        lambda path: checkpoint.save(path, {"state": {"weights": torch.zeros(99999)}}),
        lambda path: save_atomically({"weights": torch.zeros(99999)}, path),
        lambda path: save_picture(Image.effect_noise((99, 99), 50), path),
    ],
    ids=["text", "json", "rows", "weights", "state", "picture"],
)
def test_a_full_disk_is_told_in_a_line_and_leaves_the_old_file(write: Callable[[Path], Any], tmp_path: Path) -> None:
    """The new file is written to a device on which there is never any room."""
    path, partial = tmp_path / "file", tmp_path / "file.partial"
    path.write_text("old")
    partial.symlink_to("/dev/full")
    words = f"^{path} could not be written, it seems for want of room .[0-9]+ MiB in {tmp_path} and [0-9]+ MiB in "
    with pytest.raises(PolyheadError, match=words):
        write(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_other_errors_of_a_write_stay_as_they_are(tmp_path: Path) -> None:
    partial = tmp_path / "file.partial"
    partial.write_text("half")
    with pytest.raises(RuntimeError, match="ours"), whole(tmp_path / "file"):
        raise RuntimeError("ours")
    assert not partial.exists()
    with pytest.raises(FileNotFoundError), whole(tmp_path / "file"):
        pass
    assert not list(tmp_path.iterdir())


def test_one_process_at_a_time_trains_in_a_run(tmp_path: Path) -> None:
    """Another is refused with a line; when the first has been killed, the run is free."""
    run = Run.create(tmp_path, "run")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        words = f"another process trains in '{run.folder}', and two would spoil its files; let that one end, or stop it"
        with pytest.raises(PolyheadError, match=words), run.locked():
            pass
        other.kill()
    with run.locked():
        pass
