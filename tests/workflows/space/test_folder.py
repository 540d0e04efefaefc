"""A Space is written completely or not at all, and over nothing that Polyhead has not written."""

from pathlib import Path

import pytest
from builders.shown_run import all_bytes, shown_run

from polyhead.errors import PolyheadError
from polyhead.workflows.space.files import SpaceFile
from polyhead.workflows.space.folder import changed, check_folder, write
from polyhead.workflows.space.plan import Plan, plan


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shown_run(tmp_path_factory.mktemp("runs") / "two")


@pytest.fixture(scope="module")
def planned(run: Path) -> Plan:
    return plan(run)


def test_the_files_are_written_and_the_run_is_not_changed(run: Path, planned: Plan, tmp_path: Path) -> None:
    before = all_bytes(run)
    folder = write(planned, tmp_path / "space", run)
    assert all_bytes(folder) == {file.path: file.read() for file in planned.files}
    assert all_bytes(run) == before
    assert [path.name for path in tmp_path.iterdir()] == ["space"]
    assert changed(folder) == []


def test_a_space_is_replaced_but_not_one_with_changes(planned: Plan, tmp_path: Path) -> None:
    folder = write(planned, tmp_path / "space")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "app.pyc").write_bytes(b"x")
    fewer = planned._replace(files=[file for file in planned.files if "samples" not in file.path])
    write(fewer, folder)
    assert not (folder / "runs" / "two" / "samples").exists()
    assert not (folder / "__pycache__").exists()
    (folder / "notes.txt").write_text("mine")
    (folder / "README.md").write_text("mine")
    with pytest.raises(PolyheadError, match=r"added or changed after Polyhead wrote it \(README.md,.*notes.txt"):
        write(planned, folder)
    assert (folder / "notes.txt").read_text() == "mine"


def test_other_folders_are_refused(run: Path, planned: Plan, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    with pytest.raises(PolyheadError, match="is not empty, and not a Space that Polyhead has written"):
        write(planned, tmp_path / "full")
    with pytest.raises(PolyheadError, match=r"is a file. Give the folder of the Space"):
        write(planned, tmp_path / "full" / "x")
    with pytest.raises(PolyheadError, match="is in the run, which is not changed"):
        check_folder(run / "space", run)
    with pytest.raises(PolyheadError, match="is in the run, which is not changed"):
        check_folder(run / "space", run / "weights" / "best.pt")
    (tmp_path / "full" / "space.json").write_text("{}")
    with pytest.raises(PolyheadError, match=r"its space.json is missing or damaged"):
        write(planned, tmp_path / "full")


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "a\\b"])
def test_a_path_out_of_the_folder_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(PolyheadError, match="is not a path within a Space"):
        write(Plan([SpaceFile(path, b"", "MIT")], []), tmp_path / "space")
    assert not any(tmp_path.iterdir())


def test_after_an_error_the_old_space_is_whole(planned: Plan, tmp_path: Path) -> None:
    folder = write(planned, tmp_path / "space")
    before = all_bytes(folder)
    broken = planned._replace(files=[*planned.files, SpaceFile("x", tmp_path / "missing", "MIT")])
    with pytest.raises(PolyheadError, match="the Space cannot be written"):
        write(broken, folder)
    assert all_bytes(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["space"]
