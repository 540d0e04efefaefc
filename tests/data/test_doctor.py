"""The doctor: skipping up to the cap, class names of splits, fingerprints. Single problems: test_corruptions.py."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from builders.colored_images import same
from builders.fitted_images import decoded
from builders.mask_data import edit
from PIL import Image

from polyhead.contracts.reader import Subset
from polyhead.data.doctor import FINGERPRINT, check, check_layout, empty_masks, fingerprint, require_valid
from polyhead.data.formats.recognize import recognize
from polyhead.data.readers.coco import Coco
from polyhead.data.readers.coco_masks import CocoMasks
from polyhead.data.readers.folder import Folder
from polyhead.data.readers.merge import Merge
from polyhead.data.readers.png_masks import PngMasks
from polyhead.data.synthetic.scenes import Scenes
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
    assert [valid.entry(index).id for index in range(len(valid))] == ["1", "5"]
    assert (len(valid.skipped), valid.left_out, valid.problems) == (1, 1, [])


@pytest.mark.parametrize(("key", "value"), [("on_bad", "ignore"), ("cap", 1.5)])
def test_wrong_arguments(key: str, value: object, tiny: Tiny) -> None:
    with pytest.raises(PolyheadError, match=f"{key}={value!r}: expected"):
        Folder(tiny("folder"), **{key: value})  # type: ignore[arg-type]  # that is the test


def test_a_subset_is_a_reader(tiny: Tiny) -> None:
    reader = Folder(tiny("folder"))
    subset = Subset(reader, [2, 0])
    assert (len(subset), subset.names, subset.problems) == (2, reader.names, [])
    assert [subset.entry(index).id for index in range(2)] == ["dog/c.jpg", "cat/a.jpg"]
    assert same(decoded(subset, 0), decoded(reader, 2))


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


def test_a_fingerprint_changes_with_every_box_label_and_name(tiny: Tiny) -> None:
    root = tiny("coco")
    found = [fingerprint(Coco(root))]
    for old, new in (
        ('"bbox": [', '"bbox": [0.5, 1, 20, 20], "old": ['),  # a box
        ('"category_id": 7', '"category_id": 3'),  # a label
        ('"iscrowd": 1', '"iscrowd": 0'),  # whether an object counts
        ('"name": "cat"', '"name": "lynx"'),  # a name
        ('"id": 7', '"id": 8'),  # a category without objects
        ('"id": 5', '"id": 6'),  # an image
    ):
        corrupt(root, old, new)
        reader = Coco(root)
        assert reader.problems == []
        found.append(fingerprint(reader))
    (root / "train" / "2.jpg").rename(root / "train" / "3.jpg")
    corrupt(root, "2.jpg", "3.jpg")
    found.append(fingerprint(Coco(root)))
    assert len(set(found)) == 8
    assert all(each.startswith(FINGERPRINT) for each in found)


def test_a_fingerprint_changes_with_every_class_of_an_image(tiny: Tiny) -> None:
    root = tiny("folder")
    before = fingerprint(Folder(root))
    (root / "cat" / "b.png").rename(root / "dog" / "b.png")
    moved = fingerprint(Folder(root))
    (root / "cat").rename(root / "eel")
    assert len({before, moved, fingerprint(Folder(root))}) == 3


def test_a_fingerprint_changes_with_every_mask_file(tiny: Tiny) -> None:
    root = tiny("png_masks")
    found = {fingerprint(PngMasks(root))}
    mask = root / "masks" / "a" / "1.png"
    pixels = np.array(Image.open(mask))
    pixels[::2, ::3] = (0, 0, 142)
    Image.fromarray(pixels).save(mask)
    found.add(fingerprint(PngMasks(root)))
    mask.rename(mask.with_name("1_mask.png"))
    found.add(fingerprint(PngMasks(root)))
    (root / "classes.txt").write_text("background 0 0 0\nroad 0 0 142\nsmall car 128 64 128\n")
    found.add(fingerprint(PngMasks(root)))
    assert len(found) == 4
    outlines = tiny("coco_masks")
    before = fingerprint(CocoMasks(outlines))
    edit(outlines, 2, segmentation=[[30, 20, 40, 20, 40, 29, 30, 30]])
    assert fingerprint(CocoMasks(outlines)) != before


def test_a_fingerprint_of_merged_data_changes_with_its_parts(tiny: Tiny) -> None:
    root = tiny("coco")
    whole = fingerprint(Merge({"a": Coco(root), "b": Coco(root)}))
    assert fingerprint(Merge({"a": Coco(root), "c": Coco(root)})) != whole
    assert fingerprint(Merge({"a": Coco(root), "b": Coco(root)}, {"dog": "cat"})) != whole
    corrupt(root, "333.5", "333.25")
    assert fingerprint(Merge({"a": Coco(root), "b": Coco(root)})) != whole


def test_a_fingerprint_of_merged_masks_changes_with_the_names_of_a_part(tiny: Tiny) -> None:
    """The files and their numbers are the same, but in one part they mean other classes."""
    root = tiny("png_masks")
    for path in (root / "masks").rglob("*.png"):
        Image.fromarray(np.full((48, 64), 1, np.uint8)).save(path)

    def merged(names: list[str]) -> Merge:
        return Merge({"a": PngMasks(root, classes=["road", "car"]), "b": PngMasks(root, classes=names)})

    one, other = merged(["road", "car"]), merged(["car", "road"])
    assert one.names == other.names
    assert not same(one.target(2), other.target(2))
    assert fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize("target", ["boxes", "masks", "times"])
def test_a_fingerprint_of_generated_data_changes_with_its_settings(target: Literal["boxes", "masks", "times"]) -> None:
    settings: list[dict[str, Any]] = [{}, {"size": 64}, {"seed": 1}, {"domain": "signs"}, {"mixed": "signs"}]
    scenes = [Scenes(4, **{"size": 48, "target": target, **each}) for each in settings]
    assert len({fingerprint(each) for each in scenes}) == len(scenes)
    assert fingerprint(Scenes(4, size=48, target=target)) == fingerprint(scenes[0])
