"""Every kind of corrupt data set gives one message with its place, what is wrong, and what to do."""

import codecs
import hashlib
import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from polyhead.data.doctor import check, require_valid
from polyhead.data.formats.recognize import FORMATS
from polyhead.errors import DataError, PolyheadError

Edit = Callable[[Path], object]
COCO = Path("annotations/instances_train.json")
VOC = Path("VOCdevkit/VOC2007")
XML = VOC / "Annotations" / "000000.xml"
IDS = VOC / "ImageSets" / "Main" / "trainval.txt"
TXT = Path("labels/train/0.txt")
YAML = Path("data.yaml")
PENN = Path("PennFudanPed")
BOMB = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;">]><annotation>&y;</annotation>"""


class Case(NamedTuple):
    """A corruption of a tiny data set.

    Attributes:
        kind: format of the data set.
        name: name of the test case.
        corrupt: changes the data set in a folder.
        words: what the first message must contain.
        problems: number of messages.
    """

    kind: str
    name: str
    corrupt: Edit
    words: tuple[str, ...]
    problems: int = 1


def document(change: Callable[[dict[str, Any]], object]) -> Edit:
    """Change the COCO file."""

    def edit(root: Path) -> None:
        data = json.loads((root / COCO).read_text())
        change(data)
        (root / COCO).write_text(json.dumps(data))

    return edit


def image(**keys: Any) -> Edit:
    """Change the entry of the first image; None deletes a key."""
    return document(lambda data: change(data["images"][0], keys))


def thing(**keys: Any) -> Edit:
    """Change the entry of the first annotation; None deletes a key."""
    return document(lambda data: change(data["annotations"][0], keys))


def change(entry: dict[str, Any], keys: dict[str, Any]) -> None:
    """Set keys of an entry; delete those whose value is None."""
    entry.update(keys)
    for key in [key for key, value in keys.items() if value is None]:
        del entry[key]


def swap(path: Path, old: str, new: str) -> Edit:
    """Replace the first occurrence of a text in a file."""

    def edit(root: Path) -> None:
        text = (root / path).read_text()
        assert old in text
        (root / path).write_text(text.replace(old, new, 1))

    return edit


def write(path: str | Path, data: bytes | str) -> Edit:
    return lambda root: (root / path).write_bytes(data.encode() if isinstance(data, str) else data)


def recode(path: Path, encoding: str) -> Edit:
    return lambda root: (root / path).write_bytes((root / path).read_text().encode(encoding))


