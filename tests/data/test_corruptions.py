"""Every listed fault of a data set ends in one message with its place, what is wrong, and a remedy."""

import codecs
import hashlib
import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from polyhead.data.doctor import check, require_sound
from polyhead.data.readers.recognize import READERS
from polyhead.errors import DataError, PolyheadError

Edit = Callable[[Path], object]
COCO = Path("annotations/instances_train.json")
VOC = Path("VOCdevkit/VOC2007")
SHEET = VOC / "Annotations" / "000000.xml"
IDS = VOC / "ImageSets" / "Main" / "trainval.txt"
TXT = Path("labels/train/0.txt")
YAML = Path("data.yaml")
PENN = Path("PennFudanPed")
BOMB = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;">]><annotation>&y;</annotation>"""


class Case(NamedTuple):
    kind: str
    name: str
    corrupt: Edit
    words: tuple[str, ...]
    faults: int = 1


def document(change: Callable[[dict[str, Any]], object]) -> Edit:
    def edit(root: Path) -> None:
        data = json.loads((root / COCO).read_text())
        change(data)
        (root / COCO).write_text(json.dumps(data))

    return edit


def image(**keys: Any) -> Edit:
    """Change the first image's entry; None deletes a key."""
    return document(lambda data: change(data["images"][0], keys))


def thing(**keys: Any) -> Edit:
    """Change the first annotation's entry."""
    return document(lambda data: change(data["annotations"][0], keys))


def change(entry: dict[str, Any], keys: dict[str, Any]) -> None:
    entry.update(keys)
    for key in [key for key, value in keys.items() if value is None]:
        del entry[key]


