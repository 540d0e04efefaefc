"""Networks with official weights predict and are measured without a run."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from builders.official_weights import write_official

import polyhead
from polyhead import cli
from polyhead.contracts.coco_names import COCO_NAMES
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import write_coco
from polyhead.errors import PolyheadError
from polyhead.workflows import official
from polyhead.workflows.other_data import evaluate_on


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with weights of the smallest network."""
    folder = tmp_path_factory.mktemp("weights")
    write_official(folder / "yolox_nano_coco.safetensors")
    return folder


@pytest.fixture(autouse=True)
def here(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POLYHEAD_WEIGHTS", str(weights))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_network_is_loaded_by_its_name(tmp_path: Path) -> None:
    predictor = polyhead.load("yolox_nano", max_boxes=7)
    assert predictor.names == {"coco": COCO_NAMES}
    (result,) = predictor.predict(torch.zeros(3, 60, 60, dtype=torch.uint8), conf=0.0)
    assert (result.task, len(result.scores)) == ("coco", 7)
    state = predictor.modalities["coco"].state()
    assert state == {"size": [416, 416], "fit": "corner"}
    (tmp_path / "yolox_nano").mkdir()
    with pytest.raises(PolyheadError, match="'yolox_nano' is not a run folder"):
        polyhead.load("yolox_nano")


def test_the_command_predicts_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_coco(Scenes(2, "fruit", size=64), tmp_path / "data")
    image = next((tmp_path / "data").rglob("*.png"), None) or next((tmp_path / "data").rglob("*.jpg"))
    assert cli.main(["predict", "yolox_nano", str(image), "--conf", "0", "--max-boxes", "3", "--json", "out.json"]) == 0
    assert "1 image, 3 boxes" in capsys.readouterr().out
    assert [each["task"] for each in json.loads((tmp_path / "out.json").read_text())] == ["coco"]
    assert len([*(tmp_path / "predict").iterdir()]) == 1


def renamed(names: dict[str, str]) -> Any:
    """Return generated scenes whose classes have other names."""
    reader = Scenes(6, "fruit", size=64)
    reader.names = [names.get(name, name) for name in reader.names]
    return reader


def test_it_is_measured_on_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_coco(renamed({"apple": "Apple"}), tmp_path / "fruit")
    assert cli.main(["evaluate", "yolox_nano", "--data", "fruit"]) == 0
    out = capsys.readouterr().out
    assert "classes of the model that the data does not have: person" in out
    assert f"stored in {Path('runs', 'yolox_nano_fruit')}" in out
    assert "  apple " in out
    assert "toothbrush  " not in out, "classes without objects are not listed one by one"
    stored = json.loads(Path("runs/yolox_nano_fruit/results.json").read_text("utf-8"))
    assert stored["test"]["tasks"]["coco"]["dummy_baseline"]["score"] is not None


RECIPE = """
model: ssd300
data:
  one: {reader: scenes, domain: fruit, count: 20, size: 64}
  two: {reader: scenes, domain: fruit, count: 24, size: 64, seed: 1}
stages: [{epochs: 1}]
"""


def test_it_is_measured_on_each_task_of_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "both.yaml").write_text(RECIPE)
    lines: list[str] = []
    results = evaluate_on("yolox_nano", "both.yaml", show=lines.append, split="val")
    assert results["tasks"].keys() == {"one", "two"}
    assert "the val split of one in both" in lines[0]
    assert {each.name for each in Path("runs").iterdir()} == {"yolox_nano_one", "yolox_nano_two"}
    with pytest.raises(PolyheadError, match="split must be 'val' or 'test', got 'train'"):
        polyhead.evaluate("yolox_nano", split="train", data="both.yaml")


def test_weights_that_are_there_are_not_downloaded(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    official.download("yolox_nano")
    assert capsys.readouterr().out == f"yolox_nano exists already: {weights / 'yolox_nano_coco.safetensors'}\n"


@pytest.mark.parametrize("command", [["predict", "yolox_s", "x.jpg"], ["evaluate", "yolox_s", "--data", "fruit"]])
def test_weights_are_downloaded_on_request_only(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(official, "get_file", lambda entry, folder, show: asked.append(f"{entry.url} {folder.parent}"))
    assert cli.main(command) == 2
    assert not asked
    assert "Download them with 'polyhead data get yolox_s'" in capsys.readouterr().err
    cli.main([*command, "--download"])
    assert [each.partition("releases")[0] for each in asked] == ["https://github.com/Megvii-BaseDetection/YOLOX/"]
