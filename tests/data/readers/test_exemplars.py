"""Exemplars are read as they were written, fit their budget, and are only read from their own folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders.colored_images import same
from builders.fitted_images import decoded, image_modality
from PIL import Image
from torch import Tensor

from polyhead.contracts.reader import Reader
from polyhead.data.doctor import check, fingerprint
from polyhead.data.loading.source import Source
from polyhead.data.readers.coco import Coco
from polyhead.data.readers.exemplars import FILE, FORMAT, MIB, ExemplarReader, save_exemplars
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import write_coco
from polyhead.errors import InvalidFileError
from polyhead.kinds import kind_of
from polyhead.types import Boxes, ClassLabel, Mask
from polyhead.workflows.tasks import open_tasks

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


def save(reader: Reader, indices: list[int], folder: Path, limit: float = 16.0, terms: str = "") -> int:
    """Store images of a reader."""
    return save_exemplars(reader, indices, folder, kind_of(reader.kind), image_modality(), limit, terms)


def load(folder: Path) -> ExemplarReader:
    """Return the reader of a folder, ready to read images."""
    reader = ExemplarReader(folder)
    reader.bind(kind_of(reader.kind), image_modality())
    return reader


@pytest.mark.parametrize("kind", READERS)
def test_targets_and_pixels_are_restored(kind: str, tmp_path: Path) -> None:
    reader = READERS[kind](tmp_path)
    indices = [7, 2, 5]
    assert save(reader, indices, tmp_path / "stored") == 3
    stored = load(tmp_path / "stored")
    for name in ("names", "categories", "license", "kind", "modality", "background"):
        assert getattr(stored, name) == getattr(reader, name), name
    assert check(stored) == []
    for position, index in enumerate(indices):
        restored, original = decoded(stored, position), decoded(reader, index)
        assert type(restored.target) is type(original.target)
        assert same(restored, original)
        assert stored.entry(position).id == reader.entry(index).id
        assert stored.also_shows(position) == reader.also_shows(index)


def test_a_stored_folder_can_be_stored_again(tmp_path: Path) -> None:
    """The run of a later training has copies of its own."""
    for kind in ("boxes", "masks", "times"):
        save(READERS[kind](tmp_path), [1, 4], tmp_path / kind)
        save(load(tmp_path / kind), [0, 1], tmp_path / f"{kind} again")
        one, again = load(tmp_path / kind), load(tmp_path / f"{kind} again")
        assert all(same(decoded(one, index), decoded(again, index)) for index in range(2))
        assert fingerprint(one) == fingerprint(again)


def test_the_license_of_the_settings_is_stored(tmp_path: Path) -> None:
    save(Scenes(COUNT, size=48), [0], tmp_path / "stored", terms="CC BY 4.0")
    assert ExemplarReader(tmp_path / "stored").license == "CC BY 4.0"


def test_the_files_fit_the_budget_and_the_first_image_is_always_stored(tmp_path: Path) -> None:
    reader = Scenes(COUNT, size=64)
    whole = save(reader, [*range(COUNT)], tmp_path / "whole")
    used = sum(file.stat().st_size for file in (tmp_path / "whole").glob("*.png")) / MIB
    half = save(reader, [*range(COUNT)], tmp_path / "half", used / 2)
    assert whole == COUNT
    assert 3 <= half < COUNT
    files = list((tmp_path / "half").glob("*.png"))
    assert len(files) == half
    assert sum(file.stat().st_size for file in files) <= used / 2 * MIB
    assert save(reader, [*range(COUNT)], tmp_path / "least", 1e-6) == 1


def test_masks_count_and_are_deleted_with_their_images(tmp_path: Path) -> None:
    reader = Scenes(COUNT, size=64, target="masks")
    save(reader, [*range(COUNT)], tmp_path / "whole")
    used = sum(file.stat().st_size for file in (tmp_path / "whole").glob("*.png")) / MIB
    half = save(reader, [*range(COUNT)], tmp_path / "half", used / 2)
    files = list((tmp_path / "half").glob("*.png"))
    assert 3 <= half < COUNT
    assert len(files) == 2 * half
    assert sum(file.stat().st_size for file in files) <= used / 2 * MIB


def test_an_image_that_is_too_large_is_left_out(tmp_path: Path) -> None:
    class Scan(Scenes):
        def raw(self, index: int) -> Tensor:
            return torch.randint(256, (3, 600, 600), dtype=torch.uint8) if index == 1 else super().raw(index)

    assert save(Scan(COUNT, size=64), [*range(COUNT)], tmp_path / "stored", 0.9) == COUNT - 1


def test_an_interrupted_folder_is_started_again_and_a_complete_one_is_not_changed(tmp_path: Path) -> None:
    reader = Scenes(COUNT, size=48)
    assert save(reader, [0, 1], tmp_path / "stored") == 2
    assert save(reader, [2, 3, 4], tmp_path / "stored") == 2
    (tmp_path / "stored" / FILE).unlink()  # as if killed before the end
    (tmp_path / "stored" / "00009.png").write_bytes(b"half")
    assert save(reader, [2, 3, 4], tmp_path / "stored") == 3
    assert len(list((tmp_path / "stored").glob("*.png"))) == 3


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the JSON file of a folder."""
    content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    change(content)
    (folder / FILE).write_text(json.dumps(content), encoding="utf-8")