def swap(path: Path, old: str, new: str) -> Edit:
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
    return lambda root: os.truncate(root / path, (root / path).stat().st_size // 2)


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
    """Let EXIF turn a picture by a quarter, so that its stored size is no longer its upright size."""

    def edit(root: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        with Image.open(root / path) as picture:
            picture.save(root / path, exif=exif)

    return edit


def bomb(path: str | Path) -> Edit:
    """A PNG of a few bytes that would be 100,000 x 100,000 pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0))
    return write(path, b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"0" * 100)) + chunk(b"IEND", b""))


def stray(path: str | Path) -> Edit:
    """Replace a file by a link to a file outside the data set."""

    def edit(root: Path) -> None:
        outside = root.parent / f"outside{Path(path).suffix}"
        (root / path).rename(outside)
        (root / path).symlink_to(outside)

    return edit


def mask(pixels: np.ndarray) -> Edit:
    return lambda root: Image.fromarray(pixels).save(root / PENN / "PedMasks" / "P1_mask.png")


def rename(old: Path, new: Path) -> Edit:
    return lambda root: (root / old).rename(root / new)


def flatten(root: Path) -> None:
    """Move every class folder away."""
    for name in ("cat", "dog"):
        (root / name).rename(root.parent / name)


def sparse(root: Path) -> None:
    (root / IDS).write_text("000000\n000001 1 1\n000002\n")


CASES = [
    # COCO: the file
    Case("coco", "json_truncated", cut(COCO), (str(COCO), "line ", "not JSON", "export it again")),
    Case("coco", "json_syntax", swap(COCO, '"width": 64,', '"width": 64'), ("line 13, column 4", "not JSON")),
    Case("coco", "json_empty", write(COCO, ""), (str(COCO), "line 1", "not JSON")),
    Case("coco", "json_utf16", recode(COCO, "utf-16"), (str(COCO), "UTF-16", "save the file as UTF-8")),
    Case("coco", "json_utf16_unmarked", recode(COCO, "utf-16-le"), (str(COCO), "zero bytes", "save the file as UTF-8")),
    Case("coco", "json_latin1", write(COCO, '{\n"a": "café"}'.encode("latin-1")), ("line 2", "0xe9", "UTF-8")),
    Case("coco", "json_deep", write(COCO, "[" * 200_000), (str(COCO), "JSON", "export")),
    Case("coco", "json_list", write(COCO, "[]"), ("expected COCO's object", "a list", "not of results")),
    Case("coco", "json_keys", document(lambda d: d.pop("categories")), ("'categories'", "found keys licenses, images")),
    Case("coco", "json_missing", delete(COCO), ("no JSON file", "annotations=FILE")),
    Case("coco", "json_two", write("annotations/b.json", "{}"), ("several annotation files", "annotations/b.json")),
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
    Case("coco", "image_size_zero", image(width=0), ("image 1", "above 0, found 0 and 48", "own size")),
    Case("coco", "image_size_negative", image(height=-48), ("image 1", "above 0, found 64 and -48")),
    Case("coco", "image_size_fraction", image(height=48.5), ("image 1", "whole numbers", "48.5")),
    Case("coco", "image_size_other", image(width=65), ("train/1.jpg", "has 64 x 48", "id 1) says 65 x 48", "correct")),
    Case("coco", "picture_size_other", resize("train/1.jpg"), ("train/1.jpg", "has 30 x 20", "says 64 x 48")),
    Case("coco", "picture_turned", turn("train/1.jpg"), ("train/1.jpg", "has 48 x 64", "EXIF")),
    Case(
        "coco", "climbing_path", image(file_name="../train/1.jpg"), ("image 1", "'../train/1.jpg'", "leaves its folder")
    ),
    Case("coco", "absolute_path", image(file_name="/etc/passwd"), ("image 1", "'/etc/passwd'", "leaves its folder")),
    Case("coco", "windows_path", image(file_name="C:\\x\\1.jpg"), ("image 1", "leaves its folder", "relative")),
    Case("coco", "link_outside", stray("train/1.jpg"), ("image 1", "leads out of", "copy the file itself")),
    Case("coco", "picture_missing", delete("train/2.jpg"), ("image 2", "'2.jpg'", "no such file", "add the file")),
    Case("coco", "picture_empty", write("train/2.jpg", b""), ("train/2.jpg", "empty (0 bytes)", "copy it again")),
    Case("coco", "picture_truncated", cut("train/2.jpg"), ("train/2.jpg", "cannot be decoded", "truncated")),
    Case(
        "coco", "picture_text", write("train/2.jpg", "<html>"), ("train/2.jpg", "cannot be decoded", "save it as JPEG")
    ),
    Case("coco", "picture_bomb", bomb("train/2.jpg"), ("train/2.jpg", "larger than 89,478,485", "remove it")),
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
        "coco", "unknown_class", thing(category_id=1), ("annotation 10", "category_id 1 is unknown", "known are 3, 7")
    ),
    Case("coco", "box_flat", thing(bbox=[5, 5, 0, 9]), ("annotation 10", "(5, 5) to (5, 14)", "no area", "delete it")),
    Case("coco", "box_negative", thing(bbox=[9, 9, -5, 5]), ("annotation 10", "negative width", "draw the box anew")),
    Case("coco", "box_nan", thing(bbox=[5, float("nan"), 9, 9]), ("annotation 10", "nan", "not finite", "correct")),
    Case("coco", "box_infinite", thing(bbox=[5, 5, float("inf"), 9]), ("annotation 10", "inf", "not finite")),
    Case("coco", "box_huge_number", thing(bbox=[5, 5, 10**400, 9]), ("annotation 10", "bbox must be four numbers")),
    Case(
        "coco", "box_outside", thing(bbox=[60, 5, 20, 20]), ("annotation 10", "outside the picture of 64 x 48", "cut")
    ),
    Case("coco", "box_beside", thing(bbox=[64, 5, 0.5, 20]), ("annotation 10", "outside the picture")),
    Case("coco", "box_three", thing(bbox=[1, 2, 3]), ("annotation 10", "bbox must be four numbers", "[1, 2, 3]")),
    Case("coco", "box_text", thing(bbox=["1", 2, 3, 4]), ("annotation 10", "bbox must be four numbers")),
    Case("coco", "area_negative", thing(area=-1), ("annotation 10", "area must be", "-1", "delete the key")),
    Case("coco", "crowd", thing(iscrowd=2), ("annotation 10", "iscrowd must be 0 or 1", "found 2")),
    Case(
        "coco",
        "category_twice",
        document(lambda d: d["categories"].append({"id": 9, "name": "cat"})),
        ("category number 3", "'cat' is used twice"),
    ),
    Case(
        "coco", "category_keys", document(lambda d: d["categories"].append({"id": 9})), ("number 3", "an id and a name")
    ),
    Case("coco", "no_images", document(lambda d: d.update(images=[], annotations=[])), ("no picture in the data set",)),
    # VOC
    Case("voc", "xml_syntax", swap(SHEET, "</name>", ""), (str(SHEET), "line ", "not XML", "repair the file")),
    Case("voc", "xml_empty", write(SHEET, ""), (str(SHEET), "line 1", "not XML")),
    Case("voc", "xml_latin1", write(SHEET, "<annotation>\né</annotation>".encode("latin-1")), ("line 2", "UTF-8")),
    Case("voc", "xml_bomb", write(SHEET, BOMB), (str(SHEET), "document type", "refused", "delete it")),
    Case("voc", "xml_other", write(SHEET, "<html/>"), (str(SHEET), "expected <annotation>, found <html>")),
    Case("voc", "xml_missing", delete(SHEET), ("trainval.txt: line 1", "'000000.xml'", "no such file")),
    Case("voc", "no_size", swap(SHEET, "<width>64</width>", ""), (str(SHEET), "<size> needs", "own size")),
    Case("voc", "zero_size", swap(SHEET, "<width>64<", "<width>0<"), (str(SHEET), "<size> needs", "above 0")),
    Case("voc", "other_size", swap(SHEET, "<width>64<", "<width>70<"), ("000000.jpg", "has 64 x 48", "says 70 x 48")),
    Case(
        "voc", "no_name", swap(SHEET, "<name>cat</name>", ""), ("000000.xml: object 1", "no <name>", "name its class")
    ),
    Case("voc", "no_side", swap(SHEET, "<ymax>25</ymax>", ""), ("object 1", "four numbers", "ymax=None")),
    Case("voc", "side_text", swap(SHEET, "<ymax>25<", "<ymax>low<"), ("object 1", "four numbers", "ymax=low")),
    Case("voc", "side_nan", swap(SHEET, "<ymax>25<", "<ymax>nan<"), ("object 1", "not finite")),
    Case("voc", "box_flat", swap(SHEET, "<xmax>30<", "<xmax>10<"), ("object 1", "no area")),
    Case("voc", "box_outside", swap(SHEET, "<xmax>30<", "<xmax>90<"), ("object 1", "outside the picture of 64 x 48")),
    Case("voc", "difficult", swap(SHEET, "<difficult>0<", "<difficult>yes<"), ("object 1", "<difficult>", "'yes'")),
    Case(
        "voc", "climbing", swap(SHEET, "000000.jpg", "../../x.jpg"), (str(SHEET), "'../../x.jpg'", "leaves its folder")
    ),
    Case(
        "voc", "picture_missing", delete(VOC / "JPEGImages/000001.jpg"), ("000001.xml", "'000001.jpg'", "no such file")
    ),
    Case("voc", "picture_truncated", cut(VOC / "JPEGImages/000001.jpg"), ("000001.jpg", "cannot be decoded")),
    Case("voc", "id_twice", write(IDS, "000000\n000001\n000000\n"), ("trainval.txt: line 3", "listed twice", "delete")),
    Case(
        "voc", "id_climbs", write(IDS, "000000\n../000001\n"), ("line 2", "'../000001' leaves its folder", "plain id")
    ),
    Case("voc", "id_columns", sparse, ("trainval.txt: line 2", "expected one id", "one id per line")),
    Case("voc", "list_utf16", recode(IDS, "utf-16"), ("trainval.txt", "UTF-16", "save the file as UTF-8")),
    Case("voc", "list_missing", delete(IDS), ("trainval.txt", "no such list", "did you mean 'train'")),
    Case("voc", "list_empty", write(IDS, "\n"), ("no picture in the data set", "split")),
    Case("voc", "layout", rename(VOC / "JPEGImages", VOC / "Pictures"), ("no PASCAL VOC layout", "JPEGImages")),
    # YOLO
    Case("yolo", "columns", swap(TXT, " 0.5\n", "\n"), ("0.txt: line 1", "expected 5 columns, found 4", "x_centre")),
    Case("yolo", "outline", swap(TXT, " 0.5\n", " 0.5 0.1 0.2\n"), ("line 1", "found 7", "outlines must be turned")),
    Case(
        "yolo", "class_outside", swap(TXT, "1 0.25", "2 0.25"), ("0.txt: line 2", "from 0 to 1, found '2'", "data.yaml")
    ),
    Case("yolo", "class_negative", swap(TXT, "1 0.25", "-1 0.25"), ("line 2", "found '-1'")),
    Case("yolo", "class_name", swap(TXT, "1 0.25", "dog 0.25"), ("line 2", "whole number", "'dog'")),
    Case("yolo", "number", swap(TXT, "0 0.5", "0 half"), ("0.txt: line 1", "four numbers", "half")),
    Case("yolo", "nan", swap(TXT, "0 0.5", "0 nan"), ("line 1", "not finite")),
    Case("yolo", "flat", swap(TXT, "0.25 0.5\n", "0.25 0\n"), ("line 1", "no area")),
    Case("yolo", "negative", swap(TXT, "0.25 0.5\n", "0.25 -0.5\n"), ("line 1", "negative width or height")),
    Case("yolo", "outside", swap(TXT, "0 0.5", "0 0.95"), ("line 1", "outside the picture of 64 x 48", "cut")),
    Case("yolo", "pixels", write(TXT, "0 32 24 16 24"), ("line 1", "outside", "divide the numbers")),
    Case("yolo", "txt_utf16", recode(TXT, "utf-16"), ("0.txt", "UTF-16", "save the file as UTF-8")),
    Case("yolo", "txt_latin1", write(TXT, b"0 .5 .5 .2 .2\n0 \xe9"), ("0.txt: line 2", "0xe9", "UTF-8")),
    Case(
        "yolo",
        "label_alone",
        write("labels/train/9.txt", ""),
        ("labels/train/9.txt", "no picture of this name", "delete"),
    ),
    Case("yolo", "no_labels", empty("labels"), ("not one of 3 pictures", "labels/NAME.txt")),
    Case("yolo", "no_pictures", empty("images"), ("no picture in the data set", "split")),
    Case("yolo", "picture_empty", write("images/train/2.jpg", b""), ("2.jpg", "empty (0 bytes)")),
    Case("yolo", "picture_bomb", bomb("images/train/2.jpg"), ("2.jpg", "larger than")),
    Case("yolo", "picture_truncated", cut("images/train/2.jpg"), ("2.jpg", "cannot be decoded")),
    Case("yolo", "same_stem", resize("images/train/0.png"), ("images/train/0.png", "same label file", "rename")),
    Case("yolo", "link_outside", stray("images/train/2.jpg"), ("2.jpg", "leads out of", "copy the file itself")),
    Case("yolo", "yaml_missing", delete(YAML), ("no YOLO layout", "looked for data.yaml")),
    Case("yolo", "yaml_syntax", write(YAML, "train: a\nnames: [a, b"), ("data.yaml: line 2", "not YAML")),
    Case("yolo", "yaml_no_names", swap(YAML, "names: [cat, dog]", ""), ("data.yaml", "no list of class names")),
    Case("yolo", "yaml_holes", swap(YAML, "[cat, dog]", "{0: cat, 2: dog}"), ("data.yaml", "0 to 1", "without holes")),
    Case("yolo", "yaml_truth", swap(YAML, "dog", "no"), ("data.yaml", "list of texts", "in quotes")),
    Case("yolo", "yaml_twice", swap(YAML, "dog", "cat"), ("data.yaml", "name is used twice")),
    Case("yolo", "yaml_count", swap(YAML, "nc: 2", "nc: 3"), ("data.yaml", "'nc' is 3", "2 names")),
    Case(
        "yolo",
        "yaml_climbs",
        swap(YAML, "images/train", "../../etc"),
        ("data.yaml", "'../../etc'", "leaves the folder"),
    ),
    Case("yolo", "yaml_absolute", swap(YAML, "images/train", "/etc"), ("data.yaml", "'/etc' leaves", "relative")),
    Case(
        "yolo",
        "yaml_folder",
        swap(YAML, "images/train", "images/tarin"),
        ("data.yaml", "'images/tarin' does not exist"),
    ),
    Case("yolo", "yaml_split", swap(YAML, "train: ", "val: "), ("no split 'train'", "choose from val")),
    # Penn-Fudan
    Case("penn_fudan", "mask_missing", delete(PENN / "PedMasks/P1_mask.png"), ("'P1_mask.png'", "no such file")),
    Case(
        "penn_fudan", "picture_missing", delete(PENN / "PNGImages/P1.png"), ("P1_mask.png", "no picture of this mask")
    ),
    Case(
        "penn_fudan", "mask_size", mask(np.ones((9, 9), np.uint8)), ("P1_mask.png", "9 x 9 pixels, its picture 64 x 48")
    ),
    Case("penn_fudan", "mask_rgb", mask(np.ones((48, 64, 3), np.uint8)), ("P1_mask.png", "one 8-bit channel", "RGB")),
    Case("penn_fudan", "mask_cut", cut(PENN / "PedMasks/P1_mask.png"), ("P1_mask.png", "cannot be decoded")),
    Case("penn_fudan", "picture_cut", cut(PENN / "PNGImages/P1.png"), ("P1.png", "cannot be decoded")),
    Case("penn_fudan", "layout", rename(PENN / "PedMasks", PENN / "Masks"), ("no Penn-Fudan layout", "PedMasks")),
    Case("penn_fudan", "no_pictures", empty(PENN), ("no picture in the data set",)),
    # class folders
    Case("folder", "class_empty", empty("dog"), ("dog", "no picture in this class folder", "classes=")),
    Case("folder", "picture_empty", write("dog/c.jpg", b""), ("dog/c.jpg", "empty (0 bytes)")),
    Case("folder", "picture_text", write("dog/c.jpg", "no picture"), ("dog/c.jpg", "cannot be decoded")),
    Case("folder", "picture_cut", cut("cat/b.png"), ("cat/b.png", "cannot be decoded")),
    Case("folder", "picture_bomb", bomb("cat/b.png"), ("cat/b.png", "larger than")),
    Case("folder", "link_outside", stray("dog/c.jpg"), ("'c.jpg'", "leads out of", "copy the file itself")),
    Case("folder", "no_classes", flatten, ("no class folders", "a folder of pictures for each class")),
]


def faults(kind: str, root: Path) -> list[str]:
    """Every message that reading and checking a data set gives."""
    try:
        return [str(problem) for problem in check(READERS[kind](root))]
    except PolyheadError as fault:
        return [str(fault)]


def state(root: Path) -> str:
    """A digest of every name, link and byte below a folder."""
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
    told = faults(case.kind, root)
    assert len(told) == case.faults, told
    for word in case.words:
        assert word in told[0]
    assert state(root.parent) == before


def test_at_least_forty_corruptions() -> None:
    assert len({(case.kind, case.name) for case in CASES}) == len(CASES) >= 40


@pytest.mark.parametrize("kind", READERS)
def test_sound_sets_have_no_fault_and_are_left_as_they_are(kind: str, tiny: Callable[[str], Path]) -> None:
    root = tiny(kind)
    before = state(root)
    reader = READERS[kind](root)
    assert faults(kind, root) == []
    assert require_sound(reader, kind) is reader
    assert state(root) == before


@pytest.mark.parametrize(
    ("kind", "path", "encoding"),
    [("coco", COCO, "utf-8-sig"), ("yolo", TXT, "utf-8-sig"), ("yolo", YAML, "utf-8-sig"), ("voc", IDS, "utf-8-sig")],
)
def test_a_byte_order_mark_of_utf8_does_no_harm(
    kind: str, path: Path, encoding: str, tiny: Callable[[str], Path]
) -> None:
    root = tiny(kind)
    recode(path, encoding)(root)
    assert (root / path).read_bytes().startswith(codecs.BOM_UTF8)
    assert faults(kind, root) == []


def test_xml_may_name_its_own_encoding(tiny: Callable[[str], Path]) -> None:
    root = tiny("voc")
    text = '<?xml version="1.0" encoding="{}"?>' + (root / SHEET).read_text().replace("cat", "katerčat")
    for encoding in ("utf-16", "iso-8859-2", "utf-8-sig"):
        (root / SHEET).write_bytes(text.format(encoding.removesuffix("-sig")).encode(encoding))
        assert READERS["voc"](root).names == ["cat", "katerčat"]


def test_all_faults_are_in_one_report(tiny: Callable[[str], Path]) -> None:
    root = tiny("coco")
    thing(bbox=[5, 5, 0, 9], area=4)(root)
    cut("train/1.jpg")(root)
    delete("train/2.jpg")(root)
    write("train/5.jpg", b"")(root)
    with pytest.raises(DataError, match=r"food: 4 problem\(s\) found") as caught:
        require_sound(READERS["coco"](root), "food")
    told = str(caught.value)
    assert len(caught.value.problems) == 4
    for word in ("annotation 10", "image 2", "1.jpg: the picture cannot", "5.jpg: the picture file is empty"):
        assert word in told


def test_a_missing_root_names_the_places_looked_in(tmp_path: Path) -> None:
    for kind, reader in READERS.items():
        with pytest.raises(PolyheadError, match=f"'nowhere/{kind}' was not found; looked at {Path.cwd()}"):
            reader(f"nowhere/{kind}")
        (tmp_path / "file").write_text("")
        with pytest.raises(PolyheadError, match="file"):
            reader(tmp_path / "file")
