"""``polyhead data split``: what it stores is what recipes use, and changes are noticed."""

import json
from pathlib import Path

import pytest

from polyhead import cli
from polyhead.data.formats.recognize import recognize
from polyhead.data.loading.source import Source, TaskData
from polyhead.data.readers.yolo import Yolo
from polyhead.data.readers.yolo_masks import YoloMasks
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import SPLITS, write_folder, write_yolo
from polyhead.errors import PolyheadError
from polyhead.workflows.tasks import open_task
from polyhead.workflows.write_split import data_split


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_yolo(Scenes(40, size=32), tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def lists(folder: Path, tmp_path: Path) -> dict[str, int | float | str]:
    """The setting of a recipe that uses the stored split."""
    data_split(folder, tmp_path / "lists", show=lambda line: None)
    return {split: str(tmp_path / "lists" / f"{split}.txt") for split in SPLITS}


def opened(folder: Path, split: dict[str, int | float | str]) -> TaskData:
    return open_task("a", Source(Yolo(folder), split=split), 0)


def test_a_stored_split_is_the_split_that_a_recipe_makes(folder: Path, lists: dict[str, int | float | str]) -> None:
    stored, made = opened(folder, lists), opened(folder, {"val": 0.15, "test": 0.15})
    assert {split: sorted(made.ids(split)) for split in SPLITS} == {split: stored.ids(split) for split in SPLITS}
    assert stored.notes == made.notes


def test_the_record_counts_what_is_in_the_lists(folder: Path, tmp_path: Path) -> None:
    record = json.loads(
        data_split(folder, tmp_path / "out", 0.25, 0.25, seed=3, show=lambda line: None).read_text(encoding="utf-8")
    )
    assert record["samples"] == {"train": 20, "val": 10, "test": 10}
    assert (record["seed"], record["method"], record["reader"]) == (3, "stratified by class", "yolo")
    targets = {entry.id: entry for entry in map(Yolo(folder).entry, range(40))}
    for split in SPLITS:
        ids = (tmp_path / "out" / f"{split}.txt").read_text(encoding="utf-8").split()
        assert ids == sorted(ids)
        assert len(ids) == record["samples"][split]
        shown = sum("0" in {line[0] for line in _labels(targets[each].path)} for each in ids)
        assert shown == record["classes"][split][Yolo(folder).names[0]]


def _labels(image: str) -> list[str]:
    return Path(image.replace("images", "labels")).with_suffix(".txt").read_text(encoding="utf-8").splitlines()


def test_the_same_seed_writes_the_same_files(folder: Path, tmp_path: Path) -> None:
    for out, seed in (("one", 1), ("two", 1), ("three", 2)):
        data_split(folder, tmp_path / out, seed=seed, show=lambda line: None)
    files = {
        out: {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / out).iterdir()}
        for out in ("one", "two")
    }
    assert files["one"] == files["two"]
    assert set(files["one"]) == {"train.txt", "val.txt", "test.txt", "split.json"}
    assert (tmp_path / "three/val.txt").read_text(encoding="utf-8") != files["one"]["val.txt"]
    assert (tmp_path / "three/test.txt").read_text(encoding="utf-8") == files["one"]["test.txt"]


def test_groups_stay_together_from_the_command_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["data", "split", str(folder), "--out", str(tmp_path / "out"), "--group", r"(\d)$", "--val", "0.2"]
    assert cli.main(words) == 0
    record = json.loads((tmp_path / "out/split.json").read_text(encoding="utf-8"))
    last = {
        split: {line[-1] for line in (tmp_path / "out" / f"{split}.txt").read_text(encoding="utf-8").split()}
        for split in SPLITS
    }
    assert sum(map(len, last.values())) == len(set.union(*last.values())) == sum(record["groups"].values())
    shown = capsys.readouterr().out
    assert f"val: {record['samples']['val']} samples" in shown
    assert f"split: {{train: {tmp_path}/out/train.txt, val: " in shown


