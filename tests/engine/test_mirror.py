"""Copies of a run folder at another place."""

from pathlib import Path

import fsspec
import pytest

from polyhead.engine.mirror import Mirror, check_url
from polyhead.errors import PolyheadError
from polyhead.run import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run.create(tmp_path / "runs", "first")
    run.config.write_text("seed: 0\n")
    run.last.write_bytes(b"weights")
    return run


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_changed_files_are_copied_and_nothing_is_deleted(run: Run, tmp_path: Path) -> None:
    lines: list[str] = []
    mirror = Mirror(str(tmp_path / "copy"), run, lines.append)
    run.lock.touch()
    (run.weights / "best.pt.1.2.partial").touch()
    assert mirror.copy()
    copied = files(tmp_path / "copy" / "first")
    assert copied == {"config.yaml": b"seed: 0\n", "weights/last.pt": b"weights"}
    (tmp_path / "copy" / "first" / "config.yaml").unlink()  # unchanged here, so it is not copied again
    run.last.write_bytes(b"weights of the next epoch")
    run.config.touch()
    run.best.write_bytes(b"best")
    assert mirror.copy()
    assert files(tmp_path / "copy" / "first") == {
        "config.yaml": b"seed: 0\n",
        "weights/last.pt": b"weights of the next epoch",
        "weights/best.pt": b"best",
    }
    run.best.unlink()
    assert mirror.copy()
    assert "weights/best.pt" in files(tmp_path / "copy" / "first")
    assert not lines


def test_any_file_system_of_fsspec_is_a_target(run: Run) -> None:
    assert Mirror("memory://bucket/runs", run, print).copy()
    memory = fsspec.filesystem("memory")
    assert memory.cat("/bucket/runs/first/weights/last.pt") == b"weights"
    assert not [name for name in memory.find("/bucket") if name.endswith(".partial")]


def test_a_failure_is_logged_and_repeated_with_the_next_copy(run: Run, tmp_path: Path) -> None:
    lines: list[str] = []
    mirror = Mirror(str(tmp_path / "copy"), run, lines.append)
    (tmp_path / "copy").write_text("a file in the place of the folder")
    assert not mirror.copy()
    assert len(lines) == 1
    assert lines[0].startswith(f"mirror: 2 files could not be copied to {tmp_path / 'copy'}/first (config.yaml: ")
    assert lines[0].endswith("); the next epoch tries again")
    (tmp_path / "copy").unlink()
    assert mirror.copy()
    assert len(files(tmp_path / "copy" / "first")) == 2


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "ftp://me:secret@server/runs",
            r"^mirror: the URL holds a password, which the run would store in config.yaml\.",
        ),
        ("nowhere://bucket", r"^mirror: nowhere://bucket cannot be used \(Protocol not known: nowhere\)\. Install"),
    ],
)
def test_urls_that_cannot_be_used(url: str, message: str) -> None:
    with pytest.raises(PolyheadError, match=message) as caught:
        check_url(url)
    assert "secret" not in str(caught.value)
