"""The doctor: skipping up to the cap, class names of splits, fingerprints. Single problems: test_corruptions.py."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from polyhead.contracts.reader import Subset
from polyhead.data.doctor import check, check_layout, empty_masks, fingerprint, require_valid
from polyhead.data.readers.coco import Coco
from polyhead.data.readers.folder import Folder
from polyhead.data.readers.recognize import recognize
from polyhead.errors import DataError, PolyheadError

Tiny = Callable[[str], Path]
COCO_FILE = "annotations/instances_train.json"


def corrupt(root: Path, old: str, new: str) -> None:
    """Replace the first occurrence of a text in the COCO file."""
    file = root / COCO_FILE
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_skipped_images_are_left_out_counted_and_named(tiny: Tiny) -> None:
    root = tiny("coco")
    corrupt(root, '"category_id": 7', '"category_id": 8')
    assert len(Coco(root).problems) == 1
    reader = Coco(root, on_bad="skip", cap=0.4)
    assert reader.problems == check(reader) == []
    assert (len(reader), reader.left_out) == (2, 1)
    assert "annotation 10" in str(reader.skipped[0])
    assert require_valid(reader, "tiny") is reader


def test_more_images_than_the_cap_are_not_skipped(tiny: Tiny) -> None:
    root = tiny("coco")
    corrupt(root, '"category_id": 7', '"category_id": 8')
    reader = Coco(root, on_bad="skip", cap=0.3)
    assert reader.skipped == []
    assert [str(problem).count("1 of 3 images are invalid") for problem in reader.problems] == [1, 0]
    with pytest.raises(DataError, match=r"more than cap=0\.3 allows to skip; repair the data, or raise cap"):
        require_valid(reader, "tiny")


def test_problems_of_the_whole_data_set_are_not_skipped(tiny: Tiny) -> None:
    root = tiny("coco")
    corrupt(root, '"name": "dog"', '"name": "cat"')
    reader = Coco(root, on_bad="skip", cap=1.0)
    assert "used twice" in str(reader.problems[0])


def test_images_that_cannot_be_opened_are_skipped_within_the_cap(tiny: Tiny) -> None:
    root = tiny("coco")
    (root / "train" / "2.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"tiny: 1 problem.*\n.*2.jpg: the image file is empty"):
        require_valid(Coco(root), "tiny")
    with pytest.raises(DataError, match=r"2\.jpg"):
        require_valid(Coco(root, on_bad="skip", cap=0.3), "tiny")
    valid = require_valid(Coco(root, on_bad="skip", cap=0.4), "tiny")
    assert [valid[index].id for index in range(len(valid))] == ["1", "5"]
    assert (len(valid.skipped), valid.left_out, valid.problems) == (1, 1, [])


@pytest.mark.parametrize(("key", "value"), [("on_bad", "ignore"), ("cap", 1.5)])
def test_wrong_arguments(key: str, value: object, tiny: Tiny) -> None:
    with pytest.raises(PolyheadError, match=f"{key}={value!r}: expected"):
        Folder(tiny("folder"), **{key: value})  # type: ignore[arg-type]  # that is the test


def test_a_subset_is_a_reader(tiny: Tiny) -> None:
    reader = Folder(tiny("folder"))
    subset = Subset(reader, [2, 0])
    assert (len(subset), subset.names, subset.problems) == (2, reader.names, [])
    assert [subset.annotation(index).id for index in range(2)] == ["dog/c.jpg", "cat/a.jpg"]
    assert torch.equal(subset[0].input, reader[2].input)


def test_a_val_set_may_lack_a_class_but_not_differ_otherwise(tiny: Tiny, tmp_path: Path) -> None:
    """The recipe lists the class folders of train; a class that train does not have is a problem of the folder."""
    root, animals = tmp_path / "splits", tiny("folder")
    for split in ("train", "val"):
        shutil.copytree(animals, root / split)
    (root / "val" / "cat").rename(root / "val" / "eel")
    problem = check_layout(recognize(root))[-1]
    message = (
        r"val: val and train do not have the same 2 classes .*\(cat, eel in one of them only\); give both the same"
    )
    assert re.search(message, str(problem))
    (root / "val" / "eel").rename(root / "train" / "eel")
    shutil.copytree(animals / "cat", root / "val" / "cat")
    layout = recognize(root)
    assert layout.init_args["val"]["classes"] == ["cat", "dog", "eel"]
    assert layout.splits["val"].names == layout.classes
    assert not check_layout(layout)
    (root / "val" / "eel").mkdir()  # empty
    assert not check_layout(recognize(root))
    shutil.rmtree(root / "val" / "dog")
    layout = recognize(root)
    assert layout.counts == {"train": 5, "val": 2}
    assert not check_layout(layout)
    for split in ("train", "val"):  # similar names
        for number, name in enumerate(["cat", "dog", "eel"]):
            if (root / split / name).is_dir():
                (root / split / name).rename(root / split / f"class_{number}")
    assert not check_layout(recognize(root))


def test_masks_of_background_only_are_a_problem(tiny: Tiny) -> None:
    root = tiny("png_masks")
    assert empty_masks(recognize(root).splits["train"]) is None
    for path in (root / "masks").rglob("*.png"):
        Image.fromarray(np.zeros_like(np.asarray(Image.open(path)))).save(path)
    problem = check_layout(recognize(root))[-1]
    assert problem.what == (
        "expected training pixels of a class other than the background, got background and 0 ignored pixels (255) only"
    )
    assert problem.remedy == "save the masks with the class numbers as pixel values: 1 for the first class, not 0"


def test_a_fingerprint_changes_with_the_data_only(tiny: Tiny, tmp_path: Path) -> None:
    root = tiny("coco")
    before = fingerprint(Coco(root))
    moved = tmp_path / "moved"
    shutil.copytree(root, moved)
    assert fingerprint(Coco(moved)) == before
    assert fingerprint(Coco(root, classes=["dog", "cat"])) != before
    corrupt(root, "333.5", "333.25")
    changed = fingerprint(Coco(root))
    assert changed != before
    with (root / "train" / "2.jpg").open("ab") as image:
        image.write(b"\0")
    assert fingerprint(Coco(root)) != changed
