"""The readers of the real formats read written scenes back."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from builders.fitted_images import decoded
from pycocotools.coco import COCO

from polyhead.contracts.reader import Reader
from polyhead.data.doctor import check
from polyhead.data.formats.recognize import recognize
from polyhead.data.readers.coco import Coco
from polyhead.data.readers.folder import Folder
from polyhead.data.readers.voc import Voc
from polyhead.data.readers.yolo import Yolo
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import new_split, write_coco, write_folder, write_voc, write_yolo
from polyhead.errors import PolyheadError

WRITERS = [write_coco, write_voc, write_yolo, write_folder]
SCENES = Scenes(12, "signs", seed=5, size=48)


def assert_equal(reader: Reader, tolerance: float, *, lossless: bool, ignored: bool = True) -> None:
    """Assert that the reader has every scene: pixels, boxes, classes by name, ignored objects."""
    assert check(reader) == []
    assert len(reader) == len(SCENES)
    by_name = {Path(reader.entry(index).path).stem: index for index in range(len(reader))}
    for index in range(12):
        image, target, _ = decoded(SCENES, index)
        found_image, found, _ = decoded(reader, by_name[SCENES.id(index)])
        selected = torch.ones(len(target.boxes), dtype=torch.bool) if ignored else ~target.ignore
        boxes = target.boxes[selected]
        assert len(found.boxes) == len(boxes)
        assert torch.allclose(found.boxes, boxes, rtol=0, atol=tolerance)
        names = [SCENES.names[label] for label in target.labels[selected]]
        assert [reader.names[label] for label in found.labels] == names
        assert found.ignore.tolist() == target.ignore[selected].tolist()
        difference = (found_image.int() - image.int()).abs()
        assert (difference.max() == 0) if lossless else (difference.float().mean() < 16)


def test_coco_round_trip(tmp_path: Path) -> None:
    write_coco(SCENES, tmp_path)
    reader = Coco(tmp_path)
    assert_equal(reader, 1e-4, lossless=True)
    assert reader.names == SCENES.names
    assert reader.license == SCENES.license


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own
def test_coco_segmentations_cover_the_visible_pixels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenes = Scenes(40, "signs", size=48)
    write_coco(scenes, tmp_path)
    file = tmp_path / "annotations" / "instances_train.json"
    coco = COCO(str(file))
    capsys.readouterr()
    crowds = 0
    for index in range(len(scenes)):
        scene = scenes.scene(index)
        for number, entry in enumerate(coco.loadAnns(coco.getAnnIds(imgIds=3 * index + 7)), 1):
            decoded, visible = coco.annToMask(entry).astype(bool), scene.owner == number
            crowds += entry["iscrowd"]
            wrong = np.count_nonzero(decoded != visible)
            assert wrong == 0 if entry["iscrowd"] else wrong <= 0.1 * visible.sum() + 4
    assert crowds > 0
    document = json.loads(file.read_text())
    ids = [category["id"] for category in document["categories"]]
    assert np.diff(ids).min() > 1


def test_voc_round_trip(tmp_path: Path) -> None:
    write_voc(SCENES, tmp_path, "val")
    assert_equal(Voc(tmp_path, "val"), 0, lossless=False)


def test_yolo_round_trip(tmp_path: Path) -> None:
    write_yolo(SCENES, tmp_path)
    write_yolo(Scenes(2, "signs", seed=6, size=48), tmp_path, "val")
    reader = Yolo(tmp_path)
    assert_equal(reader, 1e-3, lossless=True, ignored=False)
    assert reader.names == SCENES.names
    assert len(Yolo(tmp_path, "val")) == 2


def test_folder_round_trip(tmp_path: Path) -> None:
    write_folder(SCENES, tmp_path)
    reader = Folder(tmp_path / "train")
    assert check(reader) == []
    target = {SCENES.id(index): SCENES.times[SCENES.scene(index).time] for index in range(len(SCENES))}
    found = {Path(reader.entry(i).path).stem: reader.names[int(reader.target(i).label)] for i in range(12)}
    assert found == target


@pytest.mark.parametrize("write", WRITERS)
def test_layouts_are_recognized(tmp_path: Path, write: Callable[..., None]) -> None:
    write(SCENES, tmp_path)
    write(Scenes(8, "signs", seed=6, size=48), tmp_path, "test")
    layout = recognize(tmp_path)
    assert f"write_{layout.reader}" == write.__name__
    assert layout.counts == {"train": 12, "test": 8}


@pytest.mark.parametrize("write", WRITERS)
def test_files_are_not_replaced_or_written_elsewhere(tmp_path: Path, write: Callable[..., None]) -> None:
    write(Scenes(1, size=32), tmp_path / "a")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(PolyheadError, match=r"already exists\. Choose another folder"):
        write(Scenes(1, size=32), tmp_path / "a")
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_splits_cannot_leave_the_folder(tmp_path: Path) -> None:
    with pytest.raises(PolyheadError, match=r"unknown split '\.\./b'; choose from test, train, val"):
        new_split(tmp_path / "a", "../b", Path("x"))
    with pytest.raises(PolyheadError, match="did you mean 'train'"):
        new_split(tmp_path, "trian", Path("x"))
    assert not any(tmp_path.iterdir())


def test_writers_of_boxes_raise_for_scenes_with_masks(tmp_path: Path) -> None:
    for write in (write_coco, write_voc, write_yolo):
        with pytest.raises(PolyheadError, match="expected scenes with target='boxes' to write, got 'masks'"):
            write(Scenes(1, size=48, target="masks"), tmp_path)
