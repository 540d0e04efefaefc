"""Evaluation of a run: numbers, stored predictions, plots, peak memory, and warnings about changed data."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from builders.toy_parts import Tint, ToyBackbone
from PIL import Image

from polyhead.commands.evaluate import table
from polyhead.data.doctor import fingerprint
from polyhead.data.loading.source import Source, TaskData
from polyhead.data.readers.coco import Coco
from polyhead.data.splits.make import SPLITS
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import write_coco
from polyhead.engine.fit import fit
from polyhead.engine.stage import Stage
from polyhead.kinds import stored_kind
from polyhead.kinds.segmentation import TestedMasks
from polyhead.metrics.masks import PixelCounts, count_pixels, masks
from polyhead.modalities.image import Image as ImageModality
from polyhead.nets.heads.segment import Segment
from polyhead.nets.model import Model
from polyhead.run import Run, read_json, read_rows
from polyhead.types import Mask
from polyhead.workflows.evaluate import changed, predict_one, score_split
from polyhead.workflows.measure import measure
from polyhead.workflows.predictor import Predictor
from polyhead.workflows.tasks import open_tasks


def tasks() -> dict[str, TaskData]:
    settings = {"split": {"val": 0.25, "test": 0.25}, "workers": 0, "batch": 4}
    sources = {
        "pixels": Source(Scenes(24, size=48, target="masks"), **settings),  # type: ignore[arg-type]  # a mixed dict
        "times": Source(Scenes(24, size=48, target="times"), **settings),  # type: ignore[arg-type]  # likewise
    }
    return open_tasks(sources, (32, 32), 0)


def model_of(data: dict[str, TaskData]) -> Model:
    torch.manual_seed(0)
    model = Model(ToyBackbone(), [], {"pixels": Segment, "times": Tint}, (32, 32))
    return model.build({name: task.info for name, task in data.items()})


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run.create(tmp_path, "run")
    made.config.write_text("seed: 0\nmodel: {}\ndata: {}\nstages: []\n")
    return made


def test_numbers_are_those_of_the_masks(run: Run) -> None:
    data = tasks()
    model = model_of(data)
    numbers = score_split(model, data, "val", run)["tasks"]["pixels"]
    task = data["pixels"]
    counts = []
    for index in range(len(task.readers["val"])):
        sample = task.sample("val", index)
        predicted = predict_one(model, task, "auto", sample)
        assert isinstance(predicted, Mask)
        assert predicted.classes.shape == sample.input.shape[1:]
        counts.append(count_pixels(predicted, sample.target.classes, len(task.names)))
    scores = masks(counts, task.names)
    assert numbers["metric"] == "mIoU"
    assert numbers["score"] == pytest.approx(scores.miou)
    assert numbers["pixel_accuracy"] == pytest.approx(scores.pixel_accuracy)
    assert numbers["interval"][0] <= numbers["score"] <= numbers["interval"][1]
    assert 0 < numbers["dummy_baseline"]["score"] < 0.5
    assert numbers["dummy_baseline"]["name"].startswith("every pixel 'background'")
    assert numbers["train_images"]["background"] == len(task.readers["train"])
    stored = task.kind.load(run.predictions_path("val", "pixels"), "pixels")
    assert isinstance(stored, TestedMasks)
    assert masks([PixelCounts(torch.from_numpy(each)) for each in stored.pixels], stored.names) == scores
    assert numbers["kind"] == "segmentation"
    assert stored_kind(run.predictions_path("val", "times")).name == "classification"
    json.dumps(numbers, allow_nan=False)


def test_a_run_gets_numbers_plots_and_a_verdict(run: Run) -> None:
    data = tasks()
    model = model_of(data)
    fit(model, data, [Stage(epochs=1)], run, describe={}, seed=0)
    (row,) = read_rows(run.results_csv)
    assert 0 <= float(row["val/pixels/miou"]) <= 1
    logged: list[str] = []
    results = measure(model, data, run, ("val", "test"), logged.append)
    assert read_json(run.results_json)["test"]["tasks"]["pixels"]["score"] == results["tasks"]["pixels"]["score"]
    assert "mIoU" in logged[0]
    assert results["tasks"]["pixels"]["history"]["score"] == [float(row["val/pixels/miou"])]
    names = {path.name for path in run.plots.iterdir()}
    for split in ("val", "test"):
        assert {f"{plot}.{split}.png" for plot in ("target_prediction.pixels", "confusion_matrix.times")} <= names
    lines = "\n".join(table("pixels", results["tasks"]["pixels"], data["pixels"].kind))
    assert "miou_foreground" in lines
    assert "iou" in lines
    assert "top5" in "\n".join(table("times", results["tasks"]["times"], data["times"].kind))


@pytest.mark.parametrize(("trained", "autocast"), [("32-true", False), ("bf16-mixed", True)])
def test_a_run_trained_in_float32_is_evaluated_in_float32(
    trained: str, autocast: bool, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    run.update_manifest(precision=trained)
    data = tasks()
    model = model_of(data)
    seen = set()
    model.backbone.register_forward_hook(lambda *_: seen.add(torch.is_autocast_enabled("cpu")))
    measure(model, data, run, ("val",), lambda _: None)
    assert seen == {autocast}


def test_changed_data_is_reported(run: Run, tmp_path: Path) -> None:
    """The numbers of corrected labels, or of a test folder with new images, cannot be compared with earlier ones."""
    write_coco(Scenes(12, "signs", size=48), tmp_path / "data")
    task = open_tasks({"signs": Source(Coco(tmp_path / "data"), workers=0)}, (32, 32), 0)["signs"]
    recorded = {split: fingerprint(task.readers[split]) for split in SPLITS}
    assert changed(run, {"signs": task}) == [], "an older run has no fingerprints in its manifest"
    run.update_manifest(data={"signs": {"fingerprint": recorded}})
    assert changed(run, {"signs": task}) == []
    file = tmp_path / "data" / "annotations" / "instances_train.json"
    content = json.loads(file.read_text())
    image_id = content["annotations"][0]["image_id"]
    content["annotations"] = [each for each in content["annotations"] if each["image_id"] != image_id]
    file.write_text(json.dumps(content))
    ids = {split: task.ids(split) for split in SPLITS}
    source = Source(Coco(tmp_path / "data"), workers=0)
    now = open_tasks({"signs": source}, (32, 32), 0, {"signs": ids})["signs"]
    (split,) = (split for split in SPLITS if objects_of(task, split) != objects_of(now, split))
    assert changed(run, {"signs": now}) == [
        f"signs: the {split} data is not the data that this run started with: images or annotations have changed"
    ]


def objects_of(task: TaskData, split: str) -> list[int]:
    """Return the number of objects of each image of a split."""
    return [len(target.boxes) for target in task.targets(split).gathered.values()]


def fitted(fit_name: str) -> ImageModality:
    """Return the modality of images of 32 x 32 pixels."""
    modality = ImageModality()
    modality.restore({"size": [32, 32], "fit": fit_name})
    return modality


def test_each_task_uses_its_own_transform() -> None:
    data = tasks()
    names = {name: task.names for name, task in data.items()}
    fits = {"pixels": fitted("letterbox"), "times": fitted("stretch")}
    image = torch.randint(256, (3, 40, 70), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    together = Predictor(model_of(data), names, fits).predict(image)
    for result, (task, modality) in zip(together, fits.items(), strict=True):
        (alone,) = Predictor(model_of(data), names, dict.fromkeys(names, modality)).predict(image, task)
        assert result.task == task
        assert (result.scores == alone.scores).all()
        assert (result.classes == alone.classes).all()


@pytest.mark.parametrize("size", [(40, 70), (33, 20)])
def test_masks_are_predicted_in_original_pixels_next_to_other_heads(size: tuple[int, int], tmp_path: Path) -> None:
    data = tasks()
    names = {name: task.names for name, task in data.items()}
    image = torch.randint(256, (3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for fit_name in ("stretch", "letterbox"):
        pair = Predictor(model_of(data), names, dict.fromkeys(names, fitted(fit_name))).predict(image)
        segmented, time = pair
        assert segmented.mask is not None
        assert segmented.mask.shape == size
        assert segmented.scores.sum() == pytest.approx(1)
        for label, fraction in zip(segmented.classes.tolist(), segmented.scores.tolist(), strict=True):
            assert fraction == pytest.approx((segmented.mask == label).mean())
        assert time.mask is None
        segmented.save_mask(tmp_path / "mask.png")
        with Image.open(tmp_path / "mask.png") as file:
            assert (np.array(file) == segmented.mask).all()


def test_peak_memory_is_left_out_where_the_platform_does_not_measure_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows has no module ``resource``."""
    data = tasks()
    model, kind = model_of(data), data["times"].kind
    measured = score_split(model, data, "val", run)["tasks"]["times"]
    assert measured["peak_memory_mb"] > 10
    monkeypatch.setitem(sys.modules, "resource", None)
    without = score_split(model, data, "val", run)["tasks"]["times"]
    assert without.keys() == measured.keys() - {"peak_memory_mb"}
    assert "peak memory is not available on this system" in table("times", without, kind)[-1]
    assert "peak memory" in table("times", measured, kind)[-1]
