"""What a run keeps of its tasks, to be replayed and to measure on, once their data is gone."""

from pathlib import Path

import torch
from builders.toy_parts import Tints

from polyhead.data.loading.source import Source, TaskData
from polyhead.data.readers.exemplars import Kept
from polyhead.data.splits.make import SPLITS
from polyhead.data.synthetic.scenes import Scenes
from polyhead.metrics.coco import coco
from polyhead.metrics.dummy import trivial
from polyhead.models import classifier, ssd300
from polyhead.run import Run
from polyhead.types import Annotation
from polyhead.workflows import train as training
from polyhead.workflows.evaluate import evaluate


class Rare(Tints):
    """Every tenth picture is of class 1."""

    def annotation(self, index: int) -> Annotation:
        return super().annotation(index)._replace(value=torch.tensor(int(index % 10 == 0)))


class Sparse(Scenes):
    """Nine of ten pictures show nothing."""

    def annotation(self, index: int) -> Annotation:
        truth = super().annotation(index)
        if index % 10 == 0:
            return truth
        none = torch.zeros(0)
        return truth._replace(boxes=none.reshape(0, 4), labels=none.long(), ignore=none.bool(), areas=none)


def test_what_is_replayed_has_classes_in_equal_parts_and_the_probe_as_often_as_they_are(tmp_path: Path) -> None:
    task = TaskData("rare", Source(Rare(400, 0), Rare(400, 1), Rare(400, 2), workers=0), (32, 32), 0)
    run = Run.create(tmp_path, "run")
    training.remember(run, {"rare": task}, 16.0, 0, print)
    shares = {}
    for part, count in (("train", 40), ("val", 200), ("test", 200)):
        kept = Kept(run.kept(part, "rare"))
        assert len(kept) == count
        shares[part] = sum(kept.annotation(index).value == 1 for index in range(count)) / count
    assert shares["train"] == 0.5
    assert 0.05 < shares["val"] < 0.15
    assert 0.05 < shares["test"] < 0.15


def test_the_rival_of_an_older_task_names_the_class_that_is_most_frequent(tmp_path: Path) -> None:
    """What is replayed has both classes alike, and would have called either the usual one."""
    task = TaskData("rare", Source(Rare(40, 0), Rare(40, 1), Rare(40, 2), workers=0), (32, 32), 0)
    older, newer = Run.create(tmp_path, "older"), Run.create(tmp_path, "newer")
    training.remember(older, {"rare": task}, 16.0, 0, print)
    train, val, test = (Kept(older.kept(part, "rare")) for part in SPLITS)
    kept = TaskData("rare", Source(train, val, test, workers=0), (32, 32), 0)
    model = classifier("test_resnet", size=32).build({"rare": task.names})
    rivals = [
        evaluate(model, {"rare": each}, "test", run)["tasks"]["rare"]["rival"]
        for each, run in ((task, older), (kept, newer))
    ]
    assert [rival["score"] for rival in rivals] == [0.9, 0.9]
    assert rivals[1]["name"].endswith("the most frequent class of these pictures")


def test_the_rival_of_an_older_detector_has_the_boxes_of_training(tmp_path: Path) -> None:
    """Those of the test pictures would be a rival that has seen the answers."""
    scenes = [Scenes(40, "signs", size=48, seed=seed) for seed in range(3)]
    task = TaskData("signs", Source(scenes[0], scenes[1], scenes[2], workers=0), (48, 48), 0)
    older, newer = Run.create(tmp_path, "older"), Run.create(tmp_path, "newer")
    training.remember(older, {"signs": task}, 16.0, 0, print)
    train, val, test = (Kept(older.kept(part, "signs")) for part in SPLITS)
    kept = TaskData("signs", Source(train, val, test, workers=0), (48, 48), 0)
    model = ssd300("test_resnet", size=48).build({"signs": task.names})
    found = evaluate(model, {"signs": kept}, "test", newer)["tasks"]["signs"]["rival"]
    truths = kept.truths("test")
    assert found["score"] == coco(truths, trivial(kept.truths("train"), truths), task.names).ap50


def test_the_first_picture_that_is_kept_shows_something(tmp_path: Path) -> None:
    """However little is kept: a probe of one empty picture tells nothing, and cannot be gone on from."""
    train, val, test = (Sparse(60, "signs", size=48, seed=seed) for seed in range(3))
    task = TaskData("signs", Source(train, val, test, workers=0), (48, 48), 0)
    for seed in range(5):
        run = Run.create(tmp_path, f"run{seed}")
        training.remember(run, {"signs": task}, 0.001, seed, print)
        for part in ("val", "test"):
            reader = Kept(run.kept(part, "signs"))
            assert len(reader) == 1
            assert len(reader.annotation(0).boxes)


class Bare(Scenes):
    """Masks of which all but the last show nothing but the background."""

    def mask(self, index: int) -> torch.Tensor:
        mask = super().mask(index)
        assert mask is not None
        return mask if index == len(self) - 1 else torch.zeros_like(mask)


def test_the_first_mask_that_is_kept_shows_something(tmp_path: Path) -> None:
    """Background alone would be refused as training data, when a further task is to be learnt beside it."""
    train, val, test = (Bare(12, "fruit", size=48, seed=seed, truth="masks") for seed in range(3))
    task = TaskData("seg", Source(train, val, test, workers=0), (48, 48), 0)
    for seed in range(3):
        run = Run.create(tmp_path, f"run{seed}")
        training.remember(run, {"seg": task}, 0.001, seed, print)
        for part in SPLITS:
            reader = Kept(run.kept(part, "seg"))
            mask = reader.mask(0)
            assert len(reader) == 1
            assert mask is not None
            assert mask.any()
