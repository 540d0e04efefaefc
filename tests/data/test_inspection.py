"""Only data that has changed is read again; what cannot be read is never taken from the store."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polyhead.data.checks import results
from polyhead.data.doctor import inspect
from polyhead.data.io.images import ImageFile
from polyhead.data.readers.folder import Folder
from polyhead.modalities.image import Image

Tiny = Callable[[str], Path]


class Counting(Image):
    """Counts the images that are read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    def inspect(self, raw: Any) -> Any:
        assert isinstance(raw, ImageFile)
        self.read.append(Path(raw.path).name)
        return super().inspect(raw)


def looked(root: Path) -> list[str]:
    modality = Counting()
    inspection = inspect(Folder(root), modality)
    assert len(inspection.facts) + len(inspection.problems) == 3
    return sorted(modality.read)


def test_each_image_is_read_once_until_it_changes(tiny: Tiny) -> None:
    root = tiny("folder")
    assert looked(root) == ["a.jpg", "b.png", "c.jpg"]
    assert looked(root) == []
    (root / "cat" / "a.jpg").write_bytes((root / "dog" / "c.jpg").read_bytes())
    assert looked(root) == ["a.jpg", "b.png", "c.jpg"]


def test_a_truncated_image_is_found_at_each_check(tiny: Tiny) -> None:
    root = tiny("folder")
    file = root / "cat" / "a.jpg"
    file.write_bytes(file.read_bytes()[:-100])
    for read in (["a.jpg", "b.png", "c.jpg"], ["a.jpg"]):
        modality = Counting()
        problems = inspect(Folder(root), modality).problems
        assert sorted(modality.read) == read
        assert [str(file) in str(problem) for problem in problems.values()] == [True]


@pytest.mark.parametrize("text", ["", "[]", '{"version": 0, "value": {}}', '{"version": 1}'])
def test_a_damaged_or_old_store_is_not_used(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    results.store("key", {"a": 1})
    assert results.stored("key") == {"a": 1}
    (tmp_path / "polyhead" / "checked" / "key.json").write_text(text)
    assert results.stored("key") is None
