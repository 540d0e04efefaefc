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


def test_links_are_followed_and_those_that_lead_out_are_named(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for path in (root / "a" / "1.jpg", root / ".hidden", outside / "b" / "2.jpg"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (root / "inside").symlink_to(root / "a")
    (root / "out").symlink_to(outside)
    (root / "out.jpg").symlink_to(outside / "b" / "2.jpg")
    (root / "a" / "loop").symlink_to(root)
    (root / "all").symlink_to("/")
    (root / "broken.jpg").symlink_to(root / "nothing")
    (outside / "b" / "back").symlink_to(root)
    (outside / "b" / "self").symlink_to(outside / "b" / "self")
    listing = Listing(root)
    assert sorted(listing.files) == ["a/1.jpg", "inside/1.jpg", "out.jpg", "out/b/2.jpg"]
    assert listing.outside_links == {"out": str(outside), "out.jpg": str(outside / "b" / "2.jpg")}
    assert listing.broken_links == {"a/loop", "all", "broken.jpg", "inside/loop", "out/b/back", "out/b/self"}
    assert listing.notes == [
        f"2 symbolic links out of {root} followed: out -> {outside}, out.jpg -> {outside / 'b' / '2.jpg'}",
        "6 symbolic links to nothing or to a folder above: a/loop, all, broken.jpg and 3 more",
    ]
    assert listing.find("./out/b/2.jpg") == root / "out" / "b" / "2.jpg"
    for name, word in (
        ("a/loop/a/1.jpg", "is a symbolic link to nothing, or to a folder above it"),
        ("broken.jpg", "is a symbolic link to nothing"),
        ("nothing.jpg", "does not exist"),
        ("out/../../x", "got one that leaves it"),
        (str(outside / "b" / "2.jpg"), "got one that leaves it"),
    ):
        problem = listing.find(name)
        assert isinstance(problem, Problem)
        assert word in problem.what


def test_folders_that_link_to_each_other_are_listed_in_bounded_time(tmp_path: Path) -> None:
    names = [str(number) for number in range(12)]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.jpg").write_bytes(b"")
        for other in names:
            if other != name:
                (tmp_path / name / f"to{other}").symlink_to(tmp_path / other)
    listing = Listing(tmp_path)
    assert {f"{name}/x.jpg" for name in names} <= set(listing.files)
    assert len(listing.files) < 200
    assert listing.broken_links


def test_the_listed_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "1.jpg").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    assert list(Listing(tmp_path / "link").files) == ["1.jpg"]


def test_errors_can_be_sent_from_a_worker_process() -> None:
    error = pickle.loads(pickle.dumps(InvalidFileError("a.jpg", "is broken", "copy it again")))
    assert str(error) == "a.jpg: is broken; copy it again"
    assert error.problem == Problem("a.jpg", "is broken", "copy it again")
