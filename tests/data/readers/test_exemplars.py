"""What a run keeps of its pictures comes back as it was, fits its budget, and cannot be led out of its folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision import tv_tensors as tv

from polyhead.contracts.reader import Reader
from polyhead.data.doctor import check
from polyhead.data.readers.coco import Coco
from polyhead.data.readers.exemplars import FILE, MIB, Kept, keep
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import write_coco
from polyhead.errors import FileFault
from polyhead.types import Sample

COUNT = 12


def on_disk(folder: Path) -> Reader:
    write_coco(Scenes(COUNT, "signs", size=48), folder / "data")
    return Coco(folder / "data")


READERS: dict[str, Callable[[Path], Reader]] = {
    "boxes": lambda _: Scenes(COUNT, size=48),
    "masks": lambda _: Scenes(COUNT, size=48, truth="masks"),
    "times": lambda _: Scenes(COUNT, size=48, truth="times"),
    "coco": on_disk,
}


def same(one: Any, other: Any) -> bool:
    return torch.equal(one, other) if isinstance(one, Tensor) else one == other


@pytest.mark.parametrize("kind", READERS)
def test_all_that_is_known_comes_back(kind: str, tmp_path: Path) -> None:
    reader = READERS[kind](tmp_path)
    places = [7, 2, 5]
    assert keep(reader, places, tmp_path / "kept") == 3
    kept = Kept(tmp_path / "kept")
    assert (kept.names, kept.categories, kept.licence) == (reader.names, reader.categories, reader.licence)
    assert kept.masked is reader.masked
    assert check(kept) == []
    for index, place in enumerate(places):
        have, want = kept[index], reader[place]
        assert torch.equal(have.input, want.input)
        for field in ("id", "path", "size", "boxes", "labels", "ignore", "areas", "annotated", "value"):
            if field != "path":
                assert same(getattr(kept.annotation(index), field), getattr(reader.annotation(place), field)), field
        if reader.masked:
            assert have.mask is not None
            assert torch.equal(have.mask, want.mask)  # type: ignore[arg-type]  # it has one, too


def test_the_files_fit_the_budget_and_the_first_is_always_there(tmp_path: Path) -> None:
    reader = Scenes(COUNT, size=64)
    whole = keep(reader, range(COUNT), tmp_path / "whole")
    used = sum(file.stat().st_size for file in (tmp_path / "whole").glob("*.png")) / MIB
    half = keep(reader, range(COUNT), tmp_path / "half", used / 2)
    assert whole == COUNT
    assert 3 <= half < COUNT
    files = list((tmp_path / "half").glob("*.png"))
    assert len(files) == half
    assert sum(file.stat().st_size for file in files) <= used / 2 * MIB
    assert keep(reader, range(COUNT), tmp_path / "least", 1e-6) == 1


def test_a_picture_that_is_too_large_costs_the_others_nothing(tmp_path: Path) -> None:
    class Scan(Scenes):
        def __getitem__(self, index: int) -> Sample:
            each = super().__getitem__(index)
            return (
                each._replace(input=tv.Image(torch.randint(256, (3, 600, 600), dtype=torch.uint8)))
                if index == 1
                else each
            )

    assert keep(Scan(COUNT, size=64), range(COUNT), tmp_path / "kept", 0.9) == COUNT - 1


def test_what_was_broken_off_is_begun_again_and_what_is_complete_stays(tmp_path: Path) -> None:
    reader = Scenes(COUNT, size=48)
    assert keep(reader, [0, 1], tmp_path / "kept") == 2
    assert keep(reader, [2, 3, 4], tmp_path / "kept") == 2
    (tmp_path / "kept" / FILE).unlink()  # as if killed before the end
    (tmp_path / "kept" / "00009.png").write_bytes(b"half")
    assert keep(reader, [2, 3, 4], tmp_path / "kept") == 3
    assert len(list((tmp_path / "kept").glob("*.png"))) == 3


def changed(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    told = json.loads((folder / FILE).read_text(encoding="utf-8"))
    change(told)
    (folder / FILE).write_text(json.dumps(told), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../outside.png", r"picture '\.\./outside\.png': the path leaves its folder"),
        ("/etc/passwd", "picture '/etc/passwd': the path leaves its folder"),
        ("gone.png", "picture 'gone.png': there is no such file"),
    ],
)
def test_pictures_elsewhere_are_refused(name: str, message: str, tmp_path: Path) -> None:
    keep(Scenes(COUNT, size=48), [0, 1], tmp_path / "kept")
    (tmp_path / "outside.png").write_bytes((tmp_path / "kept" / "00000.png").read_bytes())
    changed(tmp_path / "kept", lambda told: told["pictures"][1].update(picture=name))
    (problem,) = Kept(tmp_path / "kept").problems
    with pytest.raises(FileFault, match=message):
        raise FileFault(*problem)


def test_another_format_and_broken_files_are_told(tmp_path: Path) -> None:
    keep(Scenes(COUNT, size=48), [0], tmp_path / "kept")
    changed(tmp_path / "kept", lambda told: told.update(format=9))
    with pytest.raises(FileFault, match="format 9 is not known; use a newer Polyhead"):
        Kept(tmp_path / "kept")
    changed(tmp_path / "kept", lambda told: told.pop("names"))
    changed(tmp_path / "kept", lambda told: told.update(format=1))
    with pytest.raises(FileFault, match=r"kept\.json: is not what was written \(KeyError: 'names'\)"):
        Kept(tmp_path / "kept")
    (tmp_path / "kept" / FILE).write_text("{", encoding="utf-8")
    with pytest.raises(FileFault, match="is not what was written"):
        Kept(tmp_path / "kept")
