"""A run is measured on other data, whose classes are matched by name."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders.error_kind import MeanError
from builders.untrained_run import write
from PIL import Image

import polyhead
from polyhead import cli, models
from polyhead.contracts.reader import Reader
from polyhead.data.readers.coco import Coco
from polyhead.data.readers.folder import Folder
from polyhead.data.readers.matched import Matched
from polyhead.data.readers.png_masks import PngMasks
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import write_coco
from polyhead.errors import PolyheadError
from polyhead.kinds import kind_of
from polyhead.run import Run

BACKBONE = {"backbone": "test_resnet", "size": 64}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def matched_to(reader: Reader, names: list[str]) -> Matched:
    """Return a reader with a model's classes."""
    return Matched(reader, names, kind_of(reader.kind))


def images(folder: str, classes: list[str], count: int = 3) -> str:
    draw = np.random.default_rng(0)
    for name in classes:
        Path(folder, name).mkdir(parents=True)
        for number in range(count):
            pixels = draw.integers(0, 256, (20, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(Path(folder, name, f"{number}.png"))
    return folder


def masks(folder: str, classes: list[str]) -> str:
    """Write three images whose masks show every class in a strip."""
    for kind in ("images", "masks"):
        Path(folder, kind).mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (40, 40), (number, 0, 0)).save(Path(folder, "images", f"{number}.png"))
        mask = np.repeat(np.arange(len(classes) + 1, dtype=np.uint8), 40).reshape(-1, 40)
        Image.fromarray(np.pad(mask, ((0, 40 - len(mask)), (0, 0)))).save(Path(folder, "masks", f"{number}.png"))
    Path(folder, "classes.txt").write_text("\n".join(classes), encoding="utf-8")
    return folder


def run_of(tasks: dict[str, list[str]], function: Any, **arguments: Any) -> Run:
    return Run(write(Path("runs/x/weights/best.pt"), tasks, function, **BACKBONE, **arguments).parent.parent)


def test_classes_are_matched_by_name_and_the_others_are_counted() -> None:
    reader = Folder(images("pets", ["Cat", "guinea_pig", "horse"]))
    matched = matched_to(reader, ["guinea pig", "dog", "cat"])
    assert matched.names == ["guinea pig", "dog", "cat"]
    assert [int(matched.target(index).label) for index in range(len(matched))] == [2, 2, 2, 0, 0, 0]
    assert list(matched.notes) == [
        "classes that the model does not have, with the images left out: horse (3)",
        "classes of the model that the data does not have: dog",
    ]
    with pytest.raises(
        PolyheadError, match=r"no class has the same name in the data \(Cat, guinea_pig, horse\) and in"
    ):
        matched_to(reader, ["cow"])


def test_boxes_of_unknown_classes_are_removed() -> None:
    write_coco(Scenes(8, domain="shapes", size=96), "shapes")
    reader = Coco("shapes", "annotations/instances_train.json", "train")
    names = [reader.names[2], "unicorn", reader.names[0].upper()]
    matched = matched_to(reader, names)
    expected = {0: 2, 2: 0}  # the reader's label -> the model's
    for index in range(len(reader)):
        own, new = reader.target(index), matched.target(index)
        left = [number for number, label in enumerate(own.labels.tolist()) if label in expected]
        assert new.labels.tolist() == [expected[own.labels[number].item()] for number in left]
        assert torch.equal(new.boxes, own.boxes[left])
        assert new.annotated.tolist() == [True, False, True]


def test_pixels_of_unknown_classes_are_ignored() -> None:
    reader = PngMasks(masks("town", ["road", "tree", "car"]))
    matched = matched_to(reader, ["background", "car", "road"])
    own, new = reader.target(0).classes, matched.target(0).classes
    assert [new[own == label].unique().tolist() for label in range(4)] == [[0], [2], [255], [1]]
    assert list(matched.notes) == [
        "classes that the model does not have, with the images in which they are ignored: tree (3)"
    ]


def test_a_classifier_on_other_images(capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of({"pets": ["cat", "dog"]}, models.classifier)
    run.update_results(test={"tasks": {"pets": {"score": 0.5}}})
    before = run.results_json.read_bytes()
    images("new pets", ["cat", "dog", "horse"])
    assert cli.main(["evaluate", "runs/x", "--data", "new pets", "--json", "numbers.json"]) == 0
    shown = capsys.readouterr().out
    assert "new pets: folder format, all (6 images) for task pets\n" in shown
    assert "horse (3)" in shown
    assert "stored in runs/x/evaluations/new_pets\n" in shown
    assert "warning" not in shown
    numbers = json.loads(Path("numbers.json").read_text("utf-8"))["tasks"]["pets"]
    assert numbers["images"] == 6
    inner = Run(run.folder / "evaluations" / "new_pets")
    assert inner.results["test"]["tasks"]["pets"]["score"] == numbers["score"]
    assert inner.read_manifest()["data"] == str(Path("new pets").absolute())
    assert inner.predictions_path("test", "pets").is_file()
    assert run.results_json.read_bytes() == before
    trained = [path.relative_to("new pets").as_posix() for path in sorted(Path("new pets/cat").iterdir())]
    run.update_manifest(splits={"pets": {"train": trained[:2], "test": ["dog/9.png"]}})
    lines: list[str] = []
    again = polyhead.evaluate(run, data="new pets", show=lines.append)
    assert (
        "  warning: 2 of these 6 images have the names of images that the run was trained on; if they are the same "
        in ("\n".join(lines))
    )
    assert again["pets"]["score"] == numbers["score"]
    assert (run.folder / "evaluations" / "new_pets2").is_dir()


def test_boxes_and_masks() -> None:
    run = run_of({"a": ["circle", "star"]}, models.ssd300, width=32)
    write_coco(Scenes(4, domain="shapes", size=96), "shapes")
    shown: list[str] = []
    numbers = polyhead.evaluate(run, data="shapes", show=shown.append)
    assert numbers["a"]["images"] == 4
    segmenter = run_of({"s": ["background", "road"]}, models.unified, heads={"s": "segment"}, width=32, middle=32)
    assert polyhead.evaluate(segmenter, data=masks("town", ["road", "tree"]), show=shown.append)["s"]["images"] == 3
    assert polyhead.evaluate(run_of({"c": ["star"]}, models.ssd300, width=32), data="shapes", show=print)["c"]["images"]


def test_the_test_split_of_a_folder_is_used() -> None:
    run = run_of({"pets": ["cat", "dog"]}, models.classifier)
    images("pets/train", ["cat", "dog"], 4)
    images("pets/val", ["cat", "dog"], 2)
    shown: list[str] = []
    assert polyhead.evaluate(run, data="pets", show=shown.append)["pets"]["images"] == 4
    assert shown[0] == "pets: folder format, the val split (4 images) for task pets"


def test_the_task_must_be_clear(capsys: pytest.CaptureFixture[str]) -> None:
    run_of({"pets": ["cat", "dog"], "toys": ["cat", "ball"]}, models.classifier)
    images("new", ["cat", "dog"])
    words = ["evaluate", "runs/x", "--data", "new"]
    assert cli.main(words) == 2
    assert (
        "the run has several tasks of classification (pets, toys). Choose one with --task NAME."
        in capsys.readouterr().err
    )
    assert cli.main([*words, "--task", "toys"]) == 0
    assert "dog (3)" in capsys.readouterr().out
    write_coco(Scenes(3, domain="shapes", size=96), "shapes")
    assert cli.main(["evaluate", "runs/x", "--data", "shapes"]) == 2
    assert "the data is for detection, and the run has no such task (pets: classification, " in capsys.readouterr().err
    assert cli.main([*words, "--max-drop", "0.1"]) == 2
    assert "--baseline and --max-drop compare scores on the run's own data" in capsys.readouterr().err


def test_a_kind_that_cannot_match_classes_says_so() -> None:
    with pytest.raises(PolyheadError, match=r"targets of .* cannot be matched by class names"):
        Matched(Folder(images("pets", ["cat", "dog"])), ["cat", "dog"], MeanError())
