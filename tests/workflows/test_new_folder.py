"""A folder is replaced as a whole, and only where it has nothing of the user's."""

from pathlib import Path

import pytest

from polyhead.errors import PolyheadError
from polyhead.run import remove_partials
from polyhead.workflows.new_folder import replaced


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def interrupted(folder: Path) -> None:
    with replaced(folder, ["old.jpg"]) as new:
        (new / "new.jpg").write_text("new")
        raise KeyboardInterrupt


def test_a_new_folder_replaces_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    for file in ("old.jpg", "new.jpg"):
        with replaced(folder, ["old.jpg"]) as new:
            (new / file).write_text(file)
            assert file == "old.jpg" or names(folder) == ["old.jpg"], "until the end, the old one is there"
    assert names(folder) == ["new.jpg"]
    assert names(tmp_path / "a") == ["b"]


def test_after_an_interruption_the_old_one_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "b"
    with replaced(folder, []) as new:
        (new / "old.jpg").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        interrupted(folder)
    assert names(folder) == ["old.jpg"]
    assert names(tmp_path) == ["b"]


def test_other_files_are_never_lost(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for file in ("a.jpg", "b.jpg", "mine.jpg", ".DS_Store"):
        (folder / file).write_text(file)
    with (
        pytest.raises(PolyheadError, match=r"photos' has files that this command did not write: mine\.jpg\. Move"),
        replaced(folder, ["a.jpg", "b.jpg"]),
    ):
        pytest.fail("nothing is computed")
    assert len(names(folder)) == 4
    (folder / "mine.jpg").unlink()
    with replaced(folder, ["a.jpg", "b.jpg"]) as new:
        (new / "c.jpg").write_text("c")
    assert names(folder) == ["c.jpg"], "what a file manager has written does not count"


def test_a_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(PolyheadError, match=r"a\.txt' is a file\. Give a folder"), replaced(tmp_path / "a.txt", []):
        pytest.fail("nothing is computed")
    assert (tmp_path / "a.txt").read_text() == "a"


def test_the_folder_of_a_link_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with replaced(tmp_path / "link", []) as new:
        (new / "a.jpg").write_text("a")
    assert names(tmp_path / "real") == ["a.jpg"]
    assert (tmp_path / "link").is_symlink()


def test_what_a_killed_process_left_is_removed_by_the_next_training(tmp_path: Path) -> None:
    left = tmp_path / "mistakes.0a1b2c3d.999999999.partial"
    left.mkdir()
    (left / "table.json.0a1b2c3d.999999999.partial").write_text("half")
    (left / "a.jpg").write_text("a")
    (tmp_path / "best.pt").write_text("whole")
    remove_partials(tmp_path)
    assert names(tmp_path) == ["best.pt"]
