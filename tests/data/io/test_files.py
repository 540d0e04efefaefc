"""Safe paths and listings of folders."""

import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.data.io.files import Listing, escapes
from polyhead.errors import InvalidFileError, Problem


@pytest.mark.parametrize("name", ["/a", "../a", "a/../../b", "..", "C:/a", "c:a", "\\a", "a\\..\\b", "//host/share/a"])
def test_paths_that_leave_their_folder(name: str) -> None:
    assert escapes(name)


@settings(max_examples=50)
@given(st.lists(st.text("ab.é -_0", min_size=1, max_size=5).filter(lambda part: part not in ("..",)), min_size=1))
def test_plain_paths_stay(parts: list[str]) -> None:
    assert not escapes("/".join(parts))


def test_links_are_followed_inside_the_folder_only(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for path in (root / "a" / "1.jpg", root / ".hidden", outside / "secret.jpg"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (root / "inside").symlink_to(root / "a")
    (root / "out").symlink_to(outside)
    (root / "a" / "loop").symlink_to(root)
    (root / "broken.jpg").symlink_to(root / "nothing")
    listing = Listing(root)
    assert {"a/1.jpg", "inside/1.jpg"} <= set(listing.files)
    assert listing.outside_links == {"out"}
    assert not any("secret" in name or "hidden" in name for name in listing.files)
    assert listing.find("./a/1.jpg") == root / "a" / "1.jpg"
    for name, word in (
        ("out/secret.jpg", "leads out"),
        ("broken.jpg", "does not exist"),
        ("../x", "got one that leaves it"),
    ):
        problem = listing.find(name)
        assert isinstance(problem, Problem)
        assert word in problem.what


def test_the_listed_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "1.jpg").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    assert list(Listing(tmp_path / "link").files) == ["1.jpg"]


def test_errors_can_be_sent_from_a_worker_process() -> None:
    error = pickle.loads(pickle.dumps(InvalidFileError("a.jpg", "is broken", "copy it again")))
    assert str(error) == "a.jpg: is broken; copy it again"
    assert error.problem == Problem("a.jpg", "is broken", "copy it again")
