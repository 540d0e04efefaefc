from pathlib import Path

import pytest
import torch
import yaml

from benchmarks.lraspp import lraspp, main
from polyhead.run import read_json
from polyhead.types import TaskInfo

pytestmark = pytest.mark.usefixtures("undrawn")

SCENES = {
    "reader": "scenes",
    "count": 8,
    "size": 64,
    "val": {"count": 3, "seed": 1},
    "test": {"count": 4, "seed": 2},
    "batch": 4,
    "workers": 0,
}
HEADS = {"seg": "segment", "cls": "classify"}
TINY = {
    "model": {
        "class_path": "unified",
        "init_args": {"heads": HEADS, "backbone": "resnet10t", "size": 64, "last_conv": False},
    },
    "data": {"seg": {**SCENES, "target": "masks"}, "cls": {**SCENES, "target": "times"}},
    "stages": [
        {"tasks": ["cls"]},
        {"tasks": ["seg"], "lr_mult": {"backbone": 0.1, "heads.cls": 0.2}, "continual": [{"class_path": "Distill"}]},
    ],
}


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump({**TINY, "runs": str(tmp_path / "runs")}))
    return path


def test_the_reference_learns_the_one_task_by_our_engine(tiny: Path) -> None:
    run = main([str(tiny)])
    assert run.folder.name == "tiny_lraspp"
    config = yaml.safe_load(run.config.read_text())
    assert list(config["data"]) == ["seg"]
    (stage,) = config["stages"]
    assert stage["lr_mult"] == {"backbone": 0.1}
    assert stage["continual"] == []
    tasks = read_json(run.results_json)["test"]["tasks"]
    assert 0 <= tasks["seg"]["score"] <= 1
    assert tasks["seg"]["images"] == 4


def test_its_head_is_torchvisions_on_two_levels() -> None:
    model = lraspp("resnet10t", size=64).build({"seg": TaskInfo(["background", "cat", "dog"])})
    raw = model(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))["seg"]
    assert raw.logits.shape == (2, 3, 8, 8)
    assert model.pyramid_spec().strides == [8, 32]


def test_a_recipe_without_the_task_is_refused(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(tiny), "--task", "depth"])
    assert "the recipe does not train a task 'depth'; give one of cls, seg" in capsys.readouterr().err