def cut(path: str | Path) -> Edit:
    """Remove the second half of a file."""
    return lambda root: os.truncate(root / path, (root / path).stat().st_size // 2)


def both(first: Edit, second: Edit) -> Edit:
    return lambda root: (first(root), second(root))


def delete(path: str | Path) -> Edit:
    def edit(root: Path) -> None:
        (root / path).unlink()

    return edit


def empty(path: str | Path) -> Edit:
    """Delete every file below a folder."""

    def edit(root: Path) -> None:
        for file in [file for file in (root / path).rglob("*") if file.is_file()]:
            file.unlink()

    return edit


def resize(path: str | Path) -> Edit:
    return lambda root: Image.new("RGB", (30, 20)).save(root / path)


def turn(path: str | Path) -> Edit:
    """Rotate an image by EXIF, so that its stored size is no longer its upright size."""

    def edit(root: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        with Image.open(root / path) as image:
            image.save(root / path, exif=exif)

    return edit


def bomb(path: str | Path) -> Edit:
    """Write a PNG of a few bytes that declares 100,000 x 100,000 pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0))
    return write(path, b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"0" * 100)) + chunk(b"IEND", b""))


def link_to_nothing(path: str | Path) -> Edit:
    """Replace a file by a symbolic link to a file that does not exist."""

    def edit(root: Path) -> None:
        (root / path).unlink()
        (root / path).symlink_to(root.parent / "nothing")

    return edit


def mask(pixels: np.ndarray) -> Edit:
    """Replace the first mask of Penn-Fudan."""
    return lambda root: Image.fromarray(pixels).save(root / PENN / "PedMasks" / "P1_mask.png")


def rename(old: Path, new: Path) -> Edit:
    return lambda root: (root / old).rename(root / new)


def flatten(root: Path) -> None:
    """Move every class folder away."""
    for name in ("cat", "dog"):
        (root / name).rename(root.parent / name)


def three_columns(root: Path) -> None:
    """Write a list of ids in which one line has three columns."""
    (root / IDS).write_text("000000\n000001 1 1\n000002\n")


CASES = [
    # COCO: the file
    Case("coco", "json_truncated", cut(COCO), (str(COCO), "line ", "is not valid JSON", "export it again")),
    Case("coco", "json_syntax", swap(COCO, '"width": 64,', '"width": 64'), ("line 13, column 4", "is not valid JSON")),
    Case("coco", "json_empty", write(COCO, ""), (str(COCO), "line 1", "is not valid JSON")),
    Case("coco", "json_utf16", recode(COCO, "utf-16"), (str(COCO), "UTF-16", "save the file as UTF-8")),
    Case("coco", "json_utf16_unmarked", recode(COCO, "utf-16-le"), (str(COCO), "zero bytes", "save the file as UTF-8")),
    Case("coco", "json_latin1", write(COCO, '{\n"a": "café"}'.encode("latin-1")), ("line 2", "0xe9", "UTF-8")),
    Case("coco", "json_deep", write(COCO, "[" * 200_000), (str(COCO), "JSON", "export")),
    Case("coco", "json_list", write(COCO, "[]"), ("expected a COCO object", "got a list", "not of results")),
    Case(
        "coco", "json_keys", document(lambda d: d.pop("categories")), ("'categories'", "got the keys licenses, images")
    ),
    Case("coco", "json_missing", delete(COCO), ("has no JSON file", "annotations=FILE")),
    Case(
        "coco",
        "json_two",
        lambda root: shutil.copy(root / COCO, root / "annotations" / "b.json"),
        ("several annotation files", "annotations/b.json", "annotations=FILE"),
    ),
    # COCO: images
    Case("coco", "image_id_twice", image(id=2), ("image 2", "used twice", "its own id"), 3),
    Case("coco", "image_keys", image(file_name=None), ("image 1", "no usable file_name", "complete the entry")),
    Case("coco", "image_no_id", image(id=[1]), ("image number 1", "no usable id"), 3),
    Case(
        "coco",
        "image_no_entry",
        document(lambda d: d["images"].append(5)),
        ("image number 4", "no usable id, file_name"),
    ),
    Case(
        "coco", "image_file_twice", image(file_name="2.jpg"), ("image 2", "'2.jpg' is listed twice", "image 1", "merge")
    ),
    Case("coco", "image_size_zero", image(width=0), ("image 1", "above 0", "got 0 and 48", "size of the image")),
    Case("coco", "image_size_negative", image(height=-48), ("image 1", "above 0", "got 64 and -48")),
    Case("coco", "image_size_fraction", image(height=48.5), ("image 1", "whole numbers", "48.5")),
    Case(
        "coco",
        "image_width_other",
        image(width=65),
        ("train/1.jpg", "expected 65 x 48", "got 64 x 48", "correct"),
    ),
    Case("coco", "image_resized", resize("train/1.jpg"), ("train/1.jpg", "expected 64 x 48", "got 30 x 20")),
    Case("coco", "image_turned", turn("train/1.jpg"), ("train/1.jpg", "got 48 x 64", "EXIF")),
    Case(
        "coco",
        "climbing_path",
        image(file_name="../train/9.jpg"),
        ("image 1", "'../train/9.jpg'", "got one that leaves it"),
    ),
    Case(
        "coco", "absolute_path", image(file_name="/etc/passwd"), ("image 1", "'/etc/passwd'", "got one that leaves it")
    ),
    Case("coco", "windows_path", image(file_name="C:\\x\\9.jpg"), ("image 1", "got one that leaves it", "relative")),
    Case(
        "coco",
        "link_to_nothing",
        link_to_nothing("train/1.jpg"),
        ("image 1", "symbolic link to nothing", "copy the file itself"),
    ),
    Case("coco", "image_missing", delete("train/2.jpg"), ("image 2", "'2.jpg'", "does not exist", "add the file")),
    Case("coco", "image_empty", write("train/2.jpg", b""), ("train/2.jpg", "empty (0 bytes)", "copy it again")),
    Case("coco", "image_truncated", cut("train/2.jpg"), ("train/2.jpg", "cannot be decoded", "truncated")),
    Case("coco", "image_text", write("train/2.jpg", "<html>"), ("train/2.jpg", "cannot be decoded", "save it as JPEG")),
    Case("coco", "image_bomb", bomb("train/2.jpg"), ("train/2.jpg", "larger than 89,478,485", "remove it")),
    # COCO: annotations and categories
    Case("coco", "id_twice", thing(id=12), ("annotation 12", "used twice", "its own id")),
    Case("coco", "keys", thing(bbox=None), ("annotation 10", "no usable bbox", "complete the entry")),
    Case("coco", "no_id", thing(id=None), ("annotation number 1", "no usable id")),
    Case(
        "coco",
        "unknown_image",
        thing(image_id=99),
        ("annotation 10", "image_id 99 is unknown", "delete the annotation"),
    ),
    Case(
        "coco", "unknown_class", thing(category_id=1), ("annotation 10", "category_id 1 is unknown", "known ids: 3, 7")
    ),
    Case("coco", "box_flat", thing(bbox=[5, 5, 0, 9]), ("annotation 10", "(5, 5) to (5, 14)", "no area", "delete it")),
    Case("coco", "box_negative", thing(bbox=[9, 9, -5, 5]), ("annotation 10", "negative width", "draw the box again")),
    Case("coco", "box_nan", thing(bbox=[5, float("nan"), 9, 9]), ("annotation 10", "nan", "not finite", "correct")),
    Case("coco", "box_infinite", thing(bbox=[5, 5, float("inf"), 9]), ("annotation 10", "inf", "not finite")),
    Case("coco", "box_huge_number", thing(bbox=[5, 5, 10**400, 9]), ("annotation 10", "expected four numbers", "bbox")),
    Case("coco", "box_outside", thing(bbox=[60, 5, 20, 20]), ("annotation 10", "outside the image of 64 x 48", "clip")),
    Case("coco", "box_beside", thing(bbox=[64, 5, 0.5, 20]), ("annotation 10", "outside the image")),
    Case(
        "coco", "box_three", thing(bbox=[1, 2, 3]), ("annotation 10", "expected four numbers", "bbox", "got [1, 2, 3]")
    ),
    Case("coco", "box_text", thing(bbox=["left", 2, 3, 4]), ("annotation 10", "expected four numbers", "bbox")),
    Case(
        "coco",
        "area_negative",
        thing(area=-1),
        ("annotation 10", "expected a number of pixels as area", "got -1", "delete the key"),
    ),
    Case("coco", "crowd", thing(iscrowd=2), ("annotation 10", "expected 0 or 1 as iscrowd", "got 2")),
    Case(
        "coco",
        "category_twice",
        document(lambda d: d["categories"].append({"id": 9, "name": "cat"})),
        ("category number 3", "'cat' is used twice"),
    ),
    Case(
        "coco",
        "category_fault",
        document(lambda d: d["categories"][0].pop("id")),
        ("category number 1", "an id and a name"),
    ),
    Case(
        "coco", "category_keys", document(lambda d: d["categories"].append({"id": 9})), ("number 3", "an id and a name")
    ),
    Case("coco", "no_images", document(lambda d: d.update(images=[], annotations=[])), ("the data set has no images",)),
    # VOC
    Case("voc", "xml_syntax", swap(XML, "</name>", ""), (str(XML), "line ", "is not valid XML", "repair the file")),
    Case("voc", "xml_empty", write(XML, ""), (str(XML), "line 1", "is not valid XML")),
    Case("voc", "xml_latin1", write(XML, "<annotation>\né</annotation>".encode("latin-1")), ("line 2", "UTF-8")),
    Case("voc", "xml_bomb", write(XML, BOMB), (str(XML), "document type", "not allowed", "delete it")),
    Case("voc", "xml_other", write(XML, "<html/>"), (str(XML), "<annotation>, got <html>")),
    Case("voc", "xml_missing", delete(XML), ("trainval.txt: line 1", "'000000.xml'", "does not exist")),
    Case("voc", "other_size", swap(XML, "<width>64<", "<width>70<"), ("000000.jpg", "expected 70 x 48", "got 64 x 48")),
    Case("voc", "no_name", swap(XML, "<name>cat</name>", ""), ("000000.xml: object 1", "no <name>", "add its class")),
    Case("voc", "no_side", swap(XML, "<ymax>25</ymax>", ""), ("object 1", "four numbers", "ymax=None")),
    Case("voc", "side_text", swap(XML, "<ymax>25<", "<ymax>low<"), ("object 1", "four numbers", "ymax=low")),
    Case("voc", "side_nan", swap(XML, "<ymax>25<", "<ymax>nan<"), ("object 1", "not finite")),
    Case("voc", "box_flat", swap(XML, "<xmax>30<", "<xmax>10<"), ("object 1", "no area")),
    Case("voc", "box_outside", swap(XML, "<xmax>30<", "<xmax>90<"), ("object 1", "outside the image of 64 x 48")),
    Case("voc", "difficult", swap(XML, "<difficult>0<", "<difficult>yes<"), ("object 1", "<difficult>", "got 'yes'")),
    Case(
        "voc",
        "climbing",
        both(swap(XML, "000000.jpg", "../../x.jpg"), delete(VOC / "JPEGImages/000000.jpg")),
        (str(XML), "'../../x.jpg'", "got one that leaves it"),
    ),
    Case(
        "voc",
        "two_images",
        both(swap(XML, "000000.jpg", "x.jpg"), resize(VOC / "JPEGImages/000000.png")),
        (str(XML), "several images have the name", "name one in <filename>"),
    ),
    Case(
        "voc", "image_missing", delete(VOC / "JPEGImages/000001.jpg"), ("000001.xml", "'000001.jpg'", "does not exist")
    ),
    Case("voc", "image_truncated", cut(VOC / "JPEGImages/000001.jpg"), ("000001.jpg", "cannot be decoded")),
    Case("voc", "id_twice", write(IDS, "000000\n000001\n000000\n"), ("trainval.txt: line 3", "listed twice", "delete")),
    Case(
        "voc",
        "id_climbs",
        write(IDS, "000000\n../000001\n"),
        ("line 2", "'../000001', which leaves the folder", "write the id without"),
    ),
    Case("voc", "id_columns", three_columns, ("trainval.txt: line 2", "expected one id", "one id per line")),
    Case("voc", "list_utf16", recode(IDS, "utf-16"), ("trainval.txt", "UTF-16", "save the file as UTF-8")),
    Case("voc", "list_missing", delete(IDS), ("trainval.txt", "list of ids does not exist", "did you mean 'train'")),
    Case("voc", "list_empty", write(IDS, "\n"), ("the data set has no images", "split")),
    Case("voc", "layout", rename(VOC / "JPEGImages", VOC / "Images"), ("no PASCAL VOC layout", "JPEGImages")),
    # YOLO
    Case("yolo", "columns", swap(TXT, " 0.5\n", "\n"), ("0.txt: line 1", "expected 5 columns of a box", "got 4")),
    Case("yolo", "even", swap(TXT, " 0.5\n", " 0.5 0.1 0.2 1\n"), ("line 1", "an odd number", "got 8", "x_center")),
    Case("yolo", "outline_nan", swap(TXT, " 0.5\n", " 0.5 0.1 nan\n"), ("line 1", "the outline has", "not finite")),
    Case("yolo", "outline_outside", swap(TXT, " 0.5\n", " 0.5 1.2 0.2\n"), ("line 1", "outside the image", "clip")),
    Case("yolo", "outline_flat", swap(TXT, " 0.5\n", " 0.5 0.3 0.5\n"), ("line 1", "no width or height")),
    Case("yolo", "outline_text", swap(TXT, " 0.5\n", " 0.5 low 0.2\n"), ("line 1", "expected numbers", "low")),
    # YOLO, as masks
    Case("yolo_masks", "box", write(TXT, "0 .5 .5 .2 .2"), ("line 1", "a box and no outline", "reader yolo for boxes")),
    Case("yolo_masks", "outside", swap(TXT, "0.75", "1.75"), ("0.txt: line 1", "outside the image of 64 x 48", "clip")),
    Case("yolo_masks", "text", swap(TXT, "0.75", "low"), ("0.txt: line 1", "expected numbers", "low")),
    Case(
        "yolo", "class_outside", swap(TXT, "1 0.25", "2 0.25"), ("0.txt: line 2", "from 0 to 1", "got '2'", "data.yaml")
    ),
    Case("yolo", "class_negative", swap(TXT, "1 0.25", "-1 0.25"), ("line 2", "got '-1'")),
    Case("yolo", "class_name", swap(TXT, "1 0.25", "dog 0.25"), ("line 2", "whole number", "'dog'")),
    Case("yolo", "number", swap(TXT, "0 0.5", "0 half"), ("0.txt: line 1", "four numbers", "half")),
    Case("yolo", "nan", swap(TXT, "0 0.5", "0 nan"), ("line 1", "not finite")),
    Case("yolo", "flat", swap(TXT, "0.25 0.5\n", "0.25 0\n"), ("line 1", "no area")),
    Case("yolo", "negative", swap(TXT, "0.25 0.5\n", "0.25 -0.5\n"), ("line 1", "negative width or height")),
    Case("yolo", "outside", swap(TXT, "0 0.5", "0 0.95"), ("line 1", "outside the image of 64 x 48", "clip")),
    Case("yolo", "pixels", write(TXT, "0 32 24 16 24"), ("line 1", "outside", "divide the numbers")),
    Case("yolo", "txt_utf16", recode(TXT, "utf-16"), ("0.txt", "UTF-16", "save the file as UTF-8")),
    Case("yolo", "txt_latin1", write(TXT, b"0 .5 .5 .2 .2\n0 \xe9"), ("0.txt: line 2", "0xe9", "UTF-8")),
    Case(
        "yolo",
        "label_alone",
        write("labels/train/9.txt", ""),
        ("labels/train/9.txt", "has no image of this name", "delete"),
    ),
    Case(
        "yolo",
        "format",
        rename(Path("images/train/0.jpg"), Path("images/train/0.jxl")),
        ("'0.jxl' is in a format that is not read", "as JPEG"),
    ),
    Case("yolo", "no_labels", empty("labels"), ("none of the 3 images", "labels/NAME.txt")),
    Case("yolo", "no_images", empty("images"), ("the data set has no images", "split")),
    Case("yolo", "image_empty", write("images/train/2.jpg", b""), ("2.jpg", "empty (0 bytes)")),
    Case("yolo", "image_bomb", bomb("images/train/2.jpg"), ("2.jpg", "larger than")),
    Case("yolo", "image_truncated", cut("images/train/2.jpg"), ("2.jpg", "cannot be decoded")),
    Case("yolo", "same_stem", resize("images/train/0.png"), ("images/train/0.png", "same label file", "rename")),
    Case(
        "yolo",
        "link_to_nothing",
        link_to_nothing("images/train/2.jpg"),
        ("2.jpg", "symbolic link to nothing", "copy the file itself"),
    ),
    Case("yolo", "yaml_missing", delete(YAML), ("no YOLO layout", "expected data.yaml")),
    Case("yolo", "yaml_syntax", write(YAML, "train: a\nnames: [a, b"), ("data.yaml: line 2", "is not valid YAML")),
    Case("yolo", "yaml_no_names", swap(YAML, "names: [cat, dog]", ""), ("data.yaml", "no list of class names")),
    Case("yolo", "yaml_holes", swap(YAML, "[cat, dog]", "{0: cat, 2: dog}"), ("data.yaml", "0 to 1", "without gaps")),
    Case("yolo", "yaml_boolean", swap(YAML, "dog", "no"), ("data.yaml", "list of strings", "in quotes")),
    Case("yolo", "yaml_twice", swap(YAML, "dog", "cat"), ("data.yaml", "name is used twice")),
    Case("yolo", "yaml_count", swap(YAML, "nc: 2", "nc: 3"), ("data.yaml", "'nc' is 3", "2 names")),
    Case(
        "yolo",
        "yaml_climbs",
        both(swap(YAML, "images/train", "../../etc"), empty("labels")),
        ("data.yaml", "'../../etc'", "which leaves it"),
    ),
    Case(
        "yolo",
        "yaml_absolute",
        both(swap(YAML, "images/train", "/etc"), empty("labels")),
        ("data.yaml", "'/etc', which leaves", "relative"),
    ),
    Case(
        "yolo",
        "yaml_folder",
        both(swap(YAML, "images/train", "images/tarin"), empty("labels")),
        ("data.yaml", "'images/tarin' does not exist"),
    ),
    Case("yolo", "yaml_split", swap(YAML, "train: ", "val: "), ("has no split 'train'", "choose from val")),
    # Penn-Fudan
    Case("penn_fudan", "mask_missing", delete(PENN / "PedMasks/P1_mask.png"), ("'P1_mask.png'", "does not exist")),
    Case("penn_fudan", "image_missing", delete(PENN / "PNGImages/P1.png"), ("P1_mask.png", "the mask has no image")),
    Case(
        "penn_fudan",
        "mask_size",
        mask(np.ones((9, 9), np.uint8)),
        ("P1_mask.png", "expected a mask of 64 x 48", "got 9 x 9"),
    ),
    Case("penn_fudan", "mask_rgb", mask(np.ones((48, 64, 3), np.uint8)), ("P1_mask.png", "one 8-bit channel", "RGB")),
    Case("penn_fudan", "mask_cut", cut(PENN / "PedMasks/P1_mask.png"), ("P1_mask.png", "cannot be decoded")),
    Case("penn_fudan", "image_cut", cut(PENN / "PNGImages/P1.png"), ("P1.png", "cannot be decoded")),
    Case("penn_fudan", "layout", rename(PENN / "PedMasks", PENN / "Masks"), ("no Penn-Fudan layout", "PedMasks")),
    Case("penn_fudan", "no_images", empty(PENN), ("the data set has no images",)),
    # class folders
    Case("folder", "class_empty", empty("dog"), ("dog", "contains no images", "classes=")),
    Case("folder", "image_empty", write("dog/c.jpg", b""), ("dog/c.jpg", "empty (0 bytes)")),
    Case("folder", "image_text", write("dog/c.jpg", "no image"), ("dog/c.jpg", "cannot be decoded")),
    Case("folder", "image_cut", cut("cat/b.png"), ("cat/b.png", "cannot be decoded")),
    Case("folder", "image_bomb", bomb("cat/b.png"), ("cat/b.png", "larger than")),
    Case(
        "folder",
        "link_to_nothing",
        link_to_nothing("dog/c.jpg"),
        ("'c.jpg'", "symbolic link to nothing", "copy the file itself"),
    ),
    Case("folder", "no_classes", flatten, ("no class folders", "a folder of images for each class")),
]


def messages(kind: str, root: Path) -> list[str]:
    """Return every message of reading and checking a data set."""
    try:
        return [str(problem) for problem in check(FORMATS[kind].reader(root))]
    except PolyheadError as error:
        return [str(error)]


def state(root: Path) -> str:
    """Return a digest of every name, link and byte below a folder."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        digest.update(repr((str(path.relative_to(root)), path.is_symlink(), path.lstat().st_mtime_ns)).encode())
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}-{case.name}")
def test_corruption(case: Case, tiny: Callable[[str], Path]) -> None:
    root = tiny(case.kind)
    case.corrupt(root)
    before = state(root.parent)
    found = messages(case.kind, root)
    assert len(found) == case.problems, found
    for word in case.words:
        assert word in found[0]
    assert state(root.parent) == before


def test_at_least_forty_corruptions() -> None:
    assert len({(case.kind, case.name) for case in CASES}) == len(CASES) >= 40


@pytest.mark.parametrize("kind", FORMATS)
def test_valid_data_sets_have_no_problems_and_are_not_changed(kind: str, tiny: Callable[[str], Path]) -> None:
    root = tiny(kind)
    before = state(root)
    reader = FORMATS[kind].reader(root)
    assert messages(kind, root) == []
    assert require_valid(reader, kind) is reader
    assert state(root) == before


@pytest.mark.parametrize(
    ("kind", "path", "encoding"),
    [("coco", COCO, "utf-8-sig"), ("yolo", TXT, "utf-8-sig"), ("yolo", YAML, "utf-8-sig"), ("voc", IDS, "utf-8-sig")],
)
def test_utf8_files_may_start_with_a_byte_order_mark(
    kind: str, path: Path, encoding: str, tiny: Callable[[str], Path]
) -> None:
    root = tiny(kind)
    recode(path, encoding)(root)
    assert (root / path).read_bytes().startswith(codecs.BOM_UTF8)
    assert messages(kind, root) == []


def test_xml_may_declare_its_encoding(tiny: Callable[[str], Path]) -> None:
    root = tiny("voc")
    text = '<?xml version="1.0" encoding="{}"?>' + (root / XML).read_text().replace("cat", "katerčat")
    for encoding in ("utf-16", "iso-8859-2", "utf-8-sig"):
        (root / XML).write_bytes(text.format(encoding.removesuffix("-sig")).encode(encoding))
        assert FORMATS["voc"].reader(root).names == ["cat", "katerčat"]


def test_all_problems_are_in_one_report(tiny: Callable[[str], Path]) -> None:
    root = tiny("coco")
    thing(bbox=[5, 5, 0, 9], area=4)(root)
    cut("train/1.jpg")(root)
    delete("train/2.jpg")(root)
    write("train/5.jpg", b"")(root)
    with pytest.raises(DataError, match=r"food: 4 problems found") as caught:
        require_valid(FORMATS["coco"].reader(root), "food")
    report = str(caught.value)
    assert len(caught.value.problems) == 4
    for word in ("annotation 10", "image 2", "1.jpg: the image cannot", "5.jpg: the image file is empty"):
        assert word in report


def test_the_message_for_a_missing_root_names_where_it_was_searched(tmp_path: Path) -> None:
    for kind, each in FORMATS.items():
        with pytest.raises(PolyheadError, match=f"'nowhere/{kind}' was not found; looked at {Path.cwd()}"):
            each.reader(f"nowhere/{kind}")
        (tmp_path / "file").write_text("")
        with pytest.raises(PolyheadError, match="file"):
            each.reader(tmp_path / "file")
