"""Data cards: what they say is counted from the data, and their Croissant can be loaded."""

import csv
import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from polyhead import cli
from polyhead.analysis.report.questions import open_questions
from polyhead.data.catalog import checksum
from polyhead.data.loading.source import Source
from polyhead.data.readers.yolo import Yolo
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import write_folder, write_yolo
from polyhead.errors import PolyheadError
from polyhead.run import Run
from polyhead.workflows.card.questions import QUESTIONS
from polyhead.workflows.card.write import data_card, run_card
from polyhead.workflows.tasks import open_task

ANSWERS = {
    **dict.fromkeys(QUESTIONS, "An answer."),
    "license": "https://spdx.org/licenses/CC-BY-4.0.html",
    "published": "2026-01-02",
    "version": "1.0.0",
}


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "shapes"
    write_yolo(Scenes(12, size=48), folder, "train")
    write_yolo(Scenes(5, size=48, seed=1), folder, "val")
    return folder


def quiet(line: str) -> None:
    del line


def loaded(folder: Path) -> Any:
    """Return the data set of a ``croissant.json`` in the folder of its files, and its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries that mlcroissant uses
        import mlcroissant

        found = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    issues = found.metadata.ctx.issues
    assert not issues.errors
    return found, issues.warnings


def records(dataset: Any, name: str) -> list[dict[str, Any]]:
    """Return the records of a set; texts, which are bytes, decoded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = list(dataset.records(name))
    return [
        {key.partition("/")[2]: value.decode() if isinstance(value, bytes) else value for key, value in row.items()}
        for row in rows
    ]


