from pathlib import Path

import pytest

from polyhead.errors import PolyheadError
from polyhead.places import find

VARIABLE = "POLYHEAD_WEIGHTS"


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Current folder, two listed folders, cache."""
    made = [tmp_path / name for name in ("here", "first", "second", "cache/polyhead/weights")]
    for folder in made:
        folder.mkdir(parents=True)
    monkeypatch.chdir(made[0])
    monkeypatch.setenv(VARIABLE, f"{made[1]}:{made[2]}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return made


def test_the_first_place_wins(places: list[Path]):
    for place in reversed(places):
        (place / "a.pth").touch()
        assert find("a.pth", VARIABLE) == place / "a.pth"


def test_an_absolute_path_is_taken_as_it_is(places: list[Path]):
    (places[1] / "a.pth").touch()
    with pytest.raises(PolyheadError, match="was not found"):
        find(places[0] / "a.pth", VARIABLE)


def test_the_error_names_every_place(places: list[Path], monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(PolyheadError) as caught:
        find("a.pth", VARIABLE)
    assert all(str(place / "a.pth") in str(caught.value) for place in places)
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(PolyheadError, match=r"POLYHEAD_WEIGHTS is not set"):
        find("a.pth", VARIABLE)
