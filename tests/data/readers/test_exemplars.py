"""Exemplars are read as they were written, fit their budget, and are only read from their own folder."""

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
from polyhead.data.readers.exemplars import FILE, MIB, ExemplarReader, save_exemplars
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import write_coco
from polyhead.errors import InvalidFileError
from polyhead.types import Sample

COUNT = 12


def on_disk(folder: Path) -> Reader:
    write_coco(Scenes(COUNT, "signs", size=48), folder / "data")
    return Coco(folder / "data")


READERS: dict[str, Callable[[Path], Reader]] = {
    "boxes": lambda _: Scenes(COUNT, size=48),
    "masks": lambda _: Scenes(COUNT, size=48, target="masks"),
    "times": lambda _: Scenes(COUNT, size=48, target="times"),
    "coco": on_disk,
}


def same(one: Any, other: Any) -> bool:
    return torch.equal(one, other) if isinstance(one, Tensor) else one == other


@pytest.mark.parametrize("kind", READERS)
def test_annotations_and_pixels_are_restored(kind: str, tmp_path: Path) -> None:
    reader = READERS[kind](tmp_path)
    indices = [7, 2, 5]
    assert save_exemplars(reader, indices, tmp_path / "stored") == 3
    stored = ExemplarReader(tmp_path / "stored")
    assert (stored.names, stored.categories, stored.license) == (reader.names, reader.categories, reader.license)
    assert stored.has_masks is reader.has_masks
    assert check(stored) == []
    for position, index in enumerate(indices):
        restored, original = stored[position], reader[index]
        assert torch.equal(restored.input, original.input)
        for field in ("id", "path", "size", "boxes", "labels", "ignore", "areas", "annotated", "value"):
            if field != "path":
                assert same(getattr(stored.annotation(position), field), getattr(reader.annotation(index), field)), (
                    field
                )
        if reader.has_masks:
            assert restored.mask is not None
            assert torch.equal(restored.mask, original.mask)  # type: ignore[arg-type]  # it has a mask


def test_the_files_fit_the_budget_and_the_first_image_is_always_stored(tmp_path: Path) -> None:
    reader = Scenes(COUNT, size=64)
    whole = save_exemplars(reader, range(COUNT), tmp_path / "whole")
    used = sum(file.stat().st_size for file in (tmp_path / "whole").glob("*.png")) / MIB
    half = save_exemplars(reader, range(COUNT), tmp_path / "half", used / 2)
    assert whole == COUNT
    assert 3 <= half < COUNT
    files = list((tmp_path / "half").glob("*.png"))
    assert len(files) == half
    assert sum(file.stat().st_size for file in files) <= used / 2 * MIB
    assert save_exemplars(reader, range(COUNT), tmp_path / "least", 1e-6) == 1


def test_an_image_that_is_too_large_is_left_out(tmp_path: Path) -> None:
    class Scan(Scenes):
        def __getitem__(self, index: int) -> Sample:
            each = super().__getitem__(index)
            return (
                each._replace(input=tv.Image(torch.randint(256, (3, 600, 600), dtype=torch.uint8)))
                if index == 1
                else each
            )

    assert save_exemplars(Scan(COUNT, size=64), range(COUNT), tmp_path / "stored", 0.9) == COUNT - 1


def test_an_interrupted_folder_is_started_again_and_a_complete_one_is_not_changed(tmp_path: Path) -> None:
    reader = Scenes(COUNT, size=48)
    assert save_exemplars(reader, [0, 1], tmp_path / "stored") == 2
    assert save_exemplars(reader, [2, 3, 4], tmp_path / "stored") == 2
    (tmp_path / "stored" / FILE).unlink()  # as if killed before the end
    (tmp_path / "stored" / "00009.png").write_bytes(b"half")
    assert save_exemplars(reader, [2, 3, 4], tmp_path / "stored") == 3
    assert len(list((tmp_path / "stored").glob("*.png"))) == 3


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the JSON file of a folder."""
    content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    change(content)
    (folder / FILE).write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../outside.png", r"image '\.\./outside\.png': expected a path inside .*, got one that leaves it"),
        ("/etc/passwd", "image '/etc/passwd': expected a path inside .*, got one that leaves it"),
        ("gone.png", "image 'gone.png': does not exist in"),
    ],
)
def test_images_outside_the_folder_are_rejected(name: str, message: str, tmp_path: Path) -> None:
    save_exemplars(Scenes(COUNT, size=48), [0, 1], tmp_path / "stored")
    (tmp_path / "outside.png").write_bytes((tmp_path / "stored" / "00000.png").read_bytes())
    edit(tmp_path / "stored", lambda content: content["images"][1].update(image=name))
    (problem,) = ExemplarReader(tmp_path / "stored").problems
    with pytest.raises(InvalidFileError, match=message):
        raise InvalidFileError(*problem)


def test_unknown_formats_and_damaged_files_are_rejected(tmp_path: Path) -> None:
    save_exemplars(Scenes(COUNT, size=48), [0], tmp_path / "stored")
    edit(tmp_path / "stored", lambda content: content.update(format=9))
    with pytest.raises(InvalidFileError, match="expected format 1, got the unknown format 9; use a newer Polyhead"):
        ExemplarReader(tmp_path / "stored")
    edit(tmp_path / "stored", lambda content: content.pop("names"))
    edit(tmp_path / "stored", lambda content: content.update(format=1))
    with pytest.raises(InvalidFileError, match=r"exemplars\.json: the file is damaged \(KeyError: 'names'\)"):
        ExemplarReader(tmp_path / "stored")
    (tmp_path / "stored" / FILE).write_text("{", encoding="utf-8")
    with pytest.raises(InvalidFileError, match="the file is damaged"):
        ExemplarReader(tmp_path / "stored")
