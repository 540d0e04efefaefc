"""Skipping within a cap, splits that differ, fingerprints. What is a fault: test_corruptions.py."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from polyhead.contracts.reader import Subset
from polyhead.data.doctor import blank, check, check_layout, fingerprint, require_sound
from polyhead.data.readers.coco import Coco
from polyhead.data.readers.folder import Folder
from polyhead.data.readers.recognize import recognise
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
