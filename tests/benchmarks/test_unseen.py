import numpy as np
import pytest
import torch

from benchmarks.unseen import change, main, unseen
from polyhead.config import recipe
from polyhead.contracts.kind import Targets
from polyhead.data.synthetic.scenes import Scenes
from polyhead.kinds.detection import Detection
from polyhead.kinds.segmentation import Segmentation, TestedMasks
from polyhead.metrics.pooled import TestedBoxes
from polyhead.run import Run
from polyhead.types import Detections
from polyhead.workflows.train import train

pytestmark = pytest.mark.usefixtures("undrawn")

SCENES = {"reader": "scenes", "count": 10, "size": 64, "target": "masks"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One that learns from 4 of the 10 images that are not for test."""
    folder = tmp_path_factory.mktemp("unseen")
    for name, count in (("train", 4), ("val", 2)):
        first = 0 if name == "train" else 4
        (folder / f"{name}.txt").write_text("".join(f"shapes-0-{index:05d}\n" for index in range(first, first + count)))
    config = {
        "model": {
            "class_path": "unified",
            "init_args": {"heads": {"seg": "segment"}, "backbone": "resnet10t", "size": 64, "last_conv": False},
        },
        "data": {
            "seg": {
                **SCENES,
                "test": {"count": 3, "seed": 2},
                "split": {name: str(folder / f"{name}.txt") for name in ("train", "val")},
                "batch": 4,
                "workers": 0,
            }
        },
        "stages": [{"epochs": 1}],
        "runs": str(folder / "runs"),
    }
    return train(recipe.resolve(config, (), "tiny"))


def test_what_training_left_out_is_measured_and_test_is_not(run: Run) -> None:
    task = unseen(run, "seg")
    splits = run.read_manifest()["splits"]["seg"]
    assert len(splits["train"]) == 4
    assert set(splits["val"]) < set(task.ids("val"))
    assert not {*splits["train"], *splits["test"]} & set(task.ids("val"))
    assert len(task.ids("val")) == 6


def test_the_same_weights_have_not_changed(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    weights = str(run.best)
    main(["--task", "seg", weights, "--then", weights])
    printed = capsys.readouterr().out
    assert "seg: 6 images that it is not trained on" in printed
    assert printed.count(weights) == 2
    assert printed.count("mIoU") == printed.count("pixel accuracy") == 2
    assert "change of the mean +0.0% [+0.0%, +0.0%] (1 runs on each side)" in printed


def test_a_mask_that_is_half_lost_is_half_a_change() -> None:
    whole, half = (
        np.array([[[8, 0, 0], [0, right, 8 - right]]] * 3) for right in (8, 0)
    )  # the missing pixels are not covered, so that they count for no other class
    sides = [[TestedMasks(Segmentation(), "seg", ["off", "on"], ["a", "b", "c"], each)] for each in (whole, half)]
    found = change(sides[0], sides[1])
    assert found.value == pytest.approx(-0.5)


def test_boxes_that_are_all_lost_are_a_whole_change() -> None:
    scenes = Scenes(3, "shapes", size=64)
    targets = Targets.of(Detection(), scenes).gathered
    found = {
        image_id: Detections(target.boxes, torch.ones(len(target.boxes)), target.labels)
        for image_id, target in targets.items()
    }
    lost = {image_id: each._replace(boxes=each.boxes + 100) for image_id, each in found.items()}
    sides = [[TestedBoxes(Detection(), "det", targets, each, scenes.names)] for each in (found, lost)]
    assert change(sides[0], sides[1]).value == -1


def test_what_cannot_be_compared_is_refused(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for words, complaint in (
        (["--task", "masks", str(run.best)], "has no task 'masks'; give one of seg"),
        (
            ["--task", "seg", str(run.best), "--then", str(run.best), str(run.best)],
            "expected 1 weights files, one for each, got 2",
        ),
    ):
        with pytest.raises(SystemExit):
            main(words)
        assert complaint in capsys.readouterr().err
