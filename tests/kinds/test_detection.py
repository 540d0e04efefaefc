"""Detection: boxes of images are stored, mapped back, described, counted and plotted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders.box_cases import NOTHING, random_case, target
from builders.plot_data import pixels
from builders.split_targets import split_targets
from builders.toy_parts import Squares
from matplotlib.axes import Axes

from polyhead.contracts.kind import Targets
from polyhead.data.geometry.plane import ImageMeta
from polyhead.data.synthetic.scenes import Scenes
from polyhead.errors import PolyheadError
from polyhead.kinds import detection
from polyhead.kinds.detection import Detection
from polyhead.metrics.coco import coco
from polyhead.metrics.dummy import dummy_predictions
from polyhead.metrics.pooled import TestedBoxes
from polyhead.metrics.stored_targets import load_targets, save_targets, targets_path
from polyhead.plotting.draw import GRAY, PALETTE
from polyhead.types import Boxes, Detections, Meta

KIND = Detection()
NAMES = ["a", "b", "c", "d"]
IMAGES = {
    "many": target([[0, 0, 9, 9], [0, 0, 4, 8], [1, 1, 3, 3]], [2, 0, 2], 4, ignore=[False, False, True]),
    "empty": target([], [], 4),
    "crowd": target([[0, 0, 4, 4]], [1], 4, ignore=[True]),
}


def stored(path: Path, predictions: dict[str, Detections], names: list[str]) -> TestedBoxes:
    """Save and load predictions of images without objects."""
    targets = {name: target([], [], len(names)) for name in predictions}
    KIND.save(path, split_targets("detection", names, targets), predictions)
    tested = KIND.load(path, "a")
    assert isinstance(tested, TestedBoxes)
    return tested


def test_predictions_and_targets_come_back_in_order(tmp_path: Path) -> None:
    targets, predictions, names = random_case(0)
    shuffled = dict(sorted(predictions.items(), key=lambda item: item[0][::-1]))
    path = tmp_path / "deep" / "test.a.npz"
    KIND.save(path, split_targets("detection", names, targets), shuffled)
    tested = KIND.load(path, "food")
    assert isinstance(tested, TestedBoxes)
    assert (tested.task, tested.names, tested.ids) == ("food", names, [*targets])
    assert list(tested.predictions) == list(shuffled)
    for name, found in tested.predictions.items():
        assert found.anchors is None
        assert all(torch.equal(one, other) for one, other in zip(found[:3], predictions[name][:3], strict=True))
    assert coco(tested.targets, tested.predictions, names).ap == coco(targets, predictions, names).ap
    assert {each.name for each in path.parent.iterdir()} == {"test.a.npz", "test.a.target.npz"}


def test_the_best_are_stored_best_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "TOP", 3)
    scores = torch.tensor([0.1, 0.9, 0.5, 0.9])
    found = Detections(torch.arange(16.0).reshape(4, 4), scores, torch.arange(4), torch.arange(4))
    loaded = stored(tmp_path / "a.npz", {"x": found}, NAMES).predictions["x"]
    assert loaded.labels.tolist() == [1, 3, 2]
    assert torch.equal(loaded.boxes, found.boxes[[1, 3, 2]])


def test_half_precision_and_wide_integers_are_stored_as_float32_and_int64(tmp_path: Path) -> None:
    found = Detections(
        torch.ones(1, 4, dtype=torch.float64), torch.ones(1).bfloat16(), torch.zeros(1, dtype=torch.int32)
    )
    loaded = stored(tmp_path / "a.npz", {"x": found}, ["a"]).predictions["x"]
    assert [column.dtype for column in loaded[:3]] == [torch.float32, torch.float32, torch.int64]


def test_anchors_are_not_stored(tmp_path: Path) -> None:
    targets, predictions, names = random_case(0)
    with_anchors = {
        name: found._replace(anchors=torch.arange(len(found.scores))) for name, found in predictions.items()
    }
    files = [tmp_path / "with.npz", tmp_path / "without.npz"]
    for file, given in zip(files, (with_anchors, predictions), strict=True):
        KIND.save(file, split_targets("detection", names, targets), given)
    with np.load(files[0]) as first, np.load(files[1]) as second:
        assert first.files == second.files
        assert all((first[column] == second[column]).all() for column in first.files)
    tested = KIND.load(files[0], "a")
    assert isinstance(tested, TestedBoxes)
    assert {found.anchors for found in tested.predictions.values()} == {None}


@pytest.mark.parametrize("predictions", [{}, {"x": NOTHING}])
def test_empty_predictions_can_be_stored(tmp_path: Path, predictions: dict[str, Detections]) -> None:
    loaded = stored(tmp_path / "a.npz", predictions, ["a"]).predictions
    assert list(loaded) == list(predictions)
    assert all(found.boxes.shape == (0, 4) for found in loaded.values())


def test_predictions_and_targets_with_different_classes_are_refused(tmp_path: Path) -> None:
    stored(tmp_path / "a.npz", {"x": NOTHING}, ["a", "b"])
    targets, names = load_targets(targets_path(tmp_path / "a.npz"))
    save_targets(targets_path(tmp_path / "a.npz"), targets, names[::-1])
    with pytest.raises(
        PolyheadError, match=r"a\.npz' is damaged \(its class names or images are not those of its targets\)"
    ):
        KIND.load(tmp_path / "a.npz", "a")
    targets_path(tmp_path / "a.npz").unlink()
    with pytest.raises(PolyheadError, match=r"a\.target\.npz' does not exist"):
        KIND.load(tmp_path / "a.npz", "a")


def test_a_batch_is_padded_to_the_longest_list() -> None:
    batch = KIND.collate([*IMAGES.values()])
    assert batch.labels.tolist() == [[2, 0, 2], [-1, -1, -1], [1, -1, -1]]
    assert batch.ignore.tolist() == [[False, False, True], [False] * 3, [True, False, False]]
    assert torch.equal(batch.boxes[0], IMAGES["many"].boxes)
    assert not batch.boxes[1].any()
    assert batch.annotated.shape == (3, 4)
    assert KIND.collate([IMAGES["empty"]]).boxes.shape == (1, 1, 4), "max() needs a row"


def test_anchors_stay_with_their_boxes() -> None:
    """The second box has no area in the original image."""
    found = Detections(torch.tensor([[0.0, 0, 9, 9], [90, 0, 99, 9], [3, 3, 50, 50]]), torch.rand(3), torch.arange(3))
    meta = ImageMeta("a", (20, 30))
    for anchors in (torch.tensor([7, 8, 9]), None):
        back = KIND.restore(found._replace(anchors=anchors), meta)
        assert back.boxes.tolist() == [[0, 0, 9, 9], [3, 3, 30, 20]]
        assert back.labels.tolist() == [0, 2]
        assert anchors is None if back.anchors is None else back.anchors.tolist() == [7, 9]


def test_without_geometry_boxes_are_not_clipped() -> None:
    found = Detections(torch.tensor([[-5.0, 0, 900, 9]]), torch.rand(1), torch.arange(1))
    assert torch.equal(KIND.restore(found, Meta("a")).boxes, found.boxes)


def test_ignored_objects_are_no_content() -> None:
    targets = split_targets("detection", NAMES, IMAGES)
    assert KIND.shown(targets) == [{("object", 2), ("object", 0)}, set(), set()]
    assert KIND.has_content(targets) == [True, False, False]
    assert KIND.can_be_scored(targets)
    assert not KIND.can_be_scored(split_targets("detection", NAMES, {"crowd": IMAGES["crowd"]}))


def test_images_are_mixed_with_those_of_the_same_annotated_classes() -> None:
    flags = [(True, False), (True, True), (True, False), (False, True)]
    images = {str(index): target([], [], 2)._replace(annotated=torch.tensor(row)) for index, row in enumerate(flags)}
    assert KIND.peers(split_targets("detection", ["a", "b"], images)) == [[0, 2], [1], [0, 2], [3]]


def test_a_report_has_the_scores_of_coco_and_voc() -> None:
    targets, found, names = random_case(1)
    predictions = {name: found.get(name, NOTHING) for name in targets}
    split = split_targets("detection", names, targets)
    report, scores = KIND.report(split, predictions, split), coco(targets, predictions, names)
    assert report["score"] == scores.ap50 == KIND.score(split, predictions)["ap50"]
    assert report["coco"]["ap"] == scores.ap
    assert len(report["coco"]) == 14
    assert report["absent"] == ["class 3"]
    assert report["objects_measured"] == scores.objects == report["errors"]["objects"]
    assert sum(each["objects"] for each in report["classes"].values()) == scores.objects
    assert report["train_objects"] == {name: each["objects"] for name, each in report["classes"].items()}
    assert 0 < report["voc2007"] < 1
    dummy = coco(targets, dummy_predictions(targets, targets), names)
    assert report["dummy_baseline"]["score"] == dummy.ap50 == KIND.dummy(split, split)
    assert report["dummy_baseline"]["ap"] == dummy.ap


def test_detections_as_columns_text_and_marks() -> None:
    found = Detections(torch.arange(12.0).reshape(3, 4), torch.tensor([0.9, 0.5, 0.2]), torch.tensor([1, 1, 3]))
    scores, classes, boxes, mask = KIND.columns(found)
    assert (scores.tolist(), classes.tolist(), mask) == (found.scores.tolist(), [1, 1, 3], None)
    assert boxes is not None
    assert boxes.tolist() == found.boxes.tolist()
    assert KIND.describe(found, NAMES) == "2 b, 1 d"
    assert KIND.describe(NOTHING, NAMES) == "nothing"
    assert KIND.confident(found, 0.5).labels.tolist() == [1, 1]
    assert KIND.take(found, [2, 0]).labels.tolist() == [3, 1]
    marks = KIND.marks(found, NAMES, "food", first=2)
    assert (marks.title, marks.captions) == ("food", ["b 0.90", "b 0.50", "d 0.20"])
    assert marks.boxes == found.boxes.tolist()
    assert marks.colors == [PALETTE[3], PALETTE[3], PALETTE[5]]
    assert KIND.marks(found, NAMES, first=2, by_class=False).colors == [PALETTE[2]] * 3


def test_ignored_targets_are_gray() -> None:
    marks = KIND.target_marks(IMAGES["many"], NAMES)
    assert marks.captions == ["c", "a", "ignored"]
    assert marks.colors == [PALETTE[2], PALETTE[0], GRAY]


def test_supervision_gets_class_names() -> None:
    pytest.importorskip("supervision")
    found = Detections(torch.arange(8.0).reshape(2, 4), torch.tensor([0.9, 0.5]), torch.tensor([1, 3]))
    converted = KIND.to_supervision(found, NAMES)
    assert converted.xyxy.tolist() == found.boxes.tolist()
    assert list(converted.data["class_name"]) == ["b", "d"]
    assert len(KIND.to_supervision(NOTHING, NAMES)) == 0


def test_plain_data_sets_give_boxes_and_labels() -> None:
    """The form of torchvision's detectors."""
    size = (20, 30)
    given: dict[str, Any] = {"boxes": [[1, 2, 4, 6]], "labels": [1]}
    made = KIND.as_target(given, size, ["a", "b"])
    assert isinstance(made, Boxes)
    assert (made.boxes.tolist(), made.labels.tolist(), made.areas.tolist()) == ([[1, 2, 4, 6]], [1], [12])
    assert (made.size, made.annotated.tolist(), made.ignore.tolist()) == ((20, 30), [True, True], [False])
    assert KIND.as_target(made, size, ["a", "b"]) is made
    assert KIND.as_target({"boxes": [], "labels": []}, size, ["a"]).boxes.shape == (0, 4)