def test_a_card_says_what_the_data_has(boxes: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    card = data_card(boxes, tmp_path / "card", show=lines.append)
    text = card.read_text(encoding="utf-8")
    targets = [
        Yolo(boxes, split).target(index) for split in ("train", "val") for index in range(len(Yolo(boxes, split)))
    ]
    objects = sum(len(target.labels) for target in targets)
    small = np.mean([float(area) < 32**2 for target in targets for area in target.areas])
    assert "17 samples for detection" in text
    assert f"{small:.0%} of the objects are small" in text
    rows = re.findall(r"^\| (?:train|val) \| \d+ \| \d+ \| (\d+) \|$", text, re.MULTILINE)
    assert sum(map(int, rows)) == objects
    assert "val has only 5 samples, so scores on it have wide intervals" in text
    assert "all images have one size, 48 x 48 pixels" in text
    for name in re.findall(r"\]\((\S+\.png)\)", text):
        Image.open(card.parent / name).verify()
    assert f"{len(open_questions(text))} open questions" in lines[-1]
    assert open_questions(text) == list(QUESTIONS.values())


def test_a_croissant_of_boxes_is_valid_and_loads(boxes: Path, tmp_path: Path) -> None:
    data_card(boxes, tmp_path / "card", show=quiet)
    published = _published(boxes, tmp_path)
    dataset, issues = loaded(published)
    missing = {re.search(r"/(\w+)\" is recommended", issue)[1] for issue in issues}  # type: ignore[index]  # it is
    assert missing == {"license", "citeAs", "datePublished", "version"}, "only what nobody has answered"
    samples = records(dataset, "samples")
    assert [row["id"] for row in samples if row["split"] == "val"] != []
    for row in samples:
        assert row["input"].size == (48, 48)
        assert row["sha256"] == checksum(boxes / row["file"])
    assert len(samples) == 17
    assert [row["name"] for row in records(dataset, "classes")] == Yolo(boxes).names
    found = records(dataset, "annotations")
    for split in ("train", "val"):
        reader = Yolo(boxes, split)
        for index in range(len(reader)):
            target, rows = reader.target(index), [row for row in found if row["sample"] == reader.entry(index).id]
            assert [reader.names[label] for label in target.labels] == [row["label"] for row in rows]
            np.testing.assert_allclose([row["box"] for row in rows] or np.zeros((0, 4)), target.boxes, atol=0.01)
    described = json.loads((published / "croissant.json").read_text(encoding="utf-8"))
    assert all(each["sha256"] for each in described["distribution"] if each["@type"] == "cr:FileObject")
    formats = [field["source"].get("format") for each in described["recordSet"] for field in each["field"]
               if field["dataType"] == "cr:BoundingBox"]  # fmt: skip
    assert formats == ["XYXY"]


def _published(data: Path, folder: Path) -> Path:
    """Copy a data set and the files of its card into one folder, as its owner would publish them."""
    target = folder / "published"
    for path in (*data.rglob("*"), *(folder / "card").glob("*.[cj]s*")):
        base = data if path.is_relative_to(data) else folder / "card"
        if path.is_file():
            place = target / path.relative_to(base)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    return target


def test_with_all_answers_nothing_is_open_and_croissant_has_no_warning(boxes: Path, tmp_path: Path) -> None:
    card = tmp_path / "card"
    data_card(boxes, card, show=quiet)
    assert yaml.safe_load((card / "answers.yaml").read_text(encoding="utf-8")) == dict.fromkeys(QUESTIONS, "")
    (card / "answers.yaml").write_text(yaml.safe_dump(ANSWERS))
    lines: list[str] = []
    text = data_card(boxes, card, show=lines.append).read_text(encoding="utf-8")
    assert open_questions(text) == []
    assert "questions" not in lines[-1]
    assert "An answer." in text
    assert yaml.safe_load((card / "answers.yaml").read_text(encoding="utf-8")) == ANSWERS
    dataset, issues = loaded(_published(boxes, tmp_path))
    assert not issues
    assert dataset.metadata.data_limitations


def test_a_croissant_of_masks_loads_them(tmp_path: Path) -> None:
    data = tmp_path / "masks"
    scenes = Scenes(6, size=48, target="masks")
    for index in range(6):
        sample = scenes[index]
        for folder, pixels in (("images", sample.input.permute(1, 2, 0)), ("masks", sample.target.classes)):
            (data / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.numpy()).save(data / folder / f"{index}.png")
    (data / "classes.txt").write_text("\n".join(Scenes(1).names))
    text = data_card(data, tmp_path / "card", show=quiet).read_text(encoding="utf-8")
    assert re.search(r"\d+% of the pixels that are not ignored are background", text)
    dataset, _ = loaded(_published(data, tmp_path))
    for row in records(dataset, "targets"):
        index = int(row["id"])
        mask = np.asarray(row["content"].convert("L"))  # mlcroissant makes every image RGB
        np.testing.assert_array_equal(mask, scenes[index].target.classes.numpy())
    assert {row["label"] for row in records(dataset, "annotations")} <= {"background", *Scenes(1).names}


def test_classes_of_images_have_a_card_too(tmp_path: Path) -> None:
    write_folder(Scenes(24, size=32, target="times"), tmp_path / "times", "train")
    write_folder(Scenes(12, size=32, target="times", seed=1), tmp_path / "times", "test")
    first, *_ = sorted((tmp_path / "times/train").rglob("*.png"))
    copy = next(path for path in (tmp_path / "times/test").iterdir()) / "copy.png"
    copy.write_bytes(first.read_bytes())
    card = data_card(tmp_path / "times", tmp_path / "card", show=quiet)
    assert "2 files are copies of each other (1 different file, 1 of them in several splits" in card.read_text(
        encoding="utf-8"
    )
    with (card.parent / "annotations.csv").open() as file:
        rows = {row["sample"]: row["label"] for row in csv.DictReader(file)}
    assert len(rows) == 37
    assert all(label in sample for sample, label in rows.items())


def test_an_edited_card_is_not_overwritten(boxes: Path, tmp_path: Path) -> None:
    card = data_card(boxes, tmp_path, show=quiet)
    data_card(boxes, tmp_path, show=quiet)
    card.write_text(card.read_text(encoding="utf-8").replace("## Biases", "## My biases"))
    with pytest.raises(PolyheadError, match=r"data_card\.md was edited and is not overwritten"):
        data_card(boxes, tmp_path, show=quiet)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- a", "expected a line 'key: answer' for each question"),
        ("licens: MIT", "unknown key 'licens'; did you mean 'license'?"),
        ("license: [a]", "license: expected a text, got list"),
    ],
)
def test_a_wrong_file_of_answers_is_refused(boxes: Path, tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "answers.yaml").write_text(content)
    with pytest.raises(PolyheadError, match=re.escape(message)):
        data_card(boxes, tmp_path, show=quiet)


def test_each_task_of_a_recipe_has_its_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    counts = [f"data.*.{key}=12" for key in ("count", "val.count", "test.count")]
    assert cli.main(["data", "card", "demo", *counts]) == 0
    assert "wrote demo_card/data_card.md" in capsys.readouterr().out
    text = Path("demo_card/data_card.md").read_text(encoding="utf-8")
    assert re.findall(r"^# Data card: (\w+)", text, re.MULTILINE) == ["fruit", "signs"]
    assert "val and test come with the data" in text
    names = {path.name for path in Path("demo_card").iterdir()}
    assert {"croissant.fruit.json", "answers.signs.yaml", "labels.signs.png", "inputs.fruit.png"} <= names


def test_a_training_writes_a_card_without_reading_inputs(
    boxes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = open_task("shapes", Source(Yolo(boxes), split={"val": 0.25, "test": 0.25}), 0)

    def read(reader: Yolo, index: int) -> Any:
        raise AssertionError("an input is read")

    monkeypatch.setattr(Yolo, "raw", read)
    run = Run.create(tmp_path, "run")
    run_card(run, [task], 0)
    text = (run.folder / "data_card.md").read_text(encoding="utf-8")
    assert "val and test were split off from train (val: 0.25, test: 0.25), seed 0" in text
    (run.folder / "data_card.md").write_text("mine")
    run_card(run, [task], 0)
    assert (run.folder / "data_card.md").read_text(encoding="utf-8") == "mine"
