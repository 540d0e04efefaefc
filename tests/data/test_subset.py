"""Subsets of a COCO file: the result is a data set of its own, and the source is not changed."""

import json
from pathlib import Path

import pytest

from polyhead import cli
from polyhead.data.loading.source import Source
from polyhead.data.readers.coco import Coco
from polyhead.data.subset import subset
from polyhead.errors import PolyheadError
from polyhead.workflows.tasks import open_tasks

FILE = Path("coco_mini/det10/annotations/instances_train2017.json")


def test_a_supercategory_of_real_coco(data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = data_root / FILE
    before = source.read_bytes()
    assert cli.main(["data", "subset", str(source), "--supercategory", "kitchen", "--out", str(tmp_path / "k")]) == 0
    shown = capsys.readouterr().out
    assert "4 classes (bottle, cup, knife, bowl)" in shown
    assert source.read_bytes() == before
    reader = Coco(tmp_path / "k", images=str(data_root / "coco_mini" / "train2017"))
    whole = Coco(data_root / "coco_mini/det10", "annotations/instances_train2017.json")
    expected = {}
    for index in range(len(whole)):
        labels = whole.target(index).labels
        names = sorted(whole.names[label] for label in labels if whole.names[label] in reader.names)
        if names:
            expected[whole.entry(index).id] = names
    found = {
        reader.entry(index).id: sorted(reader.names[label] for label in reader.target(index).labels)
        for index in range(len(reader))
    }
    assert found == expected
    assert f"{len(expected)} images" in shown


def test_one_annotation_file_is_split(data_root: Path, tmp_path: Path) -> None:
    """The folder has ``annotations/instances_train2017.json`` and ``train2017``, and nothing for val or test."""
    source = json.loads((data_root / "coco_mini/food/annotations/instances_train2017.json").read_text())
    root = tmp_path / "food-dataset-10-tat-10"
    (root / "annotations").mkdir(parents=True)
    (root / "annotations" / "instances_train2017.json").write_text(json.dumps(source))
    (root / "train2017").mkdir()
    for image in source["images"]:
        (root / "train2017" / image["file_name"]).symlink_to(data_root / "coco_mini/train2017" / image["file_name"])
    reader = Coco(root)
    assert len(reader.names) == 10
    if reader.problems:  # links out of the folder are rejected: copy the images
        for path in (root / "train2017").iterdir():
            target = path.resolve()
            path.unlink()
            path.write_bytes(target.read_bytes())
        reader = Coco(root)
    assert not reader.problems
    task = open_tasks({"food": Source(reader)}, (64, 64), 0)["food"]
    sizes = {split: len(task.ids(split)) for split in ("train", "val", "test")}
    assert sum(sizes.values()) == len(source["images"])
    assert min(sizes.values()) > 10


@pytest.mark.parametrize(
    ("section", "entry", "message"),
    [
        (
            "annotations",
            {"id": 2, "category_id": 3},
            "annotations, number 2: expected an entry with image_id, got {'id'",
        ),
        (
            "annotations",
            {"image_id": 1, "category_id": [3]},
            "annotations, number 2: expected an entry with category_id",
        ),
        ("annotations", 7, "annotations, number 2: expected an entry with category_id, got 7. Correct it first"),
        ("images", 5, "images, number 2: expected an entry with id, got 5. Correct it first"),
    ],
)
def test_an_invalid_entry_is_named(section: str, entry: object, message: str, tmp_path: Path) -> None:
    document: dict[str, list[object]] = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [0, 0, 5, 5]}],
        "categories": [{"id": 3, "name": "cat"}],
    }
    document[section].append(entry)
    (tmp_path / "a.json").write_text(json.dumps(document))
    with pytest.raises(PolyheadError) as caught:
        subset(tmp_path / "a.json", tmp_path / "out", classes=["cat"])
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no classes selected: give either --supercategory NAME or --classes"),
        (["--supercategory", "food", "--classes", "a"], "no classes selected: give either"),
        (["--supercategory", "kitchn"], "no category of the supercategory 'kitchn'; did you mean 'kitchen'"),
        (["--classes", "cup,bowll"], "no category 'bowll'; did you mean 'bowl'"),
    ],
)
def test_mistakes_are_one_message(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert cli.main(["data", "subset", str(data_root / FILE), "--out", str(tmp_path / "x"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_subset_is_never_overwritten(data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data", "subset", str(data_root / FILE), "--classes", "cup", "--out", str(tmp_path / "cup")]
    assert cli.main(words) == 0
    assert cli.main(words) == 2
    assert "already exists. Give another folder with --out" in capsys.readouterr().err
