"""Recipes: loading, resolving and building; errors are one line."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from polyhead import cli
from polyhead.config import recipe
from polyhead.contracts.classes import ALLOWED, allow
from polyhead.errors import PolyheadError
from polyhead.nets.model import Model
from polyhead.paths import shipped


def write(folder: Path, **changes: Any) -> Path:
    """Write a small valid recipe."""
    content: dict[str, Any] = {
        "model": {"class_path": "ssd300", "init_args": {"backbone": "mobilenetv2_035"}},
        "data": {"shapes": {"reader": "voc", "root": "nowhere", "batch": 4}},
        "stages": [{"epochs": 2}],
    }
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({**content, **changes}), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", sorted(shipped()))
def test_recipes_of_polyhead_load_and_reload_the_same(name: str, tmp_path: Path) -> None:
    config = recipe.load(name)
    assert config["name"] == name
    text = recipe.dump(config)
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    again = recipe.load(tmp_path / "config.yaml")
    assert again == config
    assert recipe.dump(again) == text


def test_all_defaults_are_filled_in(tmp_path: Path) -> None:
    config = recipe.load(write(tmp_path))
    assert config["stages"][0]["lr"] is None  # it depends on the model
    assert config["stages"][0]["patience"] is None
    assert config["data"]["shapes"]["val_batch"] is None
    assert config["model"]["init_args"]["size"] == 300
    assert (config["seed"], config["precision"], config["name"], config["runs"]) == (0, "auto", "mine", "runs")


def test_settings_of_the_reader_are_next_to_those_of_the_source(tmp_path: Path) -> None:
    data = {"reader": "voc", "root": "a", "year": "2007", "split": {"val": 0.1}, "test": {"split": "test"}, "batch": 2}
    entry = recipe.load(write(tmp_path, data={"x": data}))["data"]["x"]
    assert entry["reader"]["class_path"] == "polyhead.data.readers.voc.Voc"
    assert entry["reader"]["init_args"].items() >= {"root": "a", "year": "2007", "split": "trainval"}.items()
    assert entry["test"]["init_args"] == entry["reader"]["init_args"] | {"split": "test"}
    assert (entry["val"], entry["split"], entry["batch"]) == (None, {"val": 0.1}, 2)


def test_a_split_that_is_a_string_is_an_argument_of_the_reader(tmp_path: Path) -> None:
    test = {"reader": "folder", "root": "b"}
    data = {"reader": "yolo", "root": "a", "split": "train", "val": {"split": "val"}, "test": test}
    entry = recipe.load(write(tmp_path, data={"x": data}))["data"]["x"]
    assert [entry[key]["init_args"]["split"] for key in ("reader", "val")] == ["train", "val"]
    assert entry["test"]["class_path"] == "polyhead.data.readers.folder.Folder"
    assert entry["split"] is None


def test_overrides_reach_every_depth(tmp_path: Path) -> None:
    changes = ["epochs=7", "lr=1e-4", "data.shapes.root=there", "imgsz=512", "batch=3", "seed=9"]
    config = recipe.load(write(tmp_path), [*changes, "stages.0.lr_mult.neck.0=0"])
    assert config["stages"][0]["epochs"] == 7
    assert config["stages"][0]["lr"] == 1e-4
    assert config["stages"][0]["lr_mult"] == {"neck.0": 0.0}
    assert config["data"]["shapes"]["reader"]["init_args"]["root"] == "there"
    assert config["data"]["shapes"]["batch"] == 3
    assert config["model"]["init_args"]["size"] == 512
    assert config["seed"] == 9


def test_a_short_name_takes_settings(tmp_path: Path) -> None:
    path = write(tmp_path, model="ssd300")
    config = recipe.load(path, ["model.size=512", "data.shapes.reader.split=val", "data.shapes.split={test: 0.3}"])
    assert config["model"]["init_args"]["size"] == 512
    assert config["data"]["shapes"]["reader"]["init_args"]["split"] == "val"
    assert config["data"]["shapes"]["split"] == {"test": 0.3}


def test_a_resolved_recipe_takes_overrides_too(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(recipe.dump(recipe.load(write(tmp_path))), encoding="utf-8")
    config = recipe.load(path, ["data.shapes.root=there", "data.shapes.split={val: 0.2}", "model.backbone=resnet18"])
    assert config["data"]["shapes"]["reader"]["init_args"]["root"] == "there"
    assert config["data"]["shapes"]["split"] == {"val": 0.2}
    assert config["model"]["init_args"]["backbone"] == "resnet18"


def test_presets_take_settings(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert recipe.load(path, ["data.shapes.transforms=yolov4"])["data"]["shapes"]["transforms"] == "yolov4"
    full = "{class_path: polyhead.data.augment.yolov4.Yolov4, init_args: {mosaic: 0.5}}"
    for changes in (["={preset: yolov4, mosaic: 0.5}"], [f"={full}"], ["=yolov4", ".mosaic=0.5"]):
        config = recipe.load(path, [f"data.shapes.transforms{change}" for change in changes])
        given = config["data"]["shapes"]["transforms"]
        assert given["class_path"] == "polyhead.data.augment.yolov4.Yolov4"
        assert (given["init_args"]["mosaic"], given["init_args"]["mixup"]) == (0.5, 0.1)
        (tmp_path / "config.yaml").write_text(recipe.dump(config), encoding="utf-8")
        assert recipe.load(tmp_path / "config.yaml")["data"] == config["data"]


def test_building_a_model_reads_no_pretrained_file() -> None:
    spec = {"class_path": "ssd300", "init_args": {"backbone": "mobilenetv2_035", "weights": "nowhere.safetensors"}}
    model = recipe.build_model(spec)
    assert isinstance(model, Model)
    assert spec["init_args"] == {"backbone": "mobilenetv2_035", "weights": "nowhere.safetensors"}


def test_building_a_model_reads_no_file_of_its_parts_either() -> None:
    timm = {"name": "mobilenetv2_035", "weights": "nowhere.safetensors"}
    backbone = {"class_path": "polyhead.nets.backbones.timm.Timm", "init_args": timm}
    head = {"class_path": "polyhead.nets.heads.classify.Classify"}
    arguments = {"backbone": backbone, "necks": [], "head": head, "size": [32, 32]}
    spec = {"class_path": "polyhead.nets.model.Model", "init_args": arguments}
    assert isinstance(recipe.build_model(spec), Model)
    assert timm["weights"] == "nowhere.safetensors"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.shapes.test={domain: nope}", "unknown domain 'nope'; choose from fruit, shapes, signs"),
        ("data.shapes.val={reader: folder, root: nowhere}", "'nowhere' was not found"),
        ("data.shapes={reader: folder, root: nowhere}", "'nowhere' was not found"),
        ("data.shapes.transforms={preset: yolov4, mosaic: 2}", "mosaic must be between 0 and 1, got 2"),
    ],
)
def test_errors_of_readers_and_transforms_are_one_line(
    change: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, data={"shapes": {"reader": "scenes", "count": 9, "size": 48}})
    assert cli.main(["train", str(path), change, f"runs={tmp_path}"]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("polyhead: error: ")
    assert message in shown
    assert len(shown.splitlines()) == 1


def test_other_packages_must_be_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.py").write_text(
        "from polyhead.models import ssd300\nfrom polyhead.nets.model import Model\n"
        "def net(size: int = 224) -> Model:\n    return ssd300('mobilenetv2_035', size=size)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    path = write(tmp_path, model="other.net")
    with pytest.raises(PolyheadError) as caught:
        recipe.load(path)
    assert (
        str(caught.value) == "model: recipes may not import 'other.net'. If you trust this package, add --allow other"
    )
    allow(["other"])
    try:
        assert recipe.load(path)["model"] == {"class_path": "other.net", "init_args": {"size": 224}}
    finally:
        ALLOWED.remove("other")


NO_BATCH = (
    "Replay: expected a budget above 0 (a fraction up to 1.0, a whole number of images, or bytes), "
    "a batch of 1 or more and a weight of 0 or more, "
    "got budget=0.1, batch=0, weight=1"
)

BAD = [
    ("epochs=many", "stages.0.epochs: expected int, got 'many'"),
    ("stages.0.epoch=3", "unknown key 'epoch' of stages.0; did you mean 'epochs'?"),
    ("stages.0.epochs=", "stages.0.epochs: expected a value, got null. Remove the key to use the default."),
    ("stages.0.grad_clip_norm=x", "stages.0.grad_clip_norm: expected float or null, got 'x'"),
    ("stages.0.optimizer=adam", "stages.0.optimizer: expected one of 'sgd', 'adamw', got 'adam'"),
    ("stages.0.lr_mult.backbone=x", "stages.0.lr_mult: expected float, got 'x'"),
    ("stages.0.tasks=a", "stages.0.tasks: expected list[str] or null, got 'a'"),
    ("stages.0.lr=-1", "stages.0: lr must be positive, got -1"),
    ("stages=[{}, {epochs: 0}]", "stages.1: epochs must be positive, got 0"),
    (
        "stages=[{}, {continual: [{class_path: Replay, init_args: {batch: 0}}]}]",
        "stages.1: " + NO_BATCH,
    ),
    (
        "stages=[{}, {continual: [{class_path: Distll}]}]",
        "stages.1.continual: there is no 'Distll'; did you mean 'Distill'?",
    ),
    (
        "stages=[{}, {continual: [{class_path: Replay, init_args: {budget: null}}]}]",
        "stages.1.continual.0.budget: expected a value, got null. Remove the key to use the default.",
    ),
    ("stages=[{}, {continual: [null]}]", "stages.1.continual: expected Distill or Replay, got null"),
    ("stages.5.epochs=1", "'stages.5.epochs=1': there is no entry 5. The recipe has 1 entry: 0"),
    ("stages=3", "stages: expected a list of stages, got 3"),
    ("stages=[3]", "stages.0: expected settings 'key: value', got 3"),
    ("model={class_path: ssd300, init_args: x}", "model.init_args: expected settings 'key: value', got 'x'"),
    (
        "data.shapes.reader={class_path: coco, init_args: [3]}",
        "data.shapes.reader.init_args: expected settings 'key: value', got [3]",
    ),
    (
        "data.shapes.transforms={class_path: yolov4, init_args: x}",
        "data.shapes.transforms.init_args: expected settings 'key: value', got 'x'",
    ),
    ("data.shapes.cache=1e300", "data.shapes: cache must be at most 1048576, got 1e+300"),
    ("data.shapes.workers=10000000", "data.shapes: workers must be at most 256, got 1e+07"),
    ("data.shapes.cache=.nan", "data.shapes: cache must be at most 1048576, got nan"),
    ("sed=3", "unknown key 'sed' of the recipe; did you mean 'seed'?"),
    ("seed=x", "seed: expected int, got 'x'"),
    ("max_drop=1.5", "max_drop must be between 0 and 1, got 1.5"),
    ("operating=f2", "operating: expected f1, or {precision: P} with P between 0 and 1, got f2"),
    (
        "operating={recall: 0.9}",
        "operating: expected f1, or {precision: P} with P between 0 and 1, got {'recall': 0.9}",
    ),
    (
        "operating={precision: 1}",
        "operating: expected f1, or {precision: P} with P between 0 and 1, got {'precision': 1.0}",
    ),
    ("operating={precision: high}", "operating: expected float, got 'high'"),
    ("exemplar_mib=-1", "exemplar_mib must be 0 or more, got -1"),
    ("max_parameters=-5", "max_parameters must be positive, got -5"),
    ("model=“ssd300”", "model: there is no '“ssd300”'; use straight quotes instead of curly ones"),
    ("epochs=“5”", "stages.0.epochs: expected int, got '“5”'; use straight quotes instead of curly ones"),
    ("precision=fp32", "precision: expected one of 'auto', '32-true', 'bf16-mixed', '16-mixed', got 'fp32'"),
    ("data=", "the recipe has no data. A recipe needs model, data, stages."),
    ("data.shapes=3", "data.shapes: expected {reader: NAME, ...}, got 3"),
    ("data.shapes.batchs=3", "unknown key 'batchs' of data.shapes; did you mean 'batch'?"),
    ("data.shapes.rot=x", "unknown key 'rot' of data.shapes; did you mean 'root'?"),
    ("data.shapes.test={rot: x}", "unknown key 'rot' of data.shapes.test; did you mean 'root'?"),
    ("data.shapes.batch=x", "data.shapes.batch: expected int or one of 'auto', got 'x'"),
    (
        "data.shapes.transforms={preset: yolov4, mozaic: 1}",
        "unknown key 'mozaic' of data.shapes.transforms; did you mean 'mosaic'?",
    ),
    (
        "data.shapes.transforms={preset: yolov4, mosaic: x}",
        "data.shapes.transforms.mosaic: expected float, got 'x'",
    ),
    (
        "data.shapes.transforms={preset: ssd}",
        "data.shapes.transforms: expected a preset with settings (yolov4, yolox), got 'ssd'",
    ),
    (
        "data.shapes.transforms={mosaic: 1}",
        "unknown key 'mosaic' of data.shapes.transforms; choose from class_path, init_args, preset",
    ),
    ("data.shapes.batch=null", "data.shapes.batch: expected a value, got null. Remove the key to use the default."),
    ("data.shapes.batch=0", "data.shapes: batch must be 1 or more, got 0"),
    ("data.shapes.split={vall: 0.2}", "data.shapes: split: unknown key 'vall'; did you mean 'val'?"),
    ("data.shapes.val_batch=0", "data.shapes: val_batch must be 1 or more, got 0"),
    ("data.shapes.workers=-1", "data.shapes: workers must be 0 or more, got -1"),
    ("data.shapes.cache=-0.5", "data.shapes: cache must be 0 or more, got -0.5"),
    ("data.shapes.cap=x", "data.shapes.cap: expected float, got 'x'"),
    ("data.shapes.reader=coko", "data.shapes.reader: unknown data format 'coko'; did you mean 'coco'?"),
    (
        "data.shapes.reader=os.kill",
        "data.shapes: recipes may not import 'os.kill'. If you trust this package, add --allow os",
    ),
    ("model=ssd30", "model: there is no 'ssd30' in polyhead.models; did you mean 'ssd300'?"),
    ("model.backbon=x", "unknown key 'backbon' of model; did you mean 'backbone'?"),
    ("model.size=x", "model.size: expected int, got 'x'"),
    (
        "model.class_path=os.system",
        "model: recipes may not import 'os.system'. If you trust this package, add --allow os",
    ),
    ("model=3", "model: expected the name of a model, or {class_path: NAME, init_args: {...}}, got 3"),
    ("model.class_path=3", "model.class_path: expected the name of a model, got 3"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_settings_end_in_one_line(
    change: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path)
    assert cli.main(["train", str(path), change, "--print-config"]) == 2
    assert capsys.readouterr().err == f"polyhead: error: {message}\n"


def test_a_reader_needs_its_arguments(tmp_path: Path) -> None:
    with pytest.raises(PolyheadError) as caught:
        recipe.load(write(tmp_path, data={"x": {"reader": "voc"}}))
    assert str(caught.value) == "data.x: root is missing"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("ssd_pen_fudan", "unknown recipe 'ssd_pen_fudan'; did you mean 'ssd_penn_fudan'?"),
        ("x/ssd_penn.yaml", "recipe file 'x/ssd_penn.yaml' does not exist; did you mean 'ssd_penn_fudan'?"),
    ],
)
def test_unknown_recipes(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", words]) == 2
    assert capsys.readouterr().err == f"polyhead: error: {message}\n"


def test_a_folder_is_no_recipe(tmp_path: Path) -> None:
    """On the command line, it is a data folder, for which a recipe is written."""
    with pytest.raises(PolyheadError, match=r"is a folder\. Give a YAML file"):
        recipe.load(tmp_path)


@pytest.mark.parametrize("words", ["mine.yml", "mine", "mime.yaml"])
def test_a_recipe_in_the_folder_is_suggested_first(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path).rename(tmp_path / "mine.yaml")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PolyheadError, match=r"; did you mean 'mine\.yaml'\?$"):
        recipe.find(words)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "data.pest.batch=4",
            "data.pest.batch: there is no task 'pest'; did you mean 'pets'? (a new task needs a reader first)",
        ),
        ("model.heads.pest=dense", "model.heads.pest: there is no task 'pest'; did you mean 'pets'?"),
    ],
)
def test_settings_of_an_unknown_task(change: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, data={"pets": {"reader": "voc", "root": "pets"}})
    with pytest.raises(PolyheadError) as caught:
        recipe.load(path, [change])
    assert str(caught.value) == message
    added = recipe.load(path, ["data.new.reader=voc", "data.new.root=new", "data.new.batch=3"])
    assert added["data"]["new"]["batch"] == 3


def test_a_run_folder_is_not_a_recipe_but_has_one(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").touch()
    with pytest.raises(PolyheadError) as caught:
        recipe.find(tmp_path)
    inside = tmp_path / "config.yaml"
    assert str(caught.value) == f"recipe {str(tmp_path)!r} is a folder. 'polyhead train {inside}' repeats that run."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"model: [", ": line 1: is not valid YAML ("),
        (b"", ": expected a recipe with the keys model, data, stages, got a file without keys"),
        (b"\xff\xfe\x00", ": expected UTF-8 text, got UTF-16; save the file as UTF-8"),
        (
            b"seed: 1\nname: x\nseed: 2",
            ": line 3: the key 'seed' is given twice, first on line 1; rename or delete one",
        ),
        (b"- a", ": expected a recipe with the keys model, data, stages, got a file without keys"),
    ],
)
def test_files_that_are_not_recipes(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(PolyheadError) as caught:
        recipe.load(path)
    assert str(caught.value).startswith(f"{path}{message}")
    assert "\n" not in str(caught.value)


def test_wrong_stages_are_refused_before_torch_is_loaded(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from polyhead.cli import main\n"
        f"main(['train', {str(write(tmp_path))!r}, 'stages.0.epoch=3'])\nprint('torch' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert shown.stdout == "False\n"


def test_characters_that_are_spelled_as_two_halves_are_refused(tmp_path: Path) -> None:
    assert recipe.load(write(tmp_path, runs="runs \U0001f4f7"))["runs"] == "runs \U0001f4f7"
    path = write(tmp_path)
    path.write_text(path.read_text("utf-8") + 'runs: "\\ud83d\\ude00"\n', encoding="utf-8")
    with pytest.raises(PolyheadError, match=r"the recipe: '.*' is not UTF-8 text. Write the characters themselves."):
        recipe.load(path)
