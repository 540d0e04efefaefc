"""A segmentation model measured, drawn and used: the numbers are those of its masks, and the same every time."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from builders.toy_parts import Tint, ToyBackbone
from PIL import Image

from polyhead.commands.evaluate import table
from polyhead.data.augment.transforms import Eval
from polyhead.data.doctor import fingerprint
from polyhead.data.loading.source import Source, TaskData
from polyhead.data.readers.coco import Coco
from polyhead.data.splits.make import SPLITS
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import write_coco
from polyhead.engine.fit import fit
from polyhead.engine.stage import Stage
from polyhead.metrics import store
from polyhead.metrics.masks import masks, pixels
from polyhead.nets.heads.segment import Segment
from polyhead.nets.model import Model
from polyhead.run import Run, read_json, read_rows
from polyhead.types import Mask
from polyhead.workflows.evaluate import changed, confusions, evaluate, measure, predict_one
from polyhead.workflows.predict import Predictor


def tasks() -> dict[str, TaskData]:
    settings = {"split": {"val": 0.25, "test": 0.25}, "workers": 0, "batch": 4}
    sources = {
        "pixels": Source(Scenes(24, size=48, truth="masks"), **settings),  # type: ignore[arg-type]  # a mixed dict
        "times": Source(Scenes(24, size=48, truth="times"), **settings),  # type: ignore[arg-type]  # likewise
    }
    return {name: TaskData(name, source, (32, 32), 0) for name, source in sources.items()}


def model_of(data: dict[str, TaskData]) -> Model:
    torch.manual_seed(0)
    model = Model(ToyBackbone(), [], {"pixels": Segment, "times": Tint}, (32, 32))
    return model.build({name: task.names for name, task in data.items()})


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run.create(tmp_path, "run")
    made.config.write_text("seed: 0\n")
    return made


def test_numbers_are_those_of_the_masks(run: Run) -> None:
    data = tasks()
    model = model_of(data)
    numbers = evaluate(model, data, "val", run)["tasks"]["pixels"]
    task = data["pixels"]
    counts = []
    for index in range(len(task.readers["val"])):
        sample = task.readers["val"][index]
        said = predict_one(model, task, "auto", sample)
        assert isinstance(said, Mask)
        assert said.classes.shape == sample.size
        counts.append(pixels(said, task.mask("val", sample.id), len(task.names)))
    scores = masks(counts, task.names)
    assert numbers["metric"] == "mIoU"
    assert numbers["score"] == pytest.approx(scores.miou)
    assert numbers["pixel_accuracy"] == pytest.approx(scores.pixel_accuracy)
    assert numbers["interval"][0] <= numbers["score"] <= numbers["interval"][1]
    assert 0 < numbers["rival"]["score"] < 0.5
    assert numbers["rival"]["name"].startswith("every pixel 'background'")
    assert numbers["pictures"]["background"] == len(task.readers["train"])
    stored, names = store.load_pixels(run.predictions_of("val", "pixels"))
    assert masks([*stored.values()], names) == scores
    assert store.kind(run.predictions_of("val", "times")) == "labels"
    json.dumps(numbers, allow_nan=False)


def test_a_run_is_measured_drawn_and_judged(run: Run) -> None:
    data = tasks()
    model = model_of(data)
    fit(model, data, [Stage(epochs=1)], run, describe={}, seed=0)
    (row,) = read_rows(run.results_csv)
    assert 0 <= float(row["val/pixels/miou"]) <= 1
    said: list[str] = []
    results = measure(model, data, run, ("val", "test"), said.append)
    assert read_json(run.results_json)["test"]["tasks"]["pixels"]["score"] == results["tasks"]["pixels"]["score"]
    assert "mIoU" in said[0]
    assert results["tasks"]["pixels"]["history"]["score"] == [float(row["val/pixels/miou"])]
    names = {path.name for path in run.plots.iterdir()}
    assert {"val_truth_prediction.pixels.png", "iou.pixels.png", "confusion_matrix.times.png"} <= names
    lines = "\n".join(table("pixels", results["tasks"]["pixels"]))
    assert "miou_foreground" in lines
    assert "iou" in lines
    assert "top5" in "\n".join(table("times", results["tasks"]["times"]))


@pytest.mark.parametrize(("trained", "measured"), [("32-true", False), ("bf16-mixed", True)])
def test_what_was_trained_in_float32_is_measured_in_it(
    trained: str, measured: bool, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    run.update_manifest(precision=trained)
    data = tasks()
    model = model_of(data)
    seen = set()
    model.backbone.register_forward_hook(lambda *_: seen.add(torch.is_autocast_enabled("cpu")))
    measure(model, data, run, ("val",), lambda _: None)
    assert seen == {measured}


def test_data_that_is_no_longer_what_a_run_began_with_is_told(run: Run, tmp_path: Path) -> None:
    """Labels that were mended since, pictures that came to a test folder: the numbers would be of something else."""
    write_coco(Scenes(12, "signs", size=48), tmp_path / "data")
    source = Source(Coco(tmp_path / "data"), workers=0)
    task = TaskData("signs", source, (32, 32), 0)
    began = {part: fingerprint(task.readers[part]) for part in SPLITS}
    assert changed(run, {"signs": task}) == [], "an older run's manifest does not say"
    run.update_manifest(data={"signs": {"fingerprint": began}})
    assert changed(run, {"signs": task}) == []
    truth = tmp_path / "data" / "annotations" / "instances_train.json"
    content = json.loads(truth.read_text())
    ident = content["annotations"][0]["image_id"]
    content["annotations"] = [each for each in content["annotations"] if each["image_id"] != ident]
    truth.write_text(json.dumps(content))
    ids = {part: task.ids(part) for part in SPLITS}
    now = TaskData("signs", Source(Coco(tmp_path / "data"), workers=0), (32, 32), 0, ids)
    (part,) = (part for part in SPLITS if truth_of(task, part) != truth_of(now, part))
    assert changed(run, {"signs": now}) == [
        f"signs: the {part} data is no longer what this run began with: pictures or their truth have changed since"
    ]


def truth_of(task: TaskData, part: str) -> list[int]:
    """How many objects each picture of a split has."""
    return [len(truth.boxes) for truth in task.truths(part)]


def test_each_task_sees_pictures_as_it_was_measured_on() -> None:
    data = tasks()
    names = {name: task.names for name, task in data.items()}
    fits = {"pixels": Eval((32, 32), "letterbox"), "times": Eval((32, 32), "stretch")}
    picture = torch.randint(256, (3, 40, 70), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    together = Predictor(model_of(data), names, fits).predict(picture)
    for result, (task, own) in zip(together, fits.items(), strict=True):
        (alone,) = Predictor(model_of(data), names, dict.fromkeys(names, own)).predict(picture, task)
        assert result.task == task
        assert (result.scores == alone.scores).all()
        assert (result.classes == alone.classes).all()


@pytest.mark.parametrize("size", [(40, 70), (33, 20)])
def test_masks_are_predicted_in_original_pixels_beside_other_heads(size: tuple[int, int], tmp_path: Path) -> None:
    data = tasks()
    names = {name: task.names for name, task in data.items()}
    picture = torch.randint(256, (3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for how in ("stretch", "letterbox"):
        pair = Predictor(model_of(data), names, dict.fromkeys(names, Eval((32, 32), how))).predict(picture)
        segmented, time = pair
        assert segmented.mask is not None
        assert segmented.mask.shape == size
        assert segmented.scores.sum() == pytest.approx(1)
        for label, share in zip(segmented.classes.tolist(), segmented.scores.tolist(), strict=True):
            assert share == pytest.approx((segmented.mask == label).mean())
        assert time.mask is None
        segmented.save_mask(tmp_path / "mask.png")
        with Image.open(tmp_path / "mask.png") as file:
            assert (np.array(file) == segmented.mask).all()


def test_confusions_are_the_largest_mistakes_first() -> None:
    counts = np.array([[50, 5, 0, 1], [10, 20, 10, 0], [0, 0, 7, 0]])
    assert confusions(counts, ["a", "b", "c"]) == [
        ["b", "a", 0.25],
        ["b", "c", 0.25],
        ["a", "b", 5 / 56],
        ["a", "nothing", 1 / 56],
    ]
    assert confusions(np.eye(3, dtype=np.int64), ["a", "b", "c"]) == []
