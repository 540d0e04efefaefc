"""The recipes that init writes for each kind of data, with and without pretrained weights."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from builders.class_folders import class_folders
from builders.official_weights import write_official
from safetensors.torch import save_file

from polyhead.config import recipe
from polyhead.data.readers.coco import Coco
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import write_coco
from polyhead.engine.fit import check_stage
from polyhead.errors import PolyheadError
from polyhead.workflows import first_plan
from polyhead.workflows.first_backbone import official_detector
from polyhead.workflows.first_recipe import first_recipe
from polyhead.workflows.init import init
from polyhead.workflows.preflight import prepare
from polyhead.workflows.settings_text import Setting

SMALL = "test_resnet"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty current folder; no other place has weights."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POLYHEAD_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def save_weights() -> None:
    net: Any = timm.create_model(SMALL)
    save_file(net.state_dict(), f"{SMALL}.safetensors")


def written(folder: str, **options: Any) -> tuple[str, dict[str, Any]]:
    """Return the text of the recipe for a folder, and the resolved recipe, whose parts must all exist."""
    path = init(folder, options.pop("out", "x.yaml"), show=lambda _: None, **options)
    parts, tasks, _ = prepare(recipe.instantiate(recipe.load(path)))
    for stage in parts.stages:
        check_stage(parts.model, stage, {name: task.names for name, task in tasks.items()})
    text = path.read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= 120
    return text, recipe.load(path)


@pytest.mark.usefixtures("here")
def test_a_classifier_with_weights_begins_with_a_linear_probe() -> None:
    save_weights()
    text, config = written(str(class_folders("pets")))
    assert f"    weights: {SMALL}.safetensors  # pretrained; found in the current folder\n" in text
    probe, tune = config["stages"]
    assert (probe["epochs"], probe["lr_mult"], tune["lr_mult"]) == (10, {"backbone": 0.0}, {"backbone": 0.1})
    assert tune["patience"] is not None
    assert config["model"]["init_args"]["backbone"] == SMALL


@pytest.mark.usefixtures("here")
def test_without_weights_there_is_one_stage_and_the_comment_says_so() -> None:
    text, config = written(str(class_folders("pets")))
    assert "    weights: null  # random: no weights file of a timm network was found; 'hub' downloads one\n" in text
    assert [stage["lr_mult"] for stage in config["stages"]] == [{}]


@pytest.mark.usefixtures("here")
def test_weights_can_be_named() -> None:
    class_folders("pets")
    save_weights()
    Path("others").mkdir()
    Path(f"{SMALL}.safetensors").rename(f"others/{SMALL}.safetensors")
    _, config = written("pets", weights=f"others/{SMALL}.safetensors")
    assert config["model"]["init_args"]["weights"].endswith(f"others/{SMALL}.safetensors")
    torch.save({"a": torch.zeros(1)}, "a.pth")
    with pytest.raises(PolyheadError, match=r"a\.pth: expected weights of a timm network that Polyhead recognizes"):
        init("pets", "y.yaml", weights="a.pth", show=lambda _: None)
    hub = recipe.load(init("pets", "z.yaml", weights="hub", show=lambda _: None))
    assert hub["model"]["init_args"]["weights"] == "hub"
    assert len(hub["stages"]) == 2


@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize(("reader", "model"), [(None, "ssd300"), ("coco_masks", "unified")])
@pytest.mark.usefixtures("here")
def test_boxes_and_masks(reader: str | None, model: str, weights: bool) -> None:
    if weights:
        save_weights()
    write_coco(Scenes(12, domain="shapes", size=96), "shapes")
    _, config = written("shapes", reader=reader)
    assert config["model"]["class_path"].endswith(model)
    (stage,) = config["stages"]
    assert bool(stage["lr_mult"]) == weights
    assert stage["ema"] == 0.98
    if model == "ssd300":
        assert 0.1 <= config["model"]["init_args"]["smallest"] <= 0.3
        assert config["data"]["shapes"]["batch"] == 4


def coco_folder(names: dict[str, str]) -> str:
    """Write scenes in COCO's format with other class names, and return the folder."""
    write_coco(Scenes(12, domain="shapes", size=96), "scenes")
    path = Path("scenes/annotations/instances_train.json")
    text = path.read_text(encoding="utf-8")
    for old, new in names.items():
        text = text.replace(f'"name": "{old}"', f'"name": "{new}"')
    path.write_text(text, encoding="utf-8")
    return "scenes"


KNOWN = {"circle": "Sports ball", "square": "sofa", "triangle": "kite", "star": "pizza", "cross": "tie"}


