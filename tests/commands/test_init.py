"""``polyhead init``: a folder becomes a recipe that loads."""

import json
from pathlib import Path

import pytest
from PIL import Image

from polyhead import cli
from polyhead.config import recipe


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes of four pictures, in a folder of the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POLYHEAD_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("cat", "dog"):
        (tmp_path / "My pets" / name).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (8, 8), (20 * number, 0, 0)).save(tmp_path / "My pets" / name / f"{number}.jpg")
    return Path("My pets")


def test_a_folder_of_classes(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", str(pictures)]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines() == [
        "My pets: folder format, 8 train pictures, classes: cat, dog",
        "checked: every picture opens, every annotation is sound",
        "wrote my_pets.yaml",
        "next: polyhead train my_pets.yaml",
    ]
    config = recipe.load("my_pets.yaml")
    assert config["model"]["class_path"].endswith("classifier")
    assert config["model"]["init_args"]["weights"] is None
    assert config["data"]["my_pets"]["reader"]["init_args"]["root"] == "My pets"
    assert config["data"]["my_pets"]["split"] == {"val": 0.15, "test": 0.15}
    assert len(recipe.instantiate(config).sources["my_pets"].reader) == 8
    lines = Path("my_pets.yaml").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# Classifier on My pets: 8 training pictures, classes: cat, dog."
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("name", ["2012", "no", "train", "items"])
def test_a_folder_whose_name_no_task_can_have(name: str, pictures: Path) -> None:
    pictures.rename(name)
    assert cli.main(["init", name, "--out", "x.yaml"]) == 0
    config = recipe.load("x.yaml")
    assert [*config["data"]] == [f"data_{name}"]
    model = recipe.instantiate(config).model.build({f"data_{name}": ["cat", "dog"]})
    assert [*model.heads] == [f"data_{name}"]


def test_given_splits_are_used(pictures: Path) -> None:
    (pictures / "train").mkdir()
    (pictures / "valid").mkdir()
    for name in ("cat", "dog"):
        (pictures / name).rename(pictures / "train" / name)
        (pictures / "valid" / name).mkdir()
        (pictures / "train" / name / "0.jpg").rename(pictures / "valid" / name / "0.jpg")
    assert cli.main(["init", str(pictures), "--out", "x.yaml"]) == 0
    parts = recipe.instantiate(recipe.load("x.yaml"))
    source = parts.sources["my_pets"]
    assert source.val is not None
    assert (len(source.reader), len(source.val), source.test, source.split) == (6, 2, None, {"test": 0.15})


def masked(root: Path, layout: str) -> None:
    """Four pictures whose right half is of a class, in one of the layouts of masks."""
    pictures, masks = ("JPEGImages", "SegmentationClass") if layout == "voc" else ("images", "masks")
    for name in (pictures, masks):
        (root / name).mkdir(parents=True)
    for number in range(4):
        Image.new("RGB", (8, 8), (20 * number, 0, 0)).save(root / pictures / f"{number}.jpg")
        mask = Image.new("RGB" if layout == "colours" else "L", (8, 8))
        mask.paste((128, 64, 128) if layout == "colours" else 1, (4, 0, 8, 8))
        mask.save(root / masks / f"{number}.png")
    if layout != "voc":
        (root / "classes.txt").write_text(
            "background 0 0 0\nroad 128 64 128" if layout == "colours" else "road", encoding="utf-8"
        )


