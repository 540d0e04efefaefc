import os
from pathlib import Path

import pytest

from polyhead.errors import PolyheadError
from polyhead.paths import DATA, WEIGHTS, find


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The current folder, two folders of the variable, and the cache: none holds anything yet."""
    names = ["here", "first", "second", "cache/polyhead/data", "cache/polyhead/weights"]
    folders = [tmp_path / name for name in names]
    for folder in folders:
        folder.mkdir(parents=True)
    monkeypatch.chdir(folders[0])
    monkeypatch.setenv(DATA, os.pathsep.join(str(folder) for folder in folders[1:3]))
    monkeypatch.delenv(WEIGHTS, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folders


def test_the_first_place_that_has_it_wins(places: list[Path]) -> None:
    for place in reversed(places[:4]):
        (place / "pets").mkdir()
        assert find("pets") == place / "pets"


def test_weights_have_their_own_places(places: list[Path]) -> None:
    (places[4] / "net.safetensors").write_bytes(b"")
    assert find("net.safetensors", WEIGHTS) == places[4] / "net.safetensors"
    with pytest.raises(PolyheadError, match=r"net.safetensors' was not found"):
        find("net.safetensors", DATA)


def test_the_message_names_every_place(places: list[Path]) -> None:
    with pytest.raises(PolyheadError) as caught:
        find("pets")
    assert all(str(place / "pets") in str(caught.value) for place in places[:4])
    with pytest.raises(PolyheadError, match="POLYHEAD_WEIGHTS is not set"):
        find("pets", WEIGHTS)


def test_an_absolute_path_is_taken_as_it_is(places: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert find(places[1]) == places[1]
    with pytest.raises(PolyheadError, match=f"looked at {places[1]}/none;"):
        find(places[1] / "none")
    monkeypatch.setenv("HOME", str(places[2].parent))
    assert find("~/second") == places[2]
