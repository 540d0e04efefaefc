"""Annotations that each reader returns for the tiny data sets and for real ones."""

import json
import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from builders.colored_images import same

from polyhead.contracts.reader import Reader
from polyhead.data.doctor import check
from polyhead.data.formats.recognize import FORMATS
from polyhead.data.readers.coco import Coco
from polyhead.data.readers.folder import Folder
from polyhead.data.readers.penn_fudan import PennFudan
from polyhead.data.readers.voc import CLASSES, Voc, voc_years
from polyhead.data.readers.voc_masks import VocMasks
from polyhead.data.readers.yolo import Yolo
from polyhead.errors import PolyheadError

Tiny = Callable[[str], Path]


def boxes(reader: Reader, index: int) -> list[list[float]]:
    found: list[list[float]] = reader.target(index).boxes.tolist()
    return found


def ids(reader: Reader) -> list[str]:
    return [reader.entry(index).id for index in range(len(reader))]


def labels(reader: Reader, index: int) -> list[int]:
    found: list[int] = reader.target(index).labels.tolist()
    return found


@pytest.mark.parametrize("kind", FORMATS)
def test_samples_are_copies(kind: str, tiny: Tiny) -> None:
    reader = FORMATS[kind].reader(tiny(kind))
    count = len(reader)
    for index in range(count):
        before = deepcopy(reader.target(index))
        for field in reader[index].target:
            if isinstance(field, torch.Tensor):
                field.zero_()
        assert same(reader.target(index), before)


def test_coco(tiny: Tiny) -> None:
    root = tiny("coco")
    reader = Coco(root)
    assert reader.names == ["cat", "dog"]
    assert reader.categories == [3, 7]
    assert reader.license == "CC BY 4.0"
    target = reader.target(0)
    assert target.boxes.tolist() == [[10, 5, 30, 25], [0, 0, 64, 48]]
    assert target.labels.tolist() == [1, 0]
    assert target.ignore.tolist() == [False, True]
    assert target.areas.tolist() == [333.5, 64 * 48]
    assert boxes(reader, 1) == [[30.5, 20, 40.5, 30.25]]
    assert reader.target(1).areas.tolist() == [102.5]
    assert ids(reader) == ["1", "2", "5"]
    assert Path(reader.entry(2).path) == root / "train" / "5.jpg"
    negative = reader.target(2)
    assert (negative.boxes.shape, negative.labels.dtype) == ((0, 4), torch.int64)


def test_coco_classes_select_and_order(tiny: Tiny) -> None:
    root = tiny("coco")
    reader = Coco(root, "annotations/instances_train.json", "train", classes=["dog", "cat"])
    assert reader.names == ["dog", "cat"]
    assert reader.categories == [7, 3]
    assert labels(reader, 0) == [0, 1]
    dogs = Coco(root, classes=["dog"])
    assert [len(boxes(dogs, index)) for index in range(3)] == [1, 0, 0]
    with pytest.raises(PolyheadError, match=r"no category 'catt'; did you mean 'cat'\?"):
        Coco(root, classes=["catt"])
    with pytest.raises(PolyheadError, match="got a name twice in cat, cat"):
        Coco(root, classes=["cat", "cat"])


@pytest.mark.parametrize("folder", ["train", "images/train", "images", ".", "annotations", "../train"])
def test_coco_images_are_found_in_the_usual_folders(folder: str, tiny: Tiny) -> None:
    root = tiny("coco")
    moved = root.parent / "moved"
    (root / "train").rename(moved)
    (root / folder).mkdir(parents=True, exist_ok=True)
    for path in moved.iterdir():
        path.rename(root / folder / path.name)
    assert check(Coco(root)) == []


def test_the_message_for_a_missing_image_folder_names_it(tiny: Tiny) -> None:
    with pytest.raises(PolyheadError, match=r"tarin: the folder of images does not exist\. Correct images="):
        Coco(tiny("coco"), images="tarin")


def test_a_box_may_leave_its_image_by_a_pixel_of_rounding(tiny: Tiny) -> None:
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
    assert ids(reader) == ["000000", "000001", "000002"]
    assert boxes(reader, 0) == [[10, 5, 30, 25]]
    assert labels(reader, 0) == [CLASSES.index("cat")]
    assert reader.target(1).ignore.tolist() == [True, True]
    assert boxes(reader, 2) == []
    assert len(Voc(root, "train")) == 2
    assert len(Voc(root, None)) == 3
    for folder in (root / "VOCdevkit", root / "VOCdevkit" / "VOC2007"):
        assert len(Voc(folder, "train")) == 2
    (root / "own.txt").write_text("000001\n")
    assert len(Voc(root, "own.txt")) == 1
    assert labels(Voc(root, classes=["dog", "cat"]), 0) == [1]
    with pytest.raises(PolyheadError, match=r"no object in .* has the class 'catt'; did you mean 'cat'\?"):
        Voc(root, classes=["catt"])


def test_own_classes_of_voc_are_the_same_in_every_split(tiny: Tiny) -> None:
    root = tiny("voc")
    annotations = root / "VOCdevkit" / "VOC2007" / "Annotations"
    for number, name in ((0, "wolf"), (1, "bear")):
        file = annotations / f"00000{number}.xml"
        file.write_text(file.read_text().replace("cat", name))
    assert Voc(root).names == Voc(root, "train").names == ["bear", "wolf"]