@pytest.mark.parametrize(
    ("layout", "reader"), [("voc", "voc_masks"), ("numbers", "png_masks"), ("colours", "png_masks")]
)
def test_a_folder_of_masks(layout: str, reader: str, pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    masked(pictures.parent / "town", layout)
    assert cli.main(["init", "town"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith(f"town: {reader} format, 4 train pictures, classes: background, ")
    assert shown[1:] == [
        "checked: every picture opens, every annotation is sound",
        "wrote town.yaml",
        "next: polyhead train town.yaml",
    ]
    config = recipe.load("town.yaml")
    assert config["model"]["class_path"].endswith("unified")
    assert config["model"]["init_args"]["heads"] == {"town": "segment"}
    source = recipe.instantiate(config).sources["town"]
    assert source.reader.masked
    assert (len(source.reader), source.transforms) == (4, "light")
    assert "heads: {town: segment}  # a class for each pixel" in Path("town.yaml").read_text(encoding="utf-8")


def test_outlines_are_taken_where_they_are_asked_for(pictures: Path) -> None:
    Image.new("RGB", (8, 8)).save(pictures.parent / "0.png")
    outline = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 2, 4, 4], "area": 16, "iscrowd": 0}
    content = {
        "images": [{"id": 1, "file_name": "0.png", "width": 8, "height": 8}],
        "annotations": [{**outline, "segmentation": [[2, 2, 6, 2, 6, 6, 2, 6]]}],
        "categories": [{"id": 1, "name": "road"}],
    }
    root = pictures.parent / "town"
    root.mkdir()
    (pictures.parent / "0.png").rename(root / "0.png")
    (root / "a.json").write_text(json.dumps(content), encoding="utf-8")
    for words, model in (([], "ssd300"), (["--reader", "coco_masks"], "unified")):
        assert cli.main(["init", "town", *words, "--out", f"{model}.yaml"]) == 0
        config = recipe.load(f"{model}.yaml")
        assert config["model"]["class_path"] == f"polyhead.models.{model}"
        reader = recipe.sources(config)["town"].reader
        assert (reader.masked, reader.names) == ((True, ["background", "road"]) if words else (False, ["road"]))


def test_minutes_fit_size_and_epochs(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", str(pictures), "--minutes", "0.001"]) == 0
    assert " s a step at 300 pixels here; " in capsys.readouterr().out
    config = recipe.load("my_pets.yaml")
    assert (config["model"]["init_args"]["size"], config["stages"][0]["epochs"]) == (224, 1)
    assert " s a step at 300 pixels here; " in Path("my_pets.yaml").read_text(encoding="utf-8")


def test_a_file_in_no_folder_is_refused_first(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", str(pictures), "--out", "nowhere/x.yaml"]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("polyhead: error: the folder of 'nowhere/x.yaml' does not exist; make it first")
    assert not shown.out


def test_an_existing_file_is_left_alone(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("my_pets.yaml").write_text("mine", encoding="utf-8")
    assert cli.main(["init", str(pictures)]) == 2
    line = "polyhead: error: my_pets.yaml exists already and is left as it is; give another file with --out\n"
    assert capsys.readouterr().err == line
    assert Path("my_pets.yaml").read_text(encoding="utf-8") == "mine"


def test_faults_are_reported_and_nothing_is_written(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pictures / "cat" / "0.jpg").write_bytes(b"no picture")
    assert cli.main(["init", str(pictures)]) == 2
    shown = capsys.readouterr().err.splitlines()
    assert shown[0] == "polyhead: error: My pets: 1 problem(s) found, nothing was trained or changed"
    assert "0.jpg" in shown[1]
    assert not Path("my_pets.yaml").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "'nowhere' was not found; looked at "),
        (["My pets", "--minutes", "-3"], "--minutes must be positive, got -3\n"),
        (["My pets", "--minutes", "x"], "argument --minutes: invalid float value: 'x'"),
        (["My pets", "--reader", "coco"], "{root}: the format was not recognised; looked for\n  coco: a JSON file"),
        (["My pets/cat"], "{root}/cat: the format was not recognised; looked for\n  coco"),
        ([], "the following arguments are required: FOLDER"),
    ],
)
def test_bad_use(words: list[str], message: str, pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", *words]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("polyhead: error: " + message.format(root=pictures.absolute()))
    assert len(shown.splitlines()) == 1 or "looked for\n" in shown


@pytest.mark.parametrize(
    "words",
    [
        ["voc_from_coco"],
        ["voc_from_coco", "--reader", "voc_masks"],
        ["coco_mini/food"],
        ["penn_fudan/PennFudanPed"],
        ["imagenette"],
    ],
)
def test_real_layouts(words: list[str], data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYHEAD_DATA", str(data_root))
    monkeypatch.chdir(tmp_path)
    assert cli.main(["init", *words, "--out", "x.yaml"]) == 0
    assert str(data_root) not in Path("x.yaml").read_text(encoding="utf-8")
    (source,) = recipe.instantiate(recipe.load("x.yaml")).sources.values()
    assert len(source.reader) > 0
