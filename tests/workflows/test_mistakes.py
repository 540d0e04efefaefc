"""The gallery of the worst mistakes of a run."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from builders.three_heads import three_heads
from PIL import Image

from polyhead.data.loading.source import TaskData
from polyhead.errors import InvalidFileError, PolyheadError
from polyhead.kinds.classification import Classification
from polyhead.metrics.box_errors import count_errors
from polyhead.plotting.panels import CELL
from polyhead.run import Run
from polyhead.types import Sample
from polyhead.workflows.evaluate import predict_split, reopen
from polyhead.workflows.mistakes import Gallery, find_mistakes

CONF = 0.5
"""Few of the random boxes have this score."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return three_heads(tmp_path_factory.mktemp("mistakes"))


def find(run: Run, folder: Path, **settings: Any) -> Gallery:
    return find_mistakes(run, conf=CONF, out=folder, show=lambda _: None, **{"trust": False, **settings})


@pytest.fixture(scope="module")
def gallery(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """The two worst mistakes of each type of all heads."""
    return find(run, tmp_path_factory.mktemp("gallery") / "two", most=2)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_each_type_of_each_head_has_its_files(gallery: Gallery) -> None:
    table = json.loads((gallery.folder / "mistakes.json").read_text())
    assert table == {"split": "test", "conf": CONF, "tasks": gallery.tasks, "mistakes": gallery.mistakes}
    assert {*gallery.tasks} == {"det", "seg", "cls"}
    shown = Counter((each["task"], each["type"]) for each in gallery.mistakes)
    for task, found in gallery.tasks.items():
        assert found["images"] == 8
        assert found["types"]
        for kind, number in found["types"].items():
            assert shown[task, kind] == min(2, number)
    assert {*files_of(gallery.folder)} == {"mistakes.json", *(each["file"] for each in gallery.mistakes)}
    assert "seg.wrong_region.2.jpg" in files_of(gallery.folder)
    for each in gallery.mistakes:
        with Image.open(gallery.folder / each["file"]) as drawn:
            assert drawn.width > 3 * CELL


def test_an_entry_has_the_figures_of_its_explanation(gallery: Gallery) -> None:
    for each in gallery.mistakes:
        assert 0 <= each["severity"] <= 1
        explanation = each["explanation"]
        if explanation is None:
            assert each["verdict"] == "no map: nothing of this class is predicted there, not even with a low score"
            assert each["type"] in ("missed", "missed region")
        else:
            assert each["verdict"] == explanation["verdict"] == "trust not measured"
            assert (explanation["image"], explanation["task"]) == (each["image"], each["task"])
    weak = [each for each in gallery.mistakes if "(best score" in each["caption"]]
    assert weak
    assert all(f"(best score {each['explanation']['score']:.2f})" in each["caption"] for each in weak)


def test_the_numbers_are_those_of_the_evaluation(run: Run, gallery: Gallery) -> None:
    model, tasks = reopen(run)
    targets = tasks["det"].targets("test")
    errors = count_errors(targets.gathered, predict_split(model, "det", tasks["det"], "test", run.precision), CONF)
    assert gallery.tasks["det"]["types"] == {kind: number for kind, number in errors.counts.items() if number}
    predictions = predict_split(model, "cls", tasks["cls"], "test", run.precision)
    score = tasks["cls"].kind.score(tasks["cls"].targets("test"), predictions)
    assert gallery.tasks["cls"]["types"]["wrong class"] == round(8 * (1 - score["accuracy"]))


def test_the_worst_are_the_worst_of_all(run: Run, gallery: Gallery, tmp_path: Path) -> None:
    every = find(run, tmp_path / "all", task="cls", most=1000)
    assert len(every.mistakes) == sum(every.tasks["cls"]["types"].values())
    found = [each["severity"] for each in every.mistakes]
    assert found == sorted(found, reverse=True)
    two = [each for each in gallery.mistakes if each["task"] == "cls"]
    assert two == every.mistakes[:2]


def test_the_same_call_writes_the_same_files_and_nothing_else(run: Run, gallery: Gallery, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    folder = tmp_path / "again"
    find(run, folder, most=1, task="cls", split="val")
    find(run, folder, most=2)
    assert files_of(folder) == files_of(gallery.folder)
    assert [path.name for path in tmp_path.iterdir()] == ["again"]
    assert {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()} == before


def test_by_default_the_gallery_is_in_the_run(run: Run) -> None:
    found = find_mistakes(run.folder, "cls", "val", 1, 0.9, show=lambda _: None)
    assert found.folder == run.folder / "mistakes"
    (worst,) = found.mistakes
    assert worst["explanation"]["trust"]["deletion"] >= 0
    assert worst["verdict"].startswith(("trustworthy", "not trustworthy: "))


def test_a_sample_that_cannot_be_read_is_named(
    run: Run, gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = TaskData.sample
    damaged = InvalidFileError("2.png", "the image is cut off", "restore it")

    def sample(self: TaskData, split: str, index: int) -> Sample:
        if index == 2:
            raise damaged
        return read(self, split, index)

    monkeypatch.setattr(TaskData, "sample", sample)
    lines: list[str] = []
    found = find_mistakes(run, "cls", conf=CONF, trust=False, out=tmp_path / "a", show=lines.append)
    assert found.tasks["cls"]["images"] == 7
    assert found.tasks["cls"]["unread"] == [str(damaged.problem)]
    assert f"skipped {damaged.problem}" in lines
    assert gallery.tasks["cls"]["images"] == 8


def test_a_map_that_cannot_be_computed_is_explained(run: Run, tmp_path: Path) -> None:
    (worst,) = find(run, tmp_path / "a", task="cls", most=1, levels="backbone.7").mistakes
    assert worst["explanation"] is None
    assert worst["verdict"].startswith("no map: levels: the backbone has no level of stride 7. It has ")
    assert (tmp_path / "a" / worst["file"]).is_file()


def test_a_kind_that_compares_nothing_has_no_mistakes_to_show(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Classification, "mistakes")
    lines: list[str] = []
    found = find_mistakes(run, conf=CONF, trust=False, most=1, out=tmp_path / "a", show=lines.append)
    assert {*found.tasks} == {"det", "seg"}
    assert "cls: classification has no mistakes to show: its kind does not compare predictions" in lines
    with pytest.raises(PolyheadError, match=r"^no head has mistakes to show \(cls\)\. Choose another run\."):
        find(run, tmp_path / "b", task="cls")
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split": "tset"}, "split must be 'test', 'val' or 'train', got 'tset'"),
        ({"most": 0}, "most must be 1 or more, got 0"),
        ({"conf": 1.5}, "conf must be between 0 and 1, got 1.5"),
        ({"task": "dte"}, "the model has no head 'dte'; did you mean 'det'?"),
        ({"method": "cam"}, "method: there is no method 'cam'"),
    ],
)
def test_wrong_settings_are_refused(run: Run, tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(PolyheadError) as caught:
        find_mistakes(run, out=tmp_path / "a", **settings)
    assert message in str(caught.value)
    assert not (tmp_path / "a").exists()


def test_files_of_the_user_are_not_replaced(run: Run, tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_text("mine")
    with pytest.raises(PolyheadError, match=r"has files that this command did not write: holiday\.jpg"):
        find(run, tmp_path)
    assert files_of(tmp_path) == {"holiday.jpg": b"mine"}
