"""``polyhead init``: arguments, output and error messages."""

from pathlib import Path

import pytest
from builders.class_folders import class_folders

from polyhead import cli
from polyhead.config import recipe


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes of four images, in a folder below the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POLYHEAD_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return class_folders("My pets")


def test_a_folder_of_classes(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", str(images)]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines() == [
        "My pets: folder format, 2 classes (cat, dog)",
        "train: 8 images",
        "  class  train images",
        "  cat               4",
        "  dog               4",
        "cat and dog hold files of the same names; each is read as a class",
        "checked: all images can be read, all annotations are valid",
        "wrote my_pets.yaml",
        "no pretrained weights were found: training starts from random weights; 'init --weights hub' downloads some",
        "next: polyhead train my_pets.yaml",
    ]
    config = recipe.load("my_pets.yaml")
    assert config["model"]["class_path"].endswith("classifier")
    assert config["model"]["init_args"]["weights"] is None
    assert config["data"]["my_pets"]["reader"]["init_args"]["root"] == str(images.absolute())
    assert 'root: "My pets"\n' in Path("my_pets.yaml").read_text(encoding="utf-8"), "the recipe can move with its data"
    assert config["data"]["my_pets"]["split"] == {"val": 0.15, "test": 0.15}
    assert len(recipe.instantiate(config).sources["my_pets"].reader) == 8
    lines = Path("my_pets.yaml").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# Classifier on My pets: 8 training images, classes: cat, dog."
    assert max(map(len, lines)) <= 120


def test_options_are_passed_on(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["init", str(images), "--minutes", "0.001", "--reader", "folder", "--out", "x.yaml"]
    assert cli.main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert " s per step at 300 pixels on this machine; " in lines[-4]
    assert lines[-1] == "next: polyhead train x.yaml"
    assert recipe.load("x.yaml")["model"]["init_args"]["size"] == 64


def test_a_file_in_a_missing_folder_is_refused_first(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", str(images), "--out", "nowhere/x.yaml"]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("polyhead: error: the folder of 'nowhere/x.yaml' does not exist. Create it first")
    assert not shown.out


def test_an_existing_file_is_not_overwritten(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("my_pets.yaml").write_text("mine", encoding="utf-8")
    assert cli.main(["init", str(images)]) == 2
    line = "polyhead: error: my_pets.yaml already exists and is not overwritten. Give another file with --out.\n"
    assert capsys.readouterr().err == line
    assert Path("my_pets.yaml").read_text(encoding="utf-8") == "mine"


def test_problems_are_reported_and_nothing_is_written(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (images / "cat" / "0.jpg").write_bytes(b"not an image")
    assert cli.main(["init", str(images)]) == 2
    shown = capsys.readouterr().err.splitlines()
    assert shown[0] == "polyhead: error: My pets: 1 problem found, nothing was trained or changed"
    assert "0.jpg" in shown[1]
    assert not Path("my_pets.yaml").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "'nowhere' was not found; looked at "),
        (["My pets", "--minutes", "-3"], "minutes must be positive, got -3\n"),
        (["My pets", "--minutes", "x"], "argument --minutes: invalid float value: 'x'"),
        (
            ["My pets", "--reader", "coco"],
            "{root}: the format was not recognized; expected one of\n  coco: a JSON file",
        ),
        (["My pets/cat"], "{root}/cat: the format was not recognized; expected one of\n  coco"),
        ([], "the following arguments are required: FOLDER"),
    ],
)
def test_wrong_arguments(words: list[str], message: str, images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", *words]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("polyhead: error: " + message.format(root=images.absolute()))
    assert len(shown.splitlines()) == 1 or "expected one of\n" in shown
