"""Recipes that are written for a folder: they load, and fit the layout of the data."""

import json
from pathlib import Path

import pytest
from builders.class_folders import class_folders
from PIL import Image

from polyhead.config import recipe
from polyhead.errors import PolyheadError
from polyhead.types import TaskInfo
from polyhead.workflows.init import default_path, init


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes of four images, in a folder below the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POLYHEAD_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return class_folders("My pets")


def test_the_recipe_is_named_after_the_folder(images: Path) -> None:
    assert default_path(images) == Path("my_pets.yaml")
    assert init(images, show=lambda _: None) == Path("my_pets.yaml")
    with pytest.raises(
        PolyheadError, match=r"^my_pets\.yaml already exists and is not overwritten\. Give another file"
    ):
        init(images)
    with pytest.raises(PolyheadError, match=r"^minutes must be positive, got 0$"):
        init(images, "x.yaml", minutes=0.0)


@pytest.mark.parametrize("name", ["2012", "no", "train", "items"])
def test_a_folder_whose_name_cannot_be_a_task_name(name: str, images: Path) -> None:
    images.rename(name)
    config = recipe.load(init(name, "x.yaml"))
    assert [*config["data"]] == [f"data_{name}"]
    model = recipe.instantiate(config).model.build({f"data_{name}": TaskInfo(["cat", "dog"])})
    assert [*model.heads] == [f"data_{name}"]


def test_existing_splits_are_used(images: Path) -> None:
    (images / "train").mkdir()
    (images / "valid").mkdir()
    for name in ("cat", "dog"):
        (images / name).rename(images / "train" / name)
        (images / "valid" / name).mkdir()
        (images / "train" / name / "0.jpg").rename(images / "valid" / name / "0.jpg")
    source = recipe.instantiate(recipe.load(init(images, "x.yaml"))).sources["my_pets"]
    assert source.val is not None
    assert (len(source.reader), len(source.val), source.test, source.split) == (6, 2, None, {"test": 0.15})


def masked(root: Path, layout: str) -> None:
    """Write four images whose right half shows a class, in one of the layouts of masks."""
    images, masks = ("JPEGImages", "SegmentationClass") if layout == "voc" else ("images", "masks")
    for name in (images, masks):
        (root / name).mkdir(parents=True)
    for number in range(4):
        Image.new("RGB", (8, 8), (20 * number, 0, 0)).save(root / images / f"{number}.jpg")
        mask = Image.new("RGB" if layout == "colors" else "L", (8, 8))
        mask.paste((128, 64, 128) if layout == "colors" else 1, (4, 0, 8, 8))
        mask.save(root / masks / f"{number}.png")
    if layout != "voc":
        (root / "classes.txt").write_text(
            "background 0 0 0\nroad 128 64 128" if layout == "colors" else "road", encoding="utf-8"
        )


@pytest.mark.parametrize(
    ("layout", "reader"), [("voc", "voc_masks"), ("numbers", "png_masks"), ("colors", "png_masks")]
)
def test_a_folder_of_masks(layout: str, reader: str, images: Path) -> None:
    masked(images.parent / "town", layout)
    shown: list[str] = []
    path = init("town", show=shown.append)
    assert shown[0].startswith(f"town: {reader} format, ")
    assert shown[1] == "train: 4 images"
    assert shown[-2:] == ["checked: all images can be read, all annotations are valid", "wrote town.yaml"]
    config = recipe.load(path)
    assert config["model"]["class_path"].endswith("unified")
    assert config["model"]["init_args"]["heads"] == {"town": "segment"}
    source = recipe.instantiate(config).sources["town"]
    assert (source.reader.kind, source.reader.background) == ("segmentation", True)
    assert (len(source.reader), source.transforms) == (4, "light")
    assert "heads: {town: segment}  # a class for each pixel" in path.read_text(encoding="utf-8")


def test_polygons_are_used_where_the_reader_asks_for_them(images: Path) -> None:
    Image.new("RGB", (8, 8)).save(images.parent / "0.png")
    outline = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 2, 4, 4], "area": 16, "iscrowd": 0}
    content = {
        "images": [{"id": 1, "file_name": "0.png", "width": 8, "height": 8}],
        "annotations": [{**outline, "segmentation": [[2, 2, 6, 2, 6, 6, 2, 6]]}],
        "categories": [{"id": 1, "name": "road"}],
    }
    root = images.parent / "town"
    root.mkdir()
    (images.parent / "0.png").rename(root / "0.png")
    (root / "a.json").write_text(json.dumps(content), encoding="utf-8")
    for reader_name, model in ((None, "ssd300"), ("coco_masks", "unified")):
        config = recipe.load(init("town", f"{model}.yaml", reader=reader_name))
        assert config["model"]["class_path"] == f"polyhead.models.{model}"
        reader = recipe.sources(config)["town"].reader
        expected = ("segmentation", ["background", "road"]) if reader_name else ("detection", ["road"])
        assert (reader.kind, reader.names) == expected


def test_size_and_epochs_are_chosen_to_fit_the_time(images: Path) -> None:
    shown: list[str] = []
    path = init(images, minutes=0.001, show=shown.append)
    assert " s per step at 300 pixels on this machine; " in shown[-2]
    config = recipe.load(path)
    assert (config["model"]["init_args"]["size"], config["stages"][-1]["epochs"]) == (64, 1)
    assert " s per step at 300 pixels on this machine; " in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("folder", "reader"),
    [
        ("voc_from_coco", None),
        ("voc_from_coco", "voc_masks"),
        ("coco_mini/food", None),
        ("penn_fudan/PennFudanPed", None),
        ("imagenette", None),
    ],
)
def test_real_layouts(
    folder: str, reader: str | None, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYHEAD_DATA", str(data_root))
    monkeypatch.chdir(tmp_path)
    path = init(folder, "x.yaml", reader=reader)
    assert str(data_root) not in path.read_text(encoding="utf-8")
    (source,) = recipe.instantiate(recipe.load(path)).sources.values()
    assert len(source.reader) > 0
