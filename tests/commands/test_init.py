"""``polyhead init``: arguments, output and error messages."""

import os
from pathlib import Path

import pytest
from builders.class_folders import class_folders
from PIL import Image

from polyhead import cli
from polyhead.config import recipe
from polyhead.paths import find
from polyhead.run import Run, write_rows
from polyhead.workflows.tasks import open_tasks


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


def test_names_that_are_not_utf8_and_line_breaks_do_not_spoil_a_recipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an archive of an old system unpacks them: an image, a class, and the data set itself."""
    monkeypatch.chdir(tmp_path)
    root = Path("set\nmodel: evil")
    for name in ("cat", os.fsdecode(b"caf\xe9")):
        (root / name).mkdir(parents=True)
        for number in range(9):
            Image.new("RGB", (40, 30), (25 * number, 99, 0)).save(root / name / f"{number}.png")
    (root / "cat" / "8.png").rename(root / "cat" / os.fsdecode(b"\xe9\x1b[2J.png"))
    assert cli.main(["data", "check", str(root)]) == 0
    assert cli.main(["init", str(root), "--out", "mine.yaml"]) == 0
    shown = capsys.readouterr()
    assert (shown.out + shown.err).replace("\n", "").isprintable()
    assert "(caf\\xe9, cat)" in shown.out
    root = root.rename(os.fsdecode(b"\xe9"))
    assert cli.main(["init", str(root), "--out", "other.yaml"]) == 2
    assert "'\\xe9' is not UTF-8 text, which a recipe cannot hold. Rename" in capsys.readouterr().err.replace('"', "")
    assert not Path("other.yaml").exists()
    root = root.rename("set\nmodel: evil")
    config = recipe.load("mine.yaml")
    (task,) = config["data"].values()
    assert find(task["reader"]["init_args"]["root"]) == root.absolute()
    source = recipe.sources(config)
    (opened,) = open_tasks(source, (64, 64), 0).values()
    run = Run.create(tmp_path, "run")
    splits = {"street": {split: opened.ids(split) for split in ("train", "val", "test")}}
    run.update_manifest(splits=splits, names=opened.names)
    assert run.read_manifest() == {"splits": splits, "names": opened.names}, "bytes can be restored"
    write_rows(run.results_csv, [dict.fromkeys(opened.names, 1)])
    assert "caf\\udce9" in run.results_csv.read_text(encoding="utf-8")