def test_objects_are_counted_in_the_plot_of_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []
    monkeypatch.setattr(Axes, "set_title", lambda _, title, **__: titles.append(title))
    targets = Targets.of(KIND, Scenes(6, size=48))
    path = KIND.plot_data(targets, "scenes", tmp_path / "labels.png")
    objects = sum(int((~each.ignore).sum()) for each in targets.gathered.values())
    assert objects > 0
    assert titles[0].startswith(f"scenes: {objects} objects in 6 images")
    assert path == tmp_path / "labels.png"


def test_results_of_images_with_and_without_objects_are_plotted(tmp_path: Path) -> None:
    targets = Targets.of(KIND, Squares(4)).gathered
    found = {name: Detections(each.boxes, torch.tensor([0.9]), each.labels) for name, each in targets.items()}
    for images in (targets, {name: target([], [], 2) for name in targets}):
        tested = TestedBoxes(KIND, "squares", images, found, ["bright", "dark"])
        made = KIND.plot_results(tested, "run: squares", lambda plot: tmp_path / f"{plot}.png")
        assert [path.stem for path in made] == ["pr_curve", "f1_curve", "confusion_matrix"]
        assert all(pixels(path).std() > 1 for path in made)


def test_facts_are_about_errors_small_objects_and_rare_classes() -> None:
    sizes = {"small": {"found": 0, "objects": 20}, "large": {"found": 9, "objects": 10}}
    errors = {"found": 1, "objects": 9, "counts": {"missed": 3, "background": 1}, "sizes": sizes}
    facts = KIND.facts({"errors": errors, "train_objects": {"a": 3}})
    assert [fact.split(":")[0] for fact in facts] == [
        "Main kind of error",
        "Small objects are missed",
        "Fewer than 50 training objects",
    ]
    assert KIND.facts({}) == []


def test_each_object_can_be_explained_and_agrees_with_the_same_object_elsewhere() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [20, 20, 40, 40]])
    found = Detections(boxes, torch.tensor([0.9, 0.4]), torch.tensor([2, 0]), torch.tensor([7, 3]))
    items = KIND.items(found, NAMES)
    assert [(each.number, each.caption, each.label) for each in items] == [(0, "c 0.90", 2), (1, "a 0.40", 0)]
    assert torch.equal(torch.stack([each.box for each in items if each.box is not None]), boxes)
    assert KIND.agreement(found, items[0], found) == pytest.approx(0.9)
    half = Detections(torch.tensor([[0.0, 0, 10, 5], [0, 0, 10, 10]]), torch.tensor([0.8, 1.0]), torch.tensor([2, 0]))
    assert KIND.agreement(found, items[0], half) == pytest.approx(0.8 * 0.5)  # the other box is of another class
    assert KIND.agreement(found, items[1], half) == 0
    assert KIND.agreement(found, items[0], half.take(torch.tensor([False, False]))) == 0
