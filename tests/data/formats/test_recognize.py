"""The format of a folder is recognized; the message for other folders says what is missing."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from polyhead.data.formats.recognize import FORMATS, recognize
from polyhead.errors import PolyheadError

Tiny = Callable[[str], Path]
COCO_FILE = "annotations/instances_train.json"


@pytest.mark.parametrize("kind", FORMATS)
def test_recognize(kind: str, tiny: Tiny) -> None:
    root = tiny(kind)
    layout = recognize(root, kind if kind in ("coco_masks", "oxford_pets_masks") else None)  # have others' files
    assert layout.reader == kind
    reader = FORMATS[kind].reader(**layout.init_args["train"])
    assert layout.counts == {"train": len(reader)}
    assert layout.classes == reader.names


def test_recognize_finds_the_splits(tiny: Tiny) -> None:
    coco = tiny("coco")
    shutil.copy(coco / COCO_FILE, coco / "annotations" / "instances_val.json")
    shutil.copytree(coco / "train", coco / "val")
    assert recognize(coco).counts == {"train": 3, "val": 3}
    folder = tiny("folder")
    both = folder.parent / "both"
    for name in ("train", "valid"):
        shutil.copytree(folder, both / name)
    assert recognize(both).init_args == {"train": {"root": str(both / "train")}, "val": {"root": str(both / "valid")}}
    yolo = tiny("yolo")
    with (yolo / "data.yaml").open("a") as file:
        file.write("val: images/train\ntest: images/test\n")
    shutil.copytree(yolo / "images" / "train", yolo / "images" / "test")
    assert set(recognize(yolo).init_args) == {"train", "test"}  # the images of train are not a val split


def test_recognize_finds_the_splits_of_masks(tiny: Tiny) -> None:
    flat = tiny("png_masks")
    root = flat.parent / "split"
    for kind in ("images", "masks"):
        for split in ("train", "validation"):
            shutil.copytree(flat / kind, root / kind / split)
    shutil.copy(flat / "classes.txt", root)
    assert recognize(root).counts == {"train": 2, "val": 2}
    (root / "images" / "test").mkdir()
    assert recognize(root).counts == {"train": 2, "val": 2}  # images without masks are allowed in test
    shutil.rmtree(root / "masks" / "validation")
    with pytest.raises(
        PolyheadError, match=r"images/validation has no masks \(expected .*masks/validation\)\. Add the masks, or move"
    ):
        recognize(root)


def test_folders_of_images_and_masks_are_not_class_folders(tiny: Tiny, tmp_path: Path) -> None:
    root = tmp_path / "bare"
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True)
        Image.new("L", (8, 8)).save(root / kind / "a.png")
    with pytest.raises(
        PolyheadError,
        match=r"images/ and masks/ exist, but classes.txt is missing\. Add classes.txt with one class name per line",
    ):
        recognize(root)
    (root / "classes.txt").write_text("road\n")
    assert recognize(root).reader == "png_masks"
    (root / "classes.txt").unlink()
    shutil.copy(tiny("coco") / COCO_FILE, root / "coco.json")
    assert recognize(root).reader == "coco"  # other data in the folder is found


def test_messages_name_the_expected_files(tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(
        PolyheadError, match=r"(?s)not recognized; expected one of\n  coco: a JSON file .*\n  folder: two or more class"
    ):
        recognize(tmp_path / "none")
    root = tiny("coco")
    shutil.copytree(tiny("yolo"), root, dirs_exist_ok=True)
    with pytest.raises(PolyheadError, match=r"has several formats \(coco, yolo\)\. Choose one with --reader NAME"):
        recognize(root)
    assert recognize(root, "yolo").reader == "yolo"
    with pytest.raises(PolyheadError, match=r"expected one of\n  voc: Annotations/\*.xml"):
        recognize(root, "voc")
    with pytest.raises(PolyheadError, match=r"unknown format 'cocoo' \(expected one of coco, voc,"):
        recognize(root, "cocoo")
    with pytest.raises(PolyheadError, match=r"expected a folder, got a file\. Give the folder"):
        recognize(root / "data.yaml")
    with pytest.raises(PolyheadError, match=r"these subfolders are each a data set: coco, yolo\. Give one"):
        recognize(tmp_path)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            ["labels/a.txt", "images/a.png"],
            r"labels/ exists, but classes.txt is missing\. Add classes.txt with one class name per line, or data.yaml",
        ),
        (
            ["a.png", "a.txt"],
            r"a.txt is next to a.png\. For YOLO, put the images into images/, their txt files into labels/",
        ),
    ],
)
def test_the_message_for_an_incomplete_data_set_names_what_is_missing(
    files: list[str], words: str, tmp_path: Path
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(PolyheadError, match=words):
        recognize(tmp_path)
