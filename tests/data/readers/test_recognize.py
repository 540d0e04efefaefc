"""Which format a folder has, and what one lacks that is all but a data set."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from polyhead.data.readers.recognize import READERS, recognise
from polyhead.errors import PolyheadError

Tiny = Callable[[str], Path]
SHEET = "annotations/instances_train.json"


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
