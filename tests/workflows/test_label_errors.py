"""Labels that a model contradicts, which has not trained on them."""

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from builders.untrained_run import write
from PIL import Image

from polyhead import cli
from polyhead.config import recipe
from polyhead.data.readers.folder import Folder
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import write_coco
from polyhead.errors import PolyheadError
from polyhead.models import classifier, ssd300
from polyhead.run import Run, write_text
from polyhead.workflows import label_error_files, study
from polyhead.workflows.label_error_files import TABLE
from polyhead.workflows.label_errors import find_label_errors

ARGUMENTS: dict[str, Any] = {"backbone": "test_resnet", "size": 64}
NAMES = ["cat", "dog"]
IDS = [f"{name}/{number}.png" for name in NAMES for number in range(6)]


@pytest.fixture(autouse=True)
def pets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write twelve noisy images of two classes, and a recipe that trains on them."""
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    for sample in IDS:
        path = Path("pets", sample)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(path)
    content = {
        "model": {"class_path": "classifier", "init_args": {**ARGUMENTS, "weights": None}},
        "data": {"pets": {"reader": "folder", "root": "pets", "workers": 0}},
        "stages": [{"epochs": 1}],
        "precision": "32-true",
    }
    Path("pets.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


def run_of(folder: str | Path, config: dict[str, Any], train: list[str], test: list[str]) -> Run:
    """Write a finished run of a classifier with random weights."""
    run = Run(folder)
    write(run.best, {"pets": NAMES}, classifier, **ARGUMENTS)
    write_text(run.config, recipe.dump(config))
    val = [each for each in IDS if each not in (*train, *test)]
    run.update_manifest(splits={"pets": {"train": train, "val": val, "test": test}}, finished="now")
    return run


def check(*words: str) -> int:
    return cli.main(["data", "check", *words])


def test_images_of_the_training_split_are_left_out_also_under_other_names(capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of("runs/x", recipe.load("pets.yaml"), IDS[:5] + IDS[8:], IDS[5:7])
    shutil.copytree("pets", "copy")
    for path in sorted(Path("copy").rglob("*.png")):
        path.rename(path.with_stem(f"new{path.stem}"))
    before = {path: path.read_bytes() for path in Path("copy").rglob("*.png")}
    assert check("copy", "--labels", str(run.folder), "--out", "found") == 0
    shown = capsys.readouterr().out
    assert "labels of 3 images judged by runs/x (out of sample)" in shown
    assert "classes matched by name: 2 of 2 (cat, dog)" in shown
    assert "9 images left out" in shown
    assert {path: path.read_bytes() for path in Path("copy").rglob("*.png")} == before
    assert Path("found", TABLE).is_file()
    run_of("runs/all", recipe.load("pets.yaml"), IDS[:10], IDS[11:])
    shutil.rmtree("copy")
    shutil.copytree("pets/cat", "copy/cat")
    shutil.copytree("pets/dog", "copy/dog", ignore=shutil.ignore_patterns("[45].png"))
    assert check("copy", "--labels", "runs/all") == 2
    assert "runs/all cannot judge these 10 images" in capsys.readouterr().err


def test_where_the_data_of_the_run_is_gone_names_decide() -> None:
    shutil.copytree("pets", "copy")
    config = recipe.load("pets.yaml")
    run_of("runs/x", config, IDS[:4], IDS[4:8])
    shutil.rmtree("pets")
    lines: list[str] = []
    found = find_label_errors({"train": Folder("copy")}, "runs/x", show=lines.append)
    assert [Path(each).resolve() for each in found.left_out] == [Path("copy", each).resolve() for each in IDS[:4]]
    assert "images are recognized by their names" in lines[0]


def test_each_run_of_a_study_judges_its_test_fold() -> None:
    Path("folds.yaml").write_text("base: pets.yaml\nvariations: {one: {}}\nseeds: [3]\nfolds: 2\n", encoding="utf-8")
    (members,) = study.plan(study.load("folds.yaml"))["one"]
    folds = IDS[::2], IDS[1::2]
    run_of(members[0].folder, members[0].config, folds[1][1:], folds[0])
    with pytest.raises(PolyheadError, match=r"1 run\(s\) of the study are not finished: \S*one.seed3.fold1\. Train"):
        find_label_errors({"train": Folder("pets")}, "folds.yaml", show=lambda _: None)
    run_of(members[1].folder, members[1].config, folds[0][1:], folds[1])
    lines: list[str] = []
    found = find_label_errors({"train": Folder("pets")}, "folds.yaml", show=lines.append)
    assert sorted(found.places) == [f"train/{each}" for each in sorted(IDS)]
    assert not found.left_out
    assert [line.partition(" judges ")[2] for line in lines[1:]] == ["6 of 12 train images"] * 2
    Path("folds.yaml").write_text("base: pets.yaml\nvariations: {one: {}}\n", encoding="utf-8")
    with pytest.raises(PolyheadError, match=r"study folds: expected a cross-validation, .* got a study without folds"):
        find_label_errors({"train": Folder("pets")}, "folds.yaml", show=lambda _: None)


def test_a_table_and_drawings_of_boxes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_error_files, "DRAWN", 3)
    write_coco(Scenes(4, domain="shapes", size=96), "shapes")
    write(Path("x/weights/best.pt"), {"a": ["circle", "star"], "b": ["cow"]}, ssd300, **ARGUMENTS, width=32)
    shutil.copy("x/weights/best.pt", "alone.pt")
    assert check("shapes", "--labels", "alone.pt", "--out", "found") == 2
    assert "has several tasks of detection (a, b). Choose one with --task NAME" in capsys.readouterr().err
    for _ in range(2):  # the second call replaces what the first one wrote
        assert check("shapes", "--labels", "alone.pt", "--task", "a", "--out", "found") == 0
    shown = capsys.readouterr().out
    assert "not in a run folder, so its training images are not known" in shown
    assert "(whether it has trained on them is not known)" in shown
    with Path("found", TABLE).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert {path.name for path in Path("found").iterdir()} == {TABLE, *(row["drawn"] for row in rows)} - {""}
    for row in rows:
        assert Path(row["file"]).is_file()
        assert (row["x1"] == "") == (row["type"] == "overlooked")
    assert [float(row["score"]) for row in rows] == sorted((float(row["score"]) for row in rows), reverse=True)
    Path("found/mine.txt").touch()
    assert check("shapes", "--labels", "alone.pt", "--task", "a", "--out", "found") == 2
    assert "has files that this command did not write: mine.txt" in capsys.readouterr().err


def test_masks_are_refused_before_the_model_is_opened() -> None:
    with pytest.raises(PolyheadError, match=r"^labels of segmentation cannot be checked with a model yet"):
        find_label_errors({"train": Scenes(2, target="masks")}, "no model")


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(PolyheadError, match="run folder 'nothing' does not exist"):
        find_label_errors({"train": Folder("pets")}, "nothing")