OUTSIDE = pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../outside.png", r"image '\.\./outside\.png': expected a path inside .*, got one that leaves it"),
        ("/etc/passwd", "image '/etc/passwd': expected a path inside .*, got one that leaves it"),
        ("gone.png", "image 'gone.png': does not exist in"),
    ],
)


@OUTSIDE
@pytest.mark.parametrize("part", ["input", "target"])
def test_files_outside_the_folder_are_rejected(name: str, message: str, part: str, tmp_path: Path) -> None:
    save(Scenes(COUNT, size=48, target="masks"), [0, 1], tmp_path / "stored")
    (tmp_path / "outside.png").write_bytes((tmp_path / "stored" / "00000.png").read_bytes())
    edit(tmp_path / "stored", lambda content: content["samples"][1][part].update({"files": [name]}))
    (problem,) = ExemplarReader(tmp_path / "stored").problems
    with pytest.raises(InvalidFileError, match=message):
        raise InvalidFileError(*problem)


@pytest.mark.parametrize("suffix", ["png", "mask.png"])
def test_a_stored_file_that_cannot_be_read_is_a_problem(suffix: str, tmp_path: Path) -> None:
    save(Scenes(COUNT, size=48, target="masks"), [0, 1], tmp_path / "stored")
    (tmp_path / "stored" / f"00001.{suffix}").write_bytes(b"half")
    (problem,) = check(load(tmp_path / "stored"))
    assert problem.where.endswith(f"00001.{suffix}")
    assert "cannot be decoded" in problem.what


@pytest.mark.parametrize(("part", "entry"), [("input", {"size": None, "files": []}), ("target", {})])
def test_an_entry_without_its_file_is_a_problem(part: str, entry: dict[str, Any], tmp_path: Path) -> None:
    save(Scenes(COUNT, size=48, target="masks"), [0, 1], tmp_path / "stored")
    edit(tmp_path / "stored", lambda content: content["samples"][1].update({part: entry}))
    (problem,) = check(load(tmp_path / "stored"))
    assert problem.where.endswith(FILE)
    assert "sample 'fruit-0-00001' is damaged" in problem.what or "sample 'shapes-0-00001' is damaged" in problem.what


def test_unknown_formats_and_damaged_files_are_rejected(tmp_path: Path) -> None:
    save(Scenes(COUNT, size=48), [0], tmp_path / "stored")
    edit(tmp_path / "stored", lambda content: content.update(format=9))
    with pytest.raises(InvalidFileError, match="expected format 2, got the unknown format 9; use a newer Polyhead"):
        ExemplarReader(tmp_path / "stored")
    edit(tmp_path / "stored", lambda content: content.pop("names"))
    edit(tmp_path / "stored", lambda content: content.update(format=FORMAT))
    with pytest.raises(InvalidFileError, match=r"exemplars\.json: the file is damaged \(names is missing\)"):
        ExemplarReader(tmp_path / "stored")
    edit(tmp_path / "stored", lambda content: content.update(format=1))
    with pytest.raises(InvalidFileError, match=r"exemplars\.json: the file is damaged \(KeyError: 'images'\)"):
        ExemplarReader(tmp_path / "stored")
    (tmp_path / "stored" / FILE).write_text("{", encoding="utf-8")
    with pytest.raises(InvalidFileError, match="the file is damaged"):
        ExemplarReader(tmp_path / "stored")


@pytest.mark.parametrize("column", ["labels", "areas", "annotated"])
def test_a_target_that_lacks_a_value_is_named(column: str, tmp_path: Path) -> None:
    save(Scenes(COUNT, size=48), [0], tmp_path / "stored")
    edit(tmp_path / "stored", lambda content: content["samples"][0]["target"][column].pop())
    problem = load(tmp_path / "stored").verify(0)
    assert problem is not None
    assert problem.what.startswith("expected flags" if column == "annotated" else "expected columns of one length")


SIZE = (6, 8)
PIXELS = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
MASK = np.array([[0, 1, 255, 2] * 2] * 6, dtype=np.uint8)
NOTHING: dict[str, Any] = {"boxes": [], "labels": [], "ignore": [], "areas": []}
OBJECTS: dict[str, Any] = {
    "boxes": [[1.5, 1, 4, 5], [0, 0, 8, 6]],
    "labels": [1, 0],
    "ignore": [False, True],
    "areas": [7.25, 48],
}


