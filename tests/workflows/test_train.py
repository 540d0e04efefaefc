"""Training from Python, and the exemplars that a run saves of its tasks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from builders.toy_parts import Tints

from polyhead.config import recipe
from polyhead.contracts.reader import Reader
from polyhead.data.loading.source import Source, TaskData
from polyhead.data.readers.exemplars import ExemplarReader
from polyhead.data.splits.make import SPLITS
from polyhead.data.synthetic.scenes import Scenes
from polyhead.errors import PolyheadError
from polyhead.metrics.coco import coco
from polyhead.metrics.dummy import dummy_predictions
from polyhead.models import classifier, ssd300
from polyhead.run import Run, read_rows
from polyhead.types import Boxes, ClassLabel, Mask
from polyhead.workflows import train as training
from polyhead.workflows.evaluate import score_split
from polyhead.workflows.measure import evaluate
from polyhead.workflows.run_exemplars import save_exemplars_of_run
from polyhead.workflows.tasks import open_tasks

pytestmark = pytest.mark.usefixtures("undrawn")

SCENES = {"reader": "scenes", "count": 8, "size": 64, "val": {"count": 4, "seed": 1}, "test": {"count": 4, "seed": 2}}
RECIPE = {
    "model": {"class_path": "ssd300", "init_args": {"backbone": "test_resnet", "size": 64, "width": 16}},
    "data": {"signs": {**SCENES, "domain": "signs", "workers": 0}},
    "stages": [{"epochs": 3}],
}


@pytest.mark.slow
def test_a_recipe_is_trained_from_python_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path with overrides, resolved settings, and resolved settings with overrides give the same run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE), encoding="utf-8")
    resolved = recipe.load("recipe.yaml", ["epochs=1"])
    longer = recipe.load("recipe.yaml")
    runs = [
        training.train("recipe.yaml", ["epochs=1"]),
        training.train(resolved),
        training.train(longer, ["epochs=1"], show=lambda _: None),
    ]
    assert [run.folder for run in runs] == [Path("runs/recipe"), Path("runs/recipe2"), Path("runs/recipe3")]
    assert [len(read_rows(run.results_csv)) for run in runs] == [1, 1, 1]
    assert [recipe.load(run.config) for run in runs] == [resolved] * 3
    assert longer["stages"][0]["epochs"] == 3, "the settings that were given are not changed"


class Rare(Tints):
    """Every tenth image is of class 1."""

    def target(self, index: int) -> ClassLabel:
        return ClassLabel(torch.tensor(int(index % 10 == 0)))


class Sparse(Scenes):
    """Nine of ten images have no objects."""

    def target(self, index: int) -> Boxes:
        target = super().target(index)
        assert isinstance(target, Boxes)
        if index % 10 == 0:
            return target
        none = torch.zeros(0)
        return target._replace(boxes=none.reshape(0, 4), labels=none.long(), ignore=none.bool(), areas=none)


def opened(name: str, readers: Sequence[Reader], size: int) -> TaskData:
    """Open the readers of train, val and test as a task."""
    train, val, test = readers
    return open_tasks({name: Source(train, val, test, workers=0)}, (size, size), 0)[name]


def saved(run: Run, split: str, task: TaskData) -> ExemplarReader:
    """Return the reader of the samples that a run saved of a task."""
    reader = ExemplarReader(run.exemplar_folder(split, task.name))
    reader.bind(task.kind, task.modality)
    return reader


def test_a_mapping_is_resolved_like_a_file_and_wrong_arguments_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Any] = []
    monkeypatch.setattr(training, "build", built.append)
    monkeypatch.setattr(training, "train_parts", lambda *_: Run("runs/nothing"))
    training.train(RECIPE, runs=Path("elsewhere"), show=lambda _: None)
    training.train(built[0], show=lambda _: None)
    assert built[0] == built[1]
    assert (built[0]["name"], built[0]["runs"]) == ("run", "elsewhere")
    for arguments, message in (
        (({},), "the recipe has no model. A recipe needs"),
        ((RECIPE, "epochs=1"), r"changes: expected a list such as \['epochs=1'\], got 'epochs=1'"),
    ):
        with pytest.raises(PolyheadError, match=message):
            training.train(*arguments, show=lambda _: None)
    run = Run("runs/nothing")
    with pytest.raises(PolyheadError, match="split must be 'val' or 'test', got 'validation'"):
        evaluate(run, "validation")
    with pytest.raises(PolyheadError, match=r"tasks is empty\. Name tasks of the run"):
        evaluate(run, tasks=[])


def test_replayed_images_are_class_balanced_and_probe_images_are_not(tmp_path: Path) -> None:
    task = opened("rare", [Rare(400, seed) for seed in range(3)], 32)
    run = Run.create(tmp_path, "run")
    save_exemplars_of_run(run, {"rare": task}, 16.0, 0, print)
    fractions = {}
    for split, count in (("train", 40), ("val", 200), ("test", 200)):
        reader = saved(run, split, task)
        assert len(reader) == count
        fractions[split] = sum(reader.target(index).label == 1 for index in range(count)) / count
    assert fractions["train"] == 0.5
    assert 0.05 < fractions["val"] < 0.15
    assert 0.05 < fractions["test"] < 0.15


def test_the_dummy_baseline_of_an_earlier_task_predicts_its_most_frequent_class(tmp_path: Path) -> None:
    """The replayed images show both classes equally often, so either could be taken for the most frequent one."""
    task = opened("rare", [Rare(40, seed) for seed in range(3)], 32)
    earlier, later = Run.create(tmp_path, "earlier"), Run.create(tmp_path, "later")
    save_exemplars_of_run(earlier, {"rare": task}, 16.0, 0, print)
    stored = opened("rare", [ExemplarReader(earlier.exemplar_folder(split, "rare")) for split in SPLITS], 32)
    model = classifier("test_resnet", size=32).build({"rare": task.info})
    baselines = [
        score_split(model, {"rare": each}, "test", run)["tasks"]["rare"]["dummy_baseline"]
        for each, run in ((task, earlier), (stored, later))
    ]
    assert [baseline["score"] for baseline in baselines] == [0.9, 0.9]
    assert baselines[1]["name"].endswith("the most frequent class of these images")


def test_the_dummy_baseline_of_an_earlier_detector_has_the_boxes_of_the_training_set(tmp_path: Path) -> None:
    """The boxes of the test images would be a baseline that has seen the annotations."""
    task = opened("signs", [Scenes(40, "signs", size=48, seed=seed) for seed in range(3)], 48)
    earlier, later = Run.create(tmp_path, "earlier"), Run.create(tmp_path, "later")
    save_exemplars_of_run(earlier, {"signs": task}, 16.0, 0, print)
    stored = opened("signs", [ExemplarReader(earlier.exemplar_folder(split, "signs")) for split in SPLITS], 48)
    model = ssd300("test_resnet", size=48).build({"signs": task.info})
    baseline = score_split(model, {"signs": stored}, "test", later)["tasks"]["signs"]["dummy_baseline"]
    train, targets = (stored.targets(split).gathered for split in ("train", "test"))
    assert baseline["score"] == coco(targets, dummy_predictions(train, targets), task.names).ap50


def test_the_first_image_that_is_saved_has_objects(tmp_path: Path) -> None:
    """However few are saved: forgetting cannot be measured on one image without objects."""
    task = opened("signs", [Sparse(60, "signs", size=48, seed=seed) for seed in range(3)], 48)
    for seed in range(5):
        run = Run.create(tmp_path, f"run{seed}")
        save_exemplars_of_run(run, {"signs": task}, 0.001, seed, print)
        for split in ("val", "test"):
            reader = saved(run, split, task)
            assert len(reader) == 1
            assert len(reader.target(0).boxes)


class Bare(Scenes):
    """Masks of which all but the last show only the background."""

    def target(self, index: int) -> Mask:
        mask = super().target(index)
        assert isinstance(mask, Mask)
        return mask if index == len(self) - 1 else Mask(torch.zeros_like(mask.classes))


def test_the_first_mask_that_is_saved_has_objects(tmp_path: Path) -> None:
    """Masks with only the background would be refused as training data when another task is added."""
    task = opened("seg", [Bare(12, "fruit", size=48, seed=seed, target="masks") for seed in range(3)], 48)
    for seed in range(3):
        run = Run.create(tmp_path, f"run{seed}")
        save_exemplars_of_run(run, {"seg": task}, 0.001, seed, print)
        for split in SPLITS:
            reader = saved(run, split, task)
            assert len(reader) == 1
            assert reader.target(0).classes.any()
