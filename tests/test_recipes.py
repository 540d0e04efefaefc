"""Every recipe of Polyhead is trained, evaluated and used in a small form, on real data where it needs some."""

from pathlib import Path

import pytest

from polyhead import cli
from polyhead.analysis.forgetting import SINCE_LEARNED
from polyhead.config import recipe
from polyhead.paths import shipped
from polyhead.run import Run, read_json, read_rows
from polyhead.workflows.predict import load

COCO = "annotations/instances_train2017.json"

SMALL: dict[str, list[str]] = {
    "appliance_food": [
        "imgsz=128",
        "batch=16",
        "model.weights=null",
        "model.backbone=regnetx_002",
        "data.appliance.root=coco_mini/appliance",
        f"data.appliance.annotations={COCO}",
        "data.food.root=coco_mini/food",
        f"data.food.annotations={COCO}",
    ],
    "appliance_food_small": ["imgsz=128", "batch=16"],
    "appliance_food_coco": ["imgsz=128", "batch=16"],
    "unified": ["imgsz=64", "batch=16", "model.backbone=mobilenetv2_035", "model.middle=32", "model.width=32"],
    "unified_small": ["imgsz=64", "batch=16", "model.middle=32", "model.width=32"],
    "unified_coco": ["imgsz=64", "batch=16"],
    "three_tasks": ["imgsz=64", "data.*.count=12", "data.*.val.count=4", "data.*.test.count=4"],
    "two_domains": ["imgsz=64", "data.*.count=12", "data.*.val.count=4", "data.*.test.count=4"],
    "ssd_three_kinds": ["imgsz=64", "data.*.count=12", "data.*.val.count=4", "data.*.test.count=4"],
    "demo": ["imgsz=64", "data.*.count=12", "data.*.val.count=4", "data.*.test.count=4"],
    "ssd_coco_mini": ["imgsz=128", "batch=32"],
    "ssd_penn_fudan": ["imgsz=128", "batch=32"],
    "yolox_nano_penn_fudan": ["imgsz=128", "batch=32"],
    "coco128": ["imgsz=128", "batch=32"],
    "yolov3_scenes": ["imgsz=64", "data.*.count=12", "data.*.val.count=4", "data.*.test.count=4"],
    "yolov3_voc": [
        "imgsz=128",
        "batch=32",
        "model.width=0.125",
        "model.depth=0.125",
        "stages.0.sizes=[96,128]",
        "data.voc.root=voc_from_coco",
        "data.voc.year=VOC2012",
        "data.voc.reader.split=train",
        "data.voc.test.split=val",
    ],
    "yolox_voc": [
        "imgsz=128",
        "batch=32",
        "model.scale=nano",
        "model.weights=yolox_nano",
        "data.voc.root=voc_from_coco",
        "data.voc.year=VOC2012",
        "data.voc.reader.split=train",
        "data.voc.test.split=val",
    ],
    "cifar10": ["imgsz=32", "batch=64"],
    "cifar10_resnet18": ["imgsz=32", "batch=64", "model.backbone=resnet10t", "model.weights=null"],
    "oxford_pets": ["imgsz=64", "batch=32"],
    "ssd_voc": [
        "imgsz=128",
        "batch=32",
        "model.backbone=resnet10t",
        "data.voc.root=voc_from_coco",
        "data.voc.year=VOC2012",
        "data.voc.reader.split=train",
        "data.voc.test.split=val",
    ],
}


OWN_NUMBERS = {
    "AP50": {"coco", "voc2007", "voc2010", "train_objects"},
    "mIoU": {"miou_foreground", "pixel_accuracy", "train_images"},
    "accuracy": {"macro_f1", "train_images"},
}
"""Numbers that only tasks of one kind have, by the main metric of the kind."""


def test_every_recipe_has_a_small_form() -> None:
    assert set(SMALL) == set(shipped())


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_recipe_trains_evaluates_and_predicts(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if name not in ("demo", "ssd_three_kinds", "three_tasks", "two_domains"):
        request.getfixturevalue("data_root")
        request.getfixturevalue("weights_root")
    monkeypatch.chdir(tmp_path)
    short = ["stages.*.epochs=1", "stages.*.epoch_scale=0.1", "workers=0", "name=small"]
    assert cli.main(["train", name, *short, *SMALL[name]]) == 0
    run = Run.open(tmp_path / "runs" / "small")
    assert len(read_rows(run.results_csv)) == len(recipe.load(run.config)["stages"])
    log = run.log.read_text(encoding="utf-8")
    assert (SINCE_LEARNED in log) is (name in ("three_tasks", "unified", "unified_coco", "unified_small"))
    results = read_json(run.results_json)
    assert {"val", "test"} <= set(results)
    for task, numbers in results["test"]["tasks"].items():
        assert 0 <= numbers["score"] <= 1
        assert numbers["interval"][0] <= numbers["interval"][1]
        assert {"dummy_baseline", "protocol", "images", *OWN_NUMBERS[numbers["metric"]]} <= set(numbers)
        assert (run.samples / f"{task}_0.jpg").is_file()
    for path in (run.best, run.last, run.stage_weights(0), run.resume, run.config, run.manifest, run.log, run.verdict):
        assert path.is_file(), path
    assert len(list(run.plots.glob("*.png"))) >= 6
    counted = run.read_manifest()["parameters"]
    assert {f"heads.{task}" for task in results["test"]["tasks"]} < set(counted)
    assert sum(counted.values()) == sum(each.numel() for each in load(run.folder).model.parameters())
    image = tmp_path / "plots.png"
    image.write_bytes((run.plots / "results.png").read_bytes())
    assert cli.main(["predict", str(run.folder), str(image), "--json", "found.json", "--conf", "0.01"]) == 0
    assert (tmp_path / "found.json").is_file()