def write_format_1(folder: Path, images: list[dict[str, Any]], *, masked: bool = False) -> Path:
    """Write a folder as earlier versions did; ``images`` has what is not the same in each."""
    folder.mkdir()
    names = ["background", "cat", "dog"] if masked else ["cat", "dog"]
    entries = []
    for number, image in enumerate(images):
        name = f"{number:05d}"
        Image.fromarray(PIXELS + number).save(folder / f"{name}.png")
        if masked:
            Image.fromarray(MASK).save(folder / f"{name}.mask.png")
        entries.append(
            {
                "id": f"old {number}",
                "size": list(SIZE),
                "annotated": [True] * len(names),
                "value": None,
                "image": f"{name}.png",
                "mask": f"{name}.mask.png" if masked else "",
                **image,
            }
        )
    content = {"format": 1, "license": "CC0", "masked": masked, "names": names, "categories": [3, 7]}
    (folder / FILE).write_text(json.dumps({**content, "images": entries}), encoding="utf-8")
    return folder


def check_format_1(reader: ExemplarReader, kind: str) -> None:
    """Check what does not depend on the kind of the targets."""
    assert (reader.kind, reader.modality, reader.license, reader.categories) == (kind, "image", "CC0", [3, 7])
    assert reader.background == (kind == "segmentation")
    assert check(reader) == []
    assert [reader.entry(index).id for index in range(len(reader))] == [f"old {index}" for index in range(len(reader))]
    for index in range(len(reader)):
        assert decoded(reader, index).input.permute(1, 2, 0).tolist() == (PIXELS + index).tolist()
        assert reader.entry(index).bytes == PIXELS.nbytes


def test_detections_of_format_1_are_read(tmp_path: Path) -> None:
    images = [
        {**OBJECTS, "annotated": [True, False], "value": 3},  # drawn scenes had a time of day, too
        {**NOTHING, "value": 0},
        {**OBJECTS},
    ]
    reader = load(write_format_1(tmp_path / "old", images))
    check_format_1(reader, "detection")
    first, empty = reader.target(0), reader.target(1)
    expected = Boxes(
        torch.tensor(OBJECTS["boxes"]),
        torch.tensor(OBJECTS["labels"]),
        torch.tensor(OBJECTS["ignore"]),
        torch.tensor(OBJECTS["areas"]),
        torch.tensor([True, False]),
        SIZE,
    )
    assert same(first, expected)
    assert [field.dtype for field in first[:5]] == [field.dtype for field in expected[:5]]
    assert (empty.boxes.shape, empty.labels.dtype, empty.ignore.dtype) == ((0, 4), torch.int64, torch.bool)
    assert [reader.also_shows(index) for index in range(3)] == [{("value", 3)}, {("value", 0)}, set()]


def test_masks_of_format_1_are_read(tmp_path: Path) -> None:
    folder = write_format_1(tmp_path / "old", [NOTHING, NOTHING], masked=True)
    reader = load(folder)
    check_format_1(reader, "segmentation")
    for index in range(2):
        assert same(reader.target(index), Mask(torch.from_numpy(MASK)))
        assert reader.entry(index).files == (str(folder / f"0000{index}.png"), str(folder / f"0000{index}.mask.png"))
        assert reader.also_shows(index) == set()


def test_classes_of_format_1_are_read(tmp_path: Path) -> None:
    reader = load(write_format_1(tmp_path / "old", [{**NOTHING, "value": 1}, {**NOTHING, "value": 0}]))
    check_format_1(reader, "classification")
    assert [same(reader.target(index), ClassLabel(torch.tensor(1 - index))) for index in range(2)] == [True, True]
    assert [reader.also_shows(index) for index in range(2)] == [set(), set()]


def test_a_task_can_be_opened_with_folders_of_format_1(tmp_path: Path) -> None:
    for name in ("train", "val", "test"):
        write_format_1(tmp_path / name, [{**OBJECTS, "id": name}])
    train, val, test = (ExemplarReader(tmp_path / name) for name in ("train", "val", "test"))
    task = open_tasks({"pets": Source(train, val, test)}, (16, 16), 0)["pets"]
    assert task.stored
    batch = next(iter(task.evaluation("val")))
    assert isinstance(batch.inputs, torch.Tensor)
    assert batch.inputs.shape == (1, 3, 16, 16)
    assert batch.target.labels.tolist() == [[1, 0]]


@OUTSIDE
@pytest.mark.parametrize("key", ["image", "mask"])
def test_files_outside_a_folder_of_format_1_are_rejected(name: str, message: str, key: str, tmp_path: Path) -> None:
    folder = write_format_1(tmp_path / "old", [NOTHING, NOTHING], masked=True)
    (tmp_path / "outside.png").write_bytes((folder / "00000.png").read_bytes())
    edit(folder, lambda content: content["images"][1].update({key: name}))
    (problem,) = ExemplarReader(folder).problems
    with pytest.raises(InvalidFileError, match=message):
        raise InvalidFileError(*problem)
