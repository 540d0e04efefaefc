"""Skipping within a cap, recognising formats, fingerprints. What is a fault: test_corruptions.py."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from polyhead.data.base import Subset
from polyhead.data.doctor import READERS, blank, check, check_layout, fingerprint, recognise, require_sound
from polyhead.data.readers.coco import Coco
from polyhead.data.readers.folder import Folder
from polyhead.errors import DataError, PolyheadError

Tiny = Callable[[str], Path]
SHEET = "annotations/instances_train.json"


def spoil(root: Path, old: str, new: str) -> None:
    file = root / SHEET
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_skipping_leaves_out_counts_and_names(tiny: Tiny) -> None:
    root = tiny("coco")
    spoil(root, '"category_id": 7', '"category_id": 8')
    assert len(Coco(root).problems) == 1
    reader = Coco(root, on_bad="skip", cap=0.4)
    assert reader.problems == check(reader) == []
    assert (len(reader), reader.left_out) == (2, 1)
    assert "annotation 10" in str(reader.skipped[0])
    assert require_sound(reader, "tiny") is reader


def test_skipping_stops_beyond_its_cap(tiny: Tiny) -> None:
    root = tiny("coco")
    spoil(root, '"category_id": 7', '"category_id": 8')
    reader = Coco(root, on_bad="skip", cap=0.3)
    assert reader.skipped == []
    assert [str(problem).count("1 of 3 pictures are faulty") for problem in reader.problems] == [1, 0]
    with pytest.raises(DataError, match=r"more than cap=0\.3 lets skip; repair the data, or raise cap"):
        require_sound(reader, "tiny")


def test_what_concerns_the_whole_set_is_not_skipped(tiny: Tiny) -> None:
    root = tiny("coco")
    spoil(root, '"name": "dog"', '"name": "cat"')
    reader = Coco(root, on_bad="skip", cap=1.0)
    assert "used twice" in str(reader.problems[0])


def test_pictures_that_cannot_be_opened_are_skipped_within_the_cap(tiny: Tiny) -> None:
    root = tiny("coco")
    (root / "train" / "2.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"tiny: 1 problem.*\n.*2.jpg: the picture file is empty"):
        require_sound(Coco(root), "tiny")
    with pytest.raises(DataError, match=r"2\.jpg"):
        require_sound(Coco(root, on_bad="skip", cap=0.3), "tiny")
    sound = require_sound(Coco(root, on_bad="skip", cap=0.4), "tiny")
    assert [sound[index].id for index in range(len(sound))] == ["1", "5"]
    assert (len(sound.skipped), sound.left_out, sound.problems) == (1, 1, [])


@pytest.mark.parametrize(("key", "value"), [("on_bad", "ignore"), ("cap", 1.5)])
def test_wrong_arguments(key: str, value: object, tiny: Tiny) -> None:
    with pytest.raises(PolyheadError, match=f"{key}={value!r}: expected"):
        Folder(tiny("folder"), **{key: value})  # type: ignore[arg-type]  # that is the test


def test_a_subset_is_a_reader(tiny: Tiny) -> None:
    reader = Folder(tiny("folder"))
    part = Subset(reader, [2, 0])
    assert (len(part), part.names, part.problems) == (2, reader.names, [])
    assert [part.annotation(index).id for index in range(2)] == ["dog/c.jpg", "cat/a.jpg"]
    assert torch.equal(part[0].input, reader[2].input)


@pytest.mark.parametrize("kind", READERS)
def test_recognise(kind: str, tiny: Tiny) -> None:
    root = tiny(kind)
    layout = recognise(root, kind if kind == "coco_masks" else None)  # its files are those of coco
    assert layout.reader == kind
    reader = READERS[kind](**layout.init_args["train"])
    assert layout.counts == {"train": len(reader)}
    assert layout.classes == reader.names


def test_recognise_finds_the_splits(tiny: Tiny) -> None:
    coco = tiny("coco")
    shutil.copy(coco / SHEET, coco / "annotations" / "instances_val.json")
    shutil.copytree(coco / "train", coco / "val")
    assert recognise(coco).counts == {"train": 3, "val": 3}
    folder = tiny("folder")
    both = folder.parent / "both"
    for name in ("train", "valid"):
        shutil.copytree(folder, both / name)
    assert recognise(both).init_args == {"train": {"root": str(both / "train")}, "val": {"root": str(both / "valid")}}
    yolo = tiny("yolo")
    with (yolo / "data.yaml").open("a") as sheet:
        sheet.write("val: images/train\ntest: images/test\n")
    shutil.copytree(yolo / "images" / "train", yolo / "images" / "test")
    assert set(recognise(yolo).init_args) == {"train", "test"}  # a copy of train is no val


def test_recognise_finds_the_splits_of_masks(tiny: Tiny) -> None:
    flat = tiny("png_masks")
    root = flat.parent / "split"
    for kind in ("images", "masks"):
        for split in ("train", "validation"):
            shutil.copytree(flat / kind, root / kind / split)
    shutil.copy(flat / "classes.txt", root)
    assert recognise(root).counts == {"train": 2, "val": 2}
    (root / "images" / "test").mkdir()
    assert recognise(root).counts == {"train": 2, "val": 2}  # pictures without a truth may be there
    shutil.rmtree(root / "masks" / "validation")
    with pytest.raises(PolyheadError, match="images/validation has no masks/validation; add the masks, or move it"):
        recognise(root)


def test_pictures_and_their_masks_are_no_classes(tiny: Tiny, tmp_path: Path) -> None:
    root = tmp_path / "bare"
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True)
        Image.new("L", (8, 8)).save(root / kind / "a.png")
    with pytest.raises(PolyheadError, match=r"there are images/ and masks/, but classes.txt with the name of one"):
        recognise(root)
    (root / "classes.txt").write_text("road\n")
    assert recognise(root).reader == "png_masks"
    (root / "classes.txt").unlink()
    shutil.copy(tiny("coco") / SHEET, root / "coco.json")
    assert recognise(root).reader == "coco"  # what lies beside them is found all the same


def test_recognise_says_what_it_looked_for(tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(
        PolyheadError, match=r"(?s)not recognised; looked for\n  coco: a JSON file .*\n  folder: two or more class"
    ):
        recognise(tmp_path / "none")
    root = tiny("coco")
    shutil.copytree(tiny("yolo"), root, dirs_exist_ok=True)
    with pytest.raises(
        PolyheadError, match=r"more than one format found \(coco, yolo\); choose one with --reader NAME"
    ):
        recognise(root)
    assert recognise(root, "yolo").reader == "yolo"
    with pytest.raises(PolyheadError, match=r"looked for\n  voc: Annotations/\*.xml"):
        recognise(root, "voc")
    with pytest.raises(PolyheadError, match="no format 'cocoo'"):
        recognise(root, "cocoo")
    with pytest.raises(PolyheadError, match="is a file; give the folder"):
        recognise(root / "data.yaml")
    with pytest.raises(PolyheadError, match="there is a data set in each of coco, yolo; give one"):
        recognise(tmp_path)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["labels/a.txt", "images/a.png"], "there is labels/, but classes.txt with the name of one class per line is"),
        (["a.png", "a.txt"], "a.txt lies beside a.png: for YOLO, put pictures into images/, their texts into labels/"),
    ],
)
def test_what_is_all_but_a_data_set_is_told_what_it_lacks(files: list[str], words: str, tmp_path: Path) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(PolyheadError, match=words):
        recognise(tmp_path)


def test_a_val_set_may_lack_a_class_and_no_other_difference_passes(tiny: Tiny, tmp_path: Path) -> None:
    """Of class folders, the recipe names train's; a class that train does not have is a fault of the folder."""
    root, animals = tmp_path / "splits", tiny("folder")
    for split in ("train", "val"):
        shutil.copytree(animals, root / split)
    (root / "val" / "cat").rename(root / "val" / "eel")
    problem = check_layout(recognise(root))[-1]
    told = r"val: val and train do not have the same 2 classes .*\(cat, eel in one of them only\); give both the same"
    assert re.search(told, str(problem))
    (root / "val" / "eel").rename(root / "train" / "eel")
    shutil.copytree(animals / "cat", root / "val" / "cat")
    layout = recognise(root)
    assert layout.init_args["val"]["classes"] == ["cat", "dog", "eel"]
    assert layout.splits["val"].names == layout.classes
    assert not check_layout(layout)
    (root / "val" / "eel").mkdir()  # empty
    assert not check_layout(recognise(root))
    shutil.rmtree(root / "val" / "dog")
    layout = recognise(root)
    assert layout.counts == {"train": 5, "val": 2}
    assert not check_layout(layout)
    for split in ("train", "val"):  # names may be alike
        for number, name in enumerate(["cat", "dog", "eel"]):
            if (root / split / name).is_dir():
                (root / split / name).rename(root / split / f"class_{number}")
    assert not check_layout(recognise(root))


def test_masks_that_show_nothing_are_a_fault(tiny: Tiny) -> None:
    root = tiny("png_masks")
    assert blank(recognise(root).splits["train"]) is None
    for path in (root / "masks").rglob("*.png"):
        Image.fromarray(np.zeros_like(np.asarray(Image.open(path)))).save(path)
    problem = check_layout(recognise(root))[-1]
    assert problem.what == "no training pixel is of a class but the background, and 0 are ignored (255)"
    assert problem.remedy == "see that the masks hold the numbers of the classes, 1 for the first, not 0"


def test_a_fingerprint_changes_with_the_data_only(tiny: Tiny, tmp_path: Path) -> None:
    root = tiny("coco")
    before = fingerprint(Coco(root))
    moved = tmp_path / "moved"
    shutil.copytree(root, moved)
    assert fingerprint(Coco(moved)) == before
    assert fingerprint(Coco(root, classes=["dog", "cat"])) != before
    spoil(root, "333.5", "333.25")
    changed = fingerprint(Coco(root))
    assert changed != before
    with (root / "train" / "2.jpg").open("ab") as picture:
        picture.write(b"\0")
    assert fingerprint(Coco(root)) != changed