def test_only_missing_splits_are_made(tmp_path: Path) -> None:
    write_folder(Scenes(40, size=32, target="times"), tmp_path / "data", "train")
    write_folder(Scenes(8, size=32, target="times", seed=1), tmp_path / "data", "test")
    data_split(tmp_path / "data", tmp_path / "out", show=lambda line: None)
    assert {path.stem for path in (tmp_path / "out").glob("*.txt")} == {"train", "val"}


def test_nothing_is_overwritten_and_nothing_to_split_is_refused(tmp_path: Path) -> None:
    for split in SPLITS:
        write_folder(Scenes(20, size=32, target="times", seed=len(split)), tmp_path / "data", split)
    with pytest.raises(PolyheadError, match="the data has train, val and test already"):
        data_split(tmp_path / "data", tmp_path / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/val.txt").touch()
    with pytest.raises(PolyheadError, match=r"val\.txt already exists and is not overwritten"):
        data_split(tmp_path / "data", tmp_path / "out")


def test_more_splits_than_groups_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(PolyheadError, match="2 groups cannot fill 3 splits, because a group is never divided"):
        data_split(folder, tmp_path / "out", group="(1|)$")
    assert not (tmp_path / "out").exists()


def test_a_changed_list_is_noticed(folder: Path, lists: dict[str, int | float | str]) -> None:
    path = Path(str(lists["val"]))
    path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[1:]), encoding="utf-8")
    with pytest.raises(PolyheadError, match=r"val\.txt: the list is not the one that was written with split\.json"):
        opened(folder, lists)


def test_changed_samples_are_noticed(folder: Path, lists: dict[str, int | float | str]) -> None:
    images = sorted((folder / "images/train").iterdir())
    content = images[0].read_bytes()
    images[0].write_bytes(content + b"\0")
    with pytest.raises(PolyheadError, match="the same ids as when the data was split, but other files"):
        opened(folder, lists)
    images[0].write_bytes(content)
    opened(folder, lists)
    (folder / "images/train/new.png").write_bytes(content)
    images[1].unlink()
    (folder / "labels/train" / images[1].with_suffix(".txt").name).unlink()
    with pytest.raises(
        PolyheadError, match=r"not the one that was split: 1 sample added \(.*new\) and 1 sample removed"
    ):
        opened(folder, lists)


def test_changed_annotations_leave_a_split_valid_but_are_noticed(
    folder: Path, lists: dict[str, int | float | str]
) -> None:
    label = next(path for path in sorted((folder / "labels/train").iterdir()) if path.read_text(encoding="utf-8"))
    label.write_text("")
    (note,) = [line for line in opened(folder, lists).notes if "split.json" in line]
    assert note.startswith("the annotations or classes are not those that")


def test_boxes_and_masks_of_the_same_images_can_share_a_split(
    folder: Path, lists: dict[str, int | float | str]
) -> None:
    for label in (folder / "labels/train").iterdir():
        label.write_text("0 0.1 0.1 0.9 0.1 0.9 0.9 0.1 0.8\n")
    assert recognize(folder, "yolo_masks").reader == "yolo_masks"
    task = open_task("a", Source(YoloMasks(folder), split=lists), 0)
    assert task.ids("val") == Path(str(lists["val"])).read_text(encoding="utf-8").split()


def test_lists_without_a_record_are_used_as_they_are(folder: Path, lists: dict[str, int | float | str]) -> None:
    path = Path(str(lists["val"]))
    path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[1:]), encoding="utf-8")
    (path.parent / "split.json").unlink()
    assert len(opened(folder, lists).ids("val")) == 5


def test_a_damaged_record_is_refused(folder: Path, lists: dict[str, int | float | str]) -> None:
    (Path(str(lists["val"])).parent / "split.json").write_text("[]")
    with pytest.raises(PolyheadError, match=r"split\.json: expected the record of a split"):
        opened(folder, lists)
