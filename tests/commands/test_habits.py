"""Command lines in the form of other tools get the right command as an answer."""

import json
from pathlib import Path

import pytest
from builders.class_folders import class_folders

from polyhead import cli
from polyhead.config import recipe


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POLYHEAD_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def message(words: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(words.split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line.removeprefix("polyhead: error: ")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("detect train data=pets/data.yaml epochs=1", "'polyhead train pets epochs=1'"),
        ("yolo detect train data=pets/data.yaml model=yolo11n.pt imgsz=64", "'polyhead train pets imgsz=64'"),
        ("classify train data=pets", "'polyhead train pets'"),
        ("detect train --data=x.yaml", "'polyhead train .'"),
        ("segment", "'polyhead train FOLDER'"),
        ("train data=pets/data.yaml epochs=1", "'polyhead train pets epochs=1'"),
        ("train data=pets/annotations/a.json", "'polyhead train pets'"),
    ],
)
def test_a_training_in_other_words(words: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = message(words, capsys)
    assert f"Use {expected}." in shown
    assert ("the data decides what is trained" in shown) == (not words.startswith("train"))


def test_a_prediction_in_other_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Use 'polyhead predict RUN'; 'polyhead predict --help'" in message("detect predict source=a.jpg", capsys)


def test_files_that_describe_data_are_not_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    Path("pets/annotations").mkdir(parents=True)
    Path("pets/data.yaml").write_text("path: .\ntrain: images/train\nnames: [cat]\n", encoding="utf-8")
    Path("pets/annotations/a.json").write_text(
        json.dumps({"images": [], "annotations": [], "categories": []}), encoding="utf-8"
    )
    assert message("train pets/data.yaml", capsys) == (
        "pets/data.yaml is a YOLO data file, not a recipe. Use 'polyhead train pets', which writes the recipe and "
        "trains it."
    )
    assert message("train pets/annotations/a.json", capsys).startswith(
        "pets/annotations/a.json is a COCO annotation file, not a recipe. Use 'polyhead train pets', "
    )
    Path("bad.yaml").write_text("[1, 2", encoding="utf-8")
    assert "bad.yaml: line 1: is not valid YAML" in message("train bad.yaml", capsys)


def test_a_data_folder_gets_a_recipe_which_is_then_trained(capsys: pytest.CaptureFixture[str]) -> None:
    class_folders("My pets")
    words = ["train", "My pets", "seed=3", "--print-config"]
    assert cli.main(words) == 0
    shown = capsys.readouterr().out
    assert "wrote my_pets.yaml" in shown
    assert "seed: 3\n" in shown
    assert recipe.load("my_pets.yaml")["seed"] == 0
    assert cli.main(words) == 0
    assert "the recipe my_pets.yaml exists and is used; delete it to have it written anew\n" in capsys.readouterr().out


def test_a_run_folder_is_no_data_folder(capsys: pytest.CaptureFixture[str]) -> None:
    Path("runs/x").mkdir(parents=True)
    Path("runs/x/manifest.json").write_text("{}", encoding="utf-8")
    Path("runs/x/config.yaml").write_text("{}", encoding="utf-8")
    assert "'polyhead train runs/x/config.yaml' repeats that run." in message("train runs/x", capsys)