def test_voc_years_are_chosen_and_joined(tiny: Tiny) -> None:
    root = tiny("voc")
    old, new = (root / "VOCdevkit" / f"VOC20{year}" for year in ("07", "12"))
    for path in [path for path in old.rglob("*") if path.is_file()]:
        copy = new / str(path.relative_to(old)).replace("00000", "20080")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes().replace(b"00000", b"20080"))
    with pytest.raises(PolyheadError, match=r"has several years \(VOC2007, VOC2012\)\. Choose with year="):
        Voc(root)
    assert len(Voc(root, year="VOC2012")) == 3
    assert len(Voc(root, year=["VOC2007", "VOC2012"])) == 6
    with pytest.raises(PolyheadError, match=r"no year 'VOC2010'; did you mean"):
        Voc(root, year="VOC2010")


def test_yolo(tiny: Tiny) -> None:
    root = tiny("yolo")
    reader = Yolo(root)
    assert reader.names == ["cat", "dog"]
    assert ids(reader) == [f"images/train/{number}" for number in range(3)]
    assert boxes(reader, 0) == [[24, 12, 40, 36], [12, 9, 20, 15]]
    assert labels(reader, 0) == [0, 1]
    assert boxes(reader, 1) == boxes(reader, 2) == []


def test_yolo_descriptions_of_other_tools(tiny: Tiny) -> None:
    root = tiny("yolo")
    yaml = root / "data.yaml"
    for train in ("../images/train", "[images/train]", "./images/train", "list.txt"):
        (root / "list.txt").write_text("./images/train/0.jpg\n\nimages/train/1.jpg\nimages/train/2.jpg\n")
        yaml.write_text(f"train: {train}\nnames: {{0: cat, 1: dog}}\n")
        assert check(Yolo(root)) == []
        assert len(Yolo(root)) == 3
    (root / "list.txt").write_text("images/train/0.jpg\n../images/train/9.jpg\n")
    (problem,) = Yolo(root).problems
    assert "list.txt: line 2" in str(problem)
    assert "got one that leaves it" in str(problem)
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
        assert reader.target(0).areas.tolist() == [400, 1]
        assert boxes(reader, 1) == []
    assert PennFudan(root, class_name="walker").names == ["walker"]


def test_folder(tiny: Tiny) -> None:
    root = tiny("folder")
    reader = Folder(root)
    assert reader.names == reader.categories == ["cat", "dog"]
    values = [reader.target(index).label for index in range(3)]
    assert [(value.item(), value.dtype, value.shape) for value in values] == [
        (0, torch.int64, ()),
        (0, torch.int64, ()),
        (1, torch.int64, ()),
    ]
    assert ids(reader) == ["cat/a.jpg", "cat/b.png", "dog/c.jpg"]
    dogs = Folder(root, classes=["dog"])
    assert (len(dogs), dogs.names) == (1, ["dog"])
    with pytest.raises(PolyheadError, match=r"no folder 'dogs'; did you mean 'dog'\?"):
        Folder(root, classes=["dogs"])
    for classes in (["eel"], ["cat", "eel"]):
        with pytest.raises(PolyheadError, match=r"no folder 'eel'; choose from .*dog"):
            Folder(root, classes=classes)
    more = Folder(root, classes=["eel", "dog", "cat"])  # a small data set may lack a class
    assert more.names == ["eel", "dog", "cat"]
    assert [int(more.target(index).label) for index in range(3)] == [1, 2, 2]
    (root / "eel").mkdir()
    assert not Folder(root, classes=["eel", "dog"]).problems
    assert "contains no images" in str(Folder(root).problems[0])


TARGETS = {"voc": "Annotations", "voc_masks": "SegmentationClass"}


@pytest.mark.parametrize("kind", TARGETS)
def test_an_id_in_two_years_is_a_problem(kind: str, tiny: Tiny, tmp_path: Path) -> None:
    """The folders of several data sets are read as years; their images often have the same numbers."""
    data = tiny(kind)
    for site in ("north", "south"):
        shutil.copytree(next(iter(voc_years(data, TARGETS[kind]).values())), tmp_path / "sites" / site)
    reader = {"voc": Voc, "voc_masks": VocMasks}[kind](tmp_path / "sites", None, year=["north", "south"])
    assert len(reader.problems) == len(reader)
    message = "is also an id of north, but the ids of joined years must differ; read these folders separately"
    assert all(message in str(problem) for problem in reader.problems)


def real_sets() -> dict[str, tuple[Callable[[Path], Reader], tuple[int, int, int, int]]]:
    """Return how to read each real data set, and its numbers of images, classes, objects and ignored objects."""

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
    make, (images, classes, objects, ignored) = real_sets()[name]
    reader = make(data_root)
    assert check(reader) == []
    assert (len(reader), len(reader.names)) == (images, classes)
    targets = [reader.target(index) for index in range(len(reader))] if reader.kind == "detection" else []
    assert sum(len(target.labels) for target in targets) == objects
    assert sum(int(target.ignore.sum()) for target in targets) == ignored


def test_the_two_layouts_of_coco128_agree(data_root: Path) -> None:
    """The boxes in txt equal those in JSON, except crowds, to the six digits that are written."""
    by_json, by_txt = Coco(data_root / "coco128"), Yolo(data_root / "coco128")
    assert by_json.names == by_txt.names
    targets = {Path(by_json.entry(index).path).stem: by_json.target(index) for index in range(128)}
    for index in range(len(by_txt)):
        found = by_txt.target(index)
        target = targets[Path(by_txt.entry(index).path).stem]
        assert found.size == target.size
        for box, label in zip(found.boxes, found.labels, strict=True):
            assert ((target.boxes - box).abs().amax(1) < 0.02)[target.labels == label].any()
