import os
from pathlib import Path

import pytest

from polyhead.commands import data
from polyhead.data import doctor
from polyhead.data.synthetic.scenes import Scenes
from polyhead.errors import PolyheadError
from polyhead.paths import DATA, RECIPES, WEIGHTS, cache, find, places


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the current folder, two folders of the variable and two cache folders, all empty."""
    names = ["here", "first", "second", "cache/polyhead/data", "cache/polyhead/weights"]
    made = [tmp_path / name for name in names]
    for folder in made:
        folder.mkdir(parents=True)
    monkeypatch.chdir(made[0])
    monkeypatch.setenv(DATA, os.pathsep.join(str(folder) for folder in made[1:3]))
    monkeypatch.delenv(WEIGHTS, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return made


def test_the_first_folder_that_contains_the_path_is_used(folders: list[Path]) -> None:
    for folder in reversed(folders[:4]):
        (folder / "pets").mkdir()
        assert find("pets") == folder / "pets"


def test_other_folders_can_be_searched_first(folders: list[Path]) -> None:
    (folders[0] / "pets").mkdir()
    (folders[2] / "pets").mkdir()
    assert find("pets", first=[folders[1], folders[2]]) == folders[2] / "pets"
    with pytest.raises(PolyheadError, match=f"looked at {folders[2]}/dogs, {folders[0]}/dogs, "):
        find("dogs", first=[folders[2]])


def test_lists_of_recipes_that_ship_are_found_after_those_in_the_current_folder(folders: list[Path]) -> None:
    name = "penn_fudan/train.txt"
    for folder in (folders[1], folders[0]):
        assert find(name) == RECIPES / name
        (folder / "penn_fudan").mkdir()
        (folder / name).touch()
    assert find(name) == folders[0] / name
    assert find("penn_fudan") == folders[0] / "penn_fudan"
    with pytest.raises(PolyheadError, match="'unified' was not found"):
        find("unified")  # folders that ship are not data


def test_weights_have_their_own_folders(folders: list[Path]) -> None:
    (folders[4] / "net.safetensors").write_bytes(b"")
    assert find("net.safetensors", WEIGHTS) == folders[4] / "net.safetensors"
    with pytest.raises(PolyheadError, match=r"net.safetensors' was not found"):
        find("net.safetensors", DATA)


def test_the_message_lists_all_searched_folders(folders: list[Path]) -> None:
    with pytest.raises(PolyheadError) as caught:
        find("pets")
    assert all(str(folder / "pets") in str(caught.value) for folder in folders[:4])
    with pytest.raises(PolyheadError, match="POLYHEAD_WEIGHTS is not set"):
        find("pets", WEIGHTS)


def test_an_absolute_path_is_used_as_it_is(folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert find(folders[1]) == folders[1]
    with pytest.raises(PolyheadError, match=rf"looked at {folders[1]}/none\."):
        find(folders[1] / "none")
    monkeypatch.setenv("HOME", str(folders[2].parent))
    assert find("~/second") == folders[2]


def test_without_a_home_folder_the_cache_folder_is_left_out(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a user id that no password file has, in a container or on a cluster."""
    here = folders[0]
    with_home = places("POLYHEAD_DATA")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", dict[int, str]().__getitem__)
    assert places("POLYHEAD_DATA") == with_home[:-1]
    (here / "set").mkdir()
    assert find("set") == find(here / "set") == here / "set"
    for path in ("~", "~/set"):
        with pytest.raises(PolyheadError, match=f"^'{path}': the home folder is unknown. Set HOME, or write the whole"):
            find(path)
    with pytest.raises(PolyheadError, match=r"^'~/\.cache': the home folder is unknown"):
        cache("POLYHEAD_DATA")
    assert doctor.check(Scenes(3)) == []
    assert data.main(["list"]) == 0


def test_a_path_with_backslashes_is_explained(folders: list[Path]) -> None:
    del folders
    with pytest.raises(PolyheadError, match=r" was not found \(folders are separated by / here, not by \\\); looked"):
        find("set\\images")
