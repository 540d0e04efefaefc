from pathlib import Path

import pytest
import torch
import yaml
from torchvision.transforms import v2

from benchmarks.reference import LOOK, Images, main
from polyhead.commands import compare
from polyhead.config import recipe
from polyhead.metrics.stored_targets import load_targets, targets_path
from polyhead.run import Run, read_json, read_rows
from polyhead.workflows.tasks import open_tasks

pytestmark = pytest.mark.usefixtures("undrawn")

TINY = {
    "model": {"class_path": "ssd300", "init_args": {"backbone": "resnet10t", "size": 64}},
    "data": {
        "shapes": {
            "reader": "scenes",
            "count": 10,
            "size": 64,
            "val": {"count": 3, "seed": 1},
            "test": {"count": 4, "seed": 2},
            "batch": 4,
            "workers": 0,
        }
    },
    "stages": [{"epochs": 2}],
}


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump({**TINY, "runs": str(tmp_path / "runs")}))
    return path


def test_the_reference_leaves_a_folder_that_compare_accepts(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert main([str(tiny), "--seed", "3"]) == 0
    first, second = (Run.open(tmp_path / "runs" / name) for name in ("tiny_reference", "tiny_reference2"))
    assert compare.main([str(first.folder), str(second.folder)]) == 0
    assert "tiny_reference2" in capsys.readouterr().out
    rows = read_rows(first.results_csv)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all({"val/shapes/ap50", "train/loss", "time", "lr"} <= row.keys() for row in rows)
    numbers = read_json(first.results_json)
    assert numbers["val"]["tasks"]["shapes"]["images"] == 3
    assert numbers["test"]["tasks"]["shapes"]["images"] == 4
    assert first.read_manifest()["seed"] == 3
    assert first.log.is_file()
    # the same seed twice is the same run
    assert [row["train/loss"] for row in rows] == [row["train/loss"] for row in read_rows(second.results_csv)]
    # the truth is what our own run of that recipe is measured against
    config = recipe.load(tiny, ["seed=3"])
    task = open_tasks(recipe.sources(config), (64, 64), 3)["shapes"]
    targets, names = load_targets(targets_path(first.predictions_path("test", "shapes")))
    assert names == task.names
    assert [*targets] == task.ids("test")


def test_images_are_as_torchvision_wants_them(tiny: Path) -> None:
    task = open_tasks(recipe.sources(recipe.load(tiny)), (64, 64), 0)["shapes"]
    image, target, name = Images(task.readers["val"], LOOK)[0]
    annotation = task.targets("val")[name]
    assert name == task.ids("val")[0]
    assert image.dtype == torch.float32
    assert 0 <= image.min() <= image.max() <= 1
    assert torch.equal(target["labels"], annotation.labels + 1)
    assert torch.equal(target["boxes"], annotation.boxes)
    flipped, target, _ = Images(task.readers["val"], v2.Compose([v2.RandomHorizontalFlip(p=1), LOOK]))[0]
    assert torch.equal(flipped, image.flip(2))
    assert torch.equal(target["boxes"][:, 0], annotation.size[1] - annotation.boxes[:, 2])


def test_recipes_that_have_no_reference_are_refused(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(tiny), "model.class_path=classifier"])
    assert "recipe of ssd300" in capsys.readouterr().err
