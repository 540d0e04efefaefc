"""Where pretrained weights know the classes, they are scored as they are, beside the trained model."""

from pathlib import Path
from typing import Any

import pytest
from builders.official_weights import write_official

import polyhead
from polyhead import cli
from polyhead.analysis.stored_predictions import stored_tasks
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import write_coco
from polyhead.errors import PolyheadError
from polyhead.run import Run
from polyhead.workflows.train import resume

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("undrawn")]  # each test trains

FILE = "annotations/instances_train.json"
KNOWN = ["apple", "orange", "banana", "carrot", "broccoli"]
CORNER = {"transforms": "yolox"}
SMALL: dict[str, Any] = {"workers": 0, "batch": 8, "epochs": 1}


def recipe_of(names: list[str]) -> dict[str, Any]:
    """Return a recipe of YOLOX on generated scenes, whose classes get other names."""
    scenes = Scenes(36, "fruit", size=64)
    scenes.names = names
    write_coco(scenes, Path("scenes"))
    return {
        "name": "run",
        "model": {"class_path": "yolox", "init_args": {"weights": "yolox_nano", "size": 64}},
        "data": {"objects": {"reader": "coco", "root": "scenes", "annotations": FILE, "images": "train", **CORNER}},
        "stages": [{}],
    }


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POLYHEAD_WEIGHTS", str(tmp_path))
    write_official(tmp_path / "yolox_nano_coco.safetensors")


def silent(_: str) -> None:
    """Print nothing."""


def test_known_classes_are_scored_before_training(capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    run = polyhead.train(recipe_of(KNOWN), show=lines.append, **SMALL)
    assert "objects: the pretrained weights know all of its classes; they are scored as they are, too" in lines
    for split in ("val", "test"):
        numbers = run.results[split]["tasks"]["objects"]
        before, (difference, low, high) = numbers["zero_shot"], numbers["zero_shot"]["difference"]
        assert numbers["score"] - before["score"] == pytest.approx(difference, abs=1e-6)
        assert low <= difference <= high
        assert before["interval"][0] <= before["score"] <= before["interval"][1]
    assert "As they were before this training, the pretrained weights have AP50" in run.verdict.read_text()
    stored = run.predictions_path("test", "objects.zero_shot")
    content = stored.read_bytes()
    resume(run.folder, silent)
    assert stored.read_bytes() == content, "it is not predicted again, by a trained model"
    assert cli.main(["evaluate", str(run.folder)]) == 0
    assert "the pretrained weights have AP50" in capsys.readouterr().out
    assert stored_tasks(str(run.folder), "test") == ["objects"]
    stored.write_bytes(content[:100])
    with pytest.raises(PolyheadError, match=r"objects\.zero_shot\.npz.*Or delete it: the score before training is"):
        polyhead.evaluate(run.folder, show=silent)
    stored.unlink()
    assert "zero_shot" not in polyhead.evaluate(run.folder, show=silent)["objects"]


def test_classes_that_the_weights_do_not_know_have_no_such_score() -> None:
    run: Run = polyhead.train(recipe_of([*KNOWN[:4], "plum"]), show=silent, **SMALL)
    assert "zero_shot" not in run.results["test"]["tasks"]["objects"]
    assert [*run.predictions.glob("*zero_shot*")] == []