@pytest.mark.usefixtures("here")
def test_boxes_with_weights_of_coco_fine_tune_yolox(capsys: pytest.CaptureFixture[str]) -> None:
    write_official(Path("yolox_nano.pth"))
    save_weights()
    folder = coco_folder(KNOWN)
    text, config = written(folder)
    command = "polyhead evaluate yolox_nano --data x.yaml"
    assert text.splitlines()[2] == f"#   {command}   before any training, which may be enough"
    model, (stage,) = config["model"]["init_args"], config["stages"]
    assert config["model"]["class_path"].endswith("yolox")
    assert (model["weights"], model["scale"], model["size"], model["backbone"]) == ("yolox_nano", "nano", 320, None)
    assert (stage["lr"], stage["lr_mult"], stage["ema"], stage["epochs"]) == (0.0001, {}, 0.98, 15)
    assert config["data"]["scenes"]["transforms"] == "yolox"
    init(folder, "y.yaml")
    assert (
        f"COCO has all classes: '{command.replace('x.yaml', 'y.yaml')}' scores its weights" in capsys.readouterr().out
    )
    _, timm_config = written(folder, out="z.yaml", weights=f"{SMALL}.safetensors")
    assert timm_config["model"]["class_path"].endswith("ssd300"), "weights that the user names are used"


@pytest.mark.parametrize(
    ("known", "rate", "unknown"),
    [({**KNOWN, "circle": "fork lift"}, 0.0003, "fork lift"), ({}, 0.001, "circle, square, triangle and 2 more")],
)
@pytest.mark.usefixtures("here")
def test_classes_that_coco_lacks_learn_faster(
    known: dict[str, str], rate: float, unknown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_official(Path("yolox_nano_coco.safetensors"))
    text, config = written(coco_folder(known))
    (stage,) = config["stages"]
    assert (stage["lr"], stage["lr_mult"]) == (rate, {"heads.scenes.tower.cls_preds": 5.0})
    assert stage["epochs"] == 40
    assert f"  # The weights do not know {unknown}: " in text
    assert "evaluate" not in text + capsys.readouterr().out


@pytest.mark.usefixtures("here")
def test_the_smallest_official_weights_are_chosen_and_others_can_be_named() -> None:
    for name in ("yolox_l", "yolox_tiny"):
        Path(f"{name}.pth").touch()
    assert official_detector(None) == official_detector("yolox_tiny")
    largest = official_detector("yolox_l")
    assert largest is not None
    assert [(each.name, each.value) for each in largest.settings] == [("weights", "yolox_l")]
    with pytest.raises(PolyheadError, match=r"the weights yolox_x .* were not found"):
        official_detector("yolox_x")
    assert official_detector("hub") is None
    with pytest.raises(PolyheadError, match="expected weights of a timm network that Polyhead recognizes"):
        init(str(class_folders("pets")), "x.yaml", weights="yolox_tiny", show=lambda _: None)


@pytest.mark.usefixtures("here")
def test_the_time_of_fine_tuning_yolox_is_measured() -> None:
    write_official(Path("yolox_nano.pth"))
    text, config = written(coco_folder(KNOWN), minutes=0.0001)
    assert " s per step at 300 pixels on this machine; at 320 pixels one epoch of 1 steps takes longer" in text
    assert [stage["epochs"] for stage in config["stages"]] == [1]


def test_more_images_get_fewer_epochs() -> None:
    plan = first_plan.Plan("", "", [], (1,), 1, Setting("transforms", "light"), 8, [], 8_000, (4, 30))
    assert [plan.default_epochs(count) for count in (10, 400, 1000, 100_000)] == [30, 20, 8, 4]


@pytest.mark.usefixtures("here")
def test_small_objects_get_small_default_boxes_and_larger_images() -> None:
    write_coco(Scenes(6, domain="shapes", size=96), "shapes")
    reader = Coco("shapes", "annotations/instances_train.json", "train")
    target = reader.target(0)
    small = target._replace(size=(960, 960))
    assert first_plan._object_scale([small]) == pytest.approx(first_plan._object_scale([target]) / 10)  # pylint: disable=protected-access
    assert first_recipe(reader, "shapes").size == 300


@pytest.mark.usefixtures("here")
def test_the_time_is_shared_by_the_stages() -> None:
    save_weights()
    text, config = written(str(class_folders("pets")), minutes=0.0001)
    assert " s per step at 300 pixels on this machine; " in text
    assert [stage["epochs"] for stage in config["stages"]] == [10, 1]
