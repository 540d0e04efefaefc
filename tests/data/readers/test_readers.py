"""What each reader makes of sound data: of the tiny sets, and of the real ones."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from polyhead.contracts.reader import Reader
from polyhead.data.doctor import check
from polyhead.data.readers.coco import Coco
from polyhead.data.readers.folder import Folder
from polyhead.data.readers.penn_fudan import PennFudan
from polyhead.data.readers.recognize import READERS
from polyhead.data.readers.voc import CLASSES, Voc, voc_years
from polyhead.data.readers.voc_masks import VocMasks
from polyhead.data.readers.yolo import Yolo
from polyhead.errors import PolyheadError

Tiny = Callable[[str], Path]


def boxes(reader: Reader, index: int) -> list[list[float]]:
    return reader.annotation(index).boxes.tolist()


@pytest.mark.parametrize("kind", READERS)
def test_a_sample_is_the_callers_own(kind: str, tiny: Tiny) -> None:
    reader = READERS[kind](tiny(kind))
    for index, truth in enumerate([reader.annotation(index) for index in range(len(reader))]):
        reader[index].boxes.zero_()
        assert torch.equal(reader.annotation(index).boxes, truth.boxes)


def test_coco(tiny: Tiny) -> None:
    reader = Coco(tiny("coco"))
    assert reader.names == ["cat", "dog"]
    assert reader.categories == [3, 7]
    assert reader.licence == "CC BY 4.0"
    truth = reader.annotation(0)
    assert truth.boxes.tolist() == [[10, 5, 30, 25], [0, 0, 64, 48]]
    assert truth.labels.tolist() == [1, 0]
    assert truth.ignore.tolist() == [False, True]
    assert truth.areas.tolist() == [333.5, 64 * 48]
    assert boxes(reader, 1) == [[30.5, 20, 40.5, 30.25]]
    assert reader.annotation(1).areas.tolist() == [102.5]
    negative = reader.annotation(2)
    assert (negative.id, negative.boxes.shape, negative.labels.dtype) == ("5", (0, 4), torch.int64)


def test_coco_classes_restrict_and_order(tiny: Tiny) -> None:
    root = tiny("coco")
    reader = Coco(root, "annotations/instances_train.json", "train", classes=["dog", "cat"])
    assert reader.names == ["dog", "cat"]
    assert reader.categories == [7, 3]
    assert reader.annotation(0).labels.tolist() == [0, 1]
    dogs = Coco(root, classes=["dog"])
    assert [len(boxes(dogs, index)) for index in range(3)] == [1, 0, 0]
    with pytest.raises(PolyheadError, match=r"no category 'catt'; did you mean 'cat'\?"):
        Coco(root, classes=["catt"])
    with pytest.raises(PolyheadError, match="given twice"):
        Coco(root, classes=["cat", "cat"])


@pytest.mark.parametrize("place", ["train", "images/train", "images", ".", "annotations", "../train"])
def test_coco_pictures_are_found_in_the_usual_places(place: str, tiny: Tiny) -> None:
    root = tiny("coco")
    aside = root.parent / "aside"
    (root / "train").rename(aside)
    (root / place).mkdir(parents=True, exist_ok=True)
    for path in aside.iterdir():
        path.rename(root / place / path.name)
    assert check(Coco(root)) == []


def test_coco_says_which_picture_folder_is_missing(tiny: Tiny) -> None:
    with pytest.raises(PolyheadError, match="tarin: there is no such folder of pictures; correct images="):
        Coco(tiny("coco"), images="tarin")


def test_a_box_may_leave_its_picture_by_a_pixel_of_rounding(tiny: Tiny) -> None:
    root = tiny("coco")
    file = root / "annotations" / "instances_train.json"
    data = json.loads(file.read_text())
    data["annotations"][0]["bbox"] = [-0.75, 40, 65.5, 8.5]
    file.write_text(json.dumps(data))
    reader = Coco(root)
    assert reader.problems == []
    assert boxes(reader, 0)[0] == [0, 40, 64, 48]


def test_voc(tiny: Tiny) -> None:
    root = tiny("voc")
    reader = Voc(root)
    assert reader.names == list(CLASSES)
    assert [reader.annotation(index).id for index in range(3)] == ["000000", "000001", "000002"]
    assert boxes(reader, 0) == [[10, 5, 30, 25]]
    assert reader.annotation(0).labels.tolist() == [CLASSES.index("cat")]
    assert reader.annotation(1).ignore.tolist() == [True, True]
    assert boxes(reader, 2) == []
    assert len(Voc(root, "train")) == 2
    assert len(Voc(root, None)) == 3
    for folder in (root / "VOCdevkit", root / "VOCdevkit" / "VOC2007"):
        assert len(Voc(folder, "train")) == 2
    (root / "own.txt").write_text("000001\n")
    assert len(Voc(root, "own.txt")) == 1
    assert Voc(root, classes=["dog", "cat"]).annotation(0).labels.tolist() == [1]
    with pytest.raises(PolyheadError, match=r"no object in .* is a 'catt'; did you mean 'cat'\?"):
        Voc(root, classes=["catt"])


def test_voc_of_own_classes_has_the_same_ones_in_every_split(tiny: Tiny) -> None:
    root = tiny("voc")
    sheets = root / "VOCdevkit" / "VOC2007" / "Annotations"
    for number, name in ((0, "wolf"), (1, "bear")):
        sheet = sheets / f"00000{number}.xml"
        sheet.write_text(sheet.read_text().replace("cat", name))
    assert Voc(root).names == Voc(root, "train").names == ["bear", "wolf"]


def test_voc_years_are_chosen_and_joined(tiny: Tiny) -> None:
    root = tiny("voc")
    old, new = (root / "VOCdevkit" / f"VOC20{year}" for year in ("07", "12"))
    for path in [path for path in old.rglob("*") if path.is_file()]:
        copy = new / str(path.relative_to(old)).replace("00000", "20080")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes().replace(b"00000", b"20080"))
    with pytest.raises(PolyheadError, match="several years; choose with year= from VOC2007, VOC2012"):
        Voc(root)
    assert len(Voc(root, year="VOC2012")) == 3
    assert len(Voc(root, year=["VOC2007", "VOC2012"])) == 6
    with pytest.raises(PolyheadError, match=r"no year 'VOC2010'; did you mean"):
        Voc(root, year="VOC2010")


def test_yolo(tiny: Tiny) -> None:
    root = tiny("yolo")
    reader = Yolo(root)
    assert reader.names == ["cat", "dog"]
    assert [reader.annotation(index).id for index in range(3)] == [f"images/train/{number}" for number in range(3)]
    assert boxes(reader, 0) == [[24, 12, 40, 36], [12, 9, 20, 15]]
    assert reader.annotation(0).labels.tolist() == [0, 1]
    assert boxes(reader, 1) == boxes(reader, 2) == []


def test_yolo_descriptions_of_other_tools(tiny: Tiny) -> None:
    root = tiny("yolo")
    yaml = root / "data.yaml"
    for train in ("../images/train", "[images/train]", "./images/train", "list.txt"):
        (root / "list.txt").write_text("./images/train/0.jpg\n\nimages/train/1.jpg\nimages/train/2.jpg\n")
        yaml.write_text(f"train: {train}\nnames: {{0: cat, 1: dog}}\n")
        assert check(Yolo(root)) == []
        assert len(Yolo(root)) == 3
    (root / "list.txt").write_text("images/train/0.jpg\n../images/train/1.jpg\n")
    (problem,) = Yolo(root).problems
    assert "list.txt: line 2" in str(problem)
    assert "leaves its folder" in str(problem)
    yaml.rename(root / "tiny.yaml")
    assert Yolo(root).names == ["cat", "dog"]
    (root / "tiny.yaml").unlink()
    (root / "classes.txt").write_text("cat\ndog\n")
    assert len(Yolo(root)) == 3


def test_penn_fudan(tiny: Tiny) -> None:
    root = tiny("penn_fudan")
    for reader in (PennFudan(root), PennFudan(root / "PennFudanPed")):
        assert reader.names == ["person"]
        assert boxes(reader, 0) == [[10, 5, 30, 25], [60, 40, 61, 41]]
        assert reader.annotation(0).areas.tolist() == [400, 1]
        assert boxes(reader, 1) == []


def test_folder(tiny: Tiny) -> None:
    root = tiny("folder")
    reader = Folder(root)
    assert reader.names == reader.categories == ["cat", "dog"]
    values = [reader.annotation(index).value for index in range(3)]
    assert [(value.item(), value.dtype, value.shape) for value in values if value is not None] == [
        (0, torch.int64, ()),
        (0, torch.int64, ()),
        (1, torch.int64, ()),
    ]
    assert reader.annotation(0).id == "cat/a.jpg"
    dogs = Folder(root, classes=["dog"])
    assert (len(dogs), dogs.names) == (1, ["dog"])
    with pytest.raises(PolyheadError, match=r"no folder 'dogs'; did you mean 'dog'\?"):
        Folder(root, classes=["dogs"])
    for classes in (["eel"], ["cat", "eel"]):
        with pytest.raises(PolyheadError, match=r"no folder 'eel'; choose from .*dog"):
            Folder(root, classes=classes)
    more = Folder(root, classes=["eel", "dog", "cat"])  # a small set may lack a class
    assert more.names == ["eel", "dog", "cat"]
    assert [int(value) for value in (more.annotation(index).value for index in range(3)) if value is not None] == [
        1,
        2,
        2,
    ]
    (root / "eel").mkdir()
    assert not Folder(root, classes=["eel", "dog"]).problems
    assert "no picture in this class folder" in str(Folder(root).problems[0])


TRUTHS = {"voc": "Annotations", "voc_masks": "SegmentationClass"}


@pytest.mark.parametrize("kind", TRUTHS)
def test_an_id_of_two_years_is_told_as_what_it_is(kind: str, tiny: Tiny, tmp_path: Path) -> None:
    """Folders of several data sets are years to a reader; their pictures are often numbered alike."""
    data = tiny(kind)
    for site in ("north", "south"):
        shutil.copytree(next(iter(voc_years(data, TRUTHS[kind]).values())), tmp_path / "sites" / site)
    reader = {"voc": Voc, "voc_masks": VocMasks}[kind](tmp_path / "sites", None, year=["north", "south"])
    assert len(reader.problems) == len(reader)
    told = "is one of north, too, and ids of years that are joined must differ; take these folders one by one"
    assert all(told in str(problem) for problem in reader.problems)


def real_sets() -> dict[str, tuple[Callable[[Path], Reader], tuple[int, int, int, int]]]:
    """Each real data set with its pictures, classes, objects, and the ignored among them."""

    def mini(name: str, split: str) -> Callable[[Path], Reader]:
        file = f"{name}/annotations/instances_{split}2017.json"
        return lambda root: Coco(root / "coco_mini", file, f"{split}2017")

    return {
        "det10 train": (mini("det10", "train"), (240, 10, 1367, 18)),
        "det10 val": (mini("det10", "val"), (60, 10, 317, 3)),
        "appliance train": (mini("appliance", "train"), (90, 5, 172, 0)),
        "appliance val": (mini("appliance", "val"), (27, 5, 55, 0)),
        "food train": (mini("food", "train"), (113, 10, 342, 1)),
        "food val": (mini("food", "val"), (25, 10, 84, 1)),
        "coco128 json": (lambda root: Coco(root / "coco128"), (128, 80, 939, 10)),
        "coco128 txt": (lambda root: Yolo(root / "coco128"), (128, 80, 929, 0)),
        "voc train": (lambda root: Voc(root / "voc_from_coco", "train"), (240, 20, 1302, 18)),
        "voc val": (lambda root: Voc(root / "voc_from_coco", "val"), (60, 20, 321, 3)),
        "penn_fudan": (lambda root: PennFudan(root / "penn_fudan"), (170, 1, 423, 0)),
        "imagenette train": (lambda root: Folder(root / "imagenette" / "train"), (240, 10, 0, 0)),
        "imagenette val": (lambda root: Folder(root / "imagenette" / "val"), (60, 10, 0, 0)),
    }


@pytest.mark.parametrize("name", real_sets())
def test_real_data(name: str, data_root: Path) -> None:
    make, (pictures, classes, objects, ignored) = real_sets()[name]
    reader = make(data_root)
    truths = [reader.annotation(index) for index in range(len(reader))]
    assert check(reader) == []
    assert (len(reader), len(reader.names)) == (pictures, classes)
    assert sum(len(truth.labels) for truth in truths) == objects
    assert sum(int(truth.ignore.sum()) for truth in truths) == ignored


def test_the_two_layouts_of_coco128_agree(data_root: Path) -> None:
    """The txt boxes are the JSON's, crowds left out, to the six digits that are written."""
    by_json, by_txt = Coco(data_root / "coco128"), Yolo(data_root / "coco128")
    assert by_json.names == by_txt.names
    outlines = {Path(truth.path).stem: truth for truth in (by_json.annotation(i) for i in range(128))}
    for index in range(len(by_txt)):
        found = by_txt.annotation(index)
        truth = outlines[Path(found.path).stem]
        assert found.size == truth.size
        for box, label in zip(found.boxes, found.labels, strict=True):
            assert ((truth.boxes - box).abs().amax(1) < 0.02)[truth.labels == label].any()
