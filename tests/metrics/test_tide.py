"""TIDE's types of error: equal to tidecv, and correct where tidecv departs from COCO."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders.box_cases import NOTHING, Case, target
from tidecv import TIDE
from tidecv.data import Data
from torch import Tensor

import polyhead
from polyhead.analysis.stored_predictions import read_predictions
from polyhead.metrics import matching
from polyhead.metrics.coco import coco
from polyhead.metrics.intervals import bootstrap_weights
from polyhead.metrics.pooled import TestedBoxes
from polyhead.metrics.tide import TYPES, outcomes, tide
from polyhead.types import Detections


def scored_by_tidecv(case: Case) -> tuple[float, dict[str, float]]:
    """Return AP50 and the gain of each type."""
    annotated, detected = Data("targets"), Data("predictions")
    for number, (image_id, each) in enumerate(case.targets.items()):
        annotated.add_image(number, image_id)
        for box, label, ignore in zip(each.boxes, each.labels.tolist(), each.ignore.tolist(), strict=True):
            add = getattr(annotated, "add_ignore_region" if ignore else "add_ground_truth")
            add(number, label, box=xywh(box))
        found = case.predictions.get(image_id, NOTHING)
        for box, score, label in zip(found.boxes, found.scores.tolist(), found.labels.tolist(), strict=True):
            detected.add_detection(number, label, score, box=xywh(box))
    run = TIDE().evaluate(annotated, detected, mode=TIDE.BOX)
    gains = {**run.fix_main_errors(), **run.fix_special_errors()}
    return run.ap / 100, {kind.short_name: gain / 100 for kind, gain in gains.items()}


def xywh(box: Tensor) -> list[float]:
    x1, y1, x2, y2 = box.double().tolist()
    return [x1, y1, x2 - x1, y2 - y1]


def comparable(case: Case) -> Case:
    """Return the same case without equal scores, and without detections of classes that have no objects."""
    present = {label for each in case.targets.values() for label in each.labels[~each.ignore].tolist()}
    predictions = {}
    total = sum(len(each.scores) for each in case.predictions.values())
    order = torch.randperm(total, generator=torch.Generator().manual_seed(0)).double() / total  # no two are equal
    for image_id, each in case.predictions.items():
        inside = torch.tensor([label in present for label in each.labels.tolist()], dtype=torch.bool)
        scores, order = order[: len(each.scores)].float(), order[len(each.scores) :]
        predictions[image_id] = each._replace(scores=scores.sort(descending=True).values).take(inside)
    return Case(case.targets, predictions, case.names)


def check_equal(case: Case) -> None:
    gains = tide(*case)
    ap, expected = scored_by_tidecv(case)
    assert gains.values[0] == pytest.approx(ap, abs=1e-6)
    assert {name: float(each[0]) for name, each in gains.gains.items()} == pytest.approx(expected, abs=1e-6)
    assert expected["Loc"] > 0


@pytest.fixture
def hundredths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the recall points of tidecv; some of COCO's are the next larger float."""
    monkeypatch.setattr(matching, "_RECALLS", np.arange(101) / 100)


@pytest.mark.usefixtures("hundredths")
@pytest.mark.parametrize("seed", range(3))
def test_equal_to_the_library_on_random_boxes(make_case: Callable[..., Any], seed: int) -> None:
    check_equal(comparable(make_case(seed, images=60)))


@pytest.mark.usefixtures("hundredths")
def test_equal_to_the_library_on_real_images(real_case: Case) -> None:
    check_equal(comparable(real_case))


@pytest.mark.slow
@pytest.mark.usefixtures("hundredths", "weights_root")
def test_equal_to_the_library_on_the_predictions_of_a_trained_detector(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    polyhead.evaluate("yolox_nano", data=data_root / "penn_fudan", show=lambda _: None)
    (tested,) = read_predictions("runs/yolox_nano_penn_fudan", "test")
    assert isinstance(tested, TestedBoxes)
    check_equal(comparable(Case(dict(tested.targets), dict(tested.predictions), tested.names)))


@pytest.mark.usefixtures("hundredths")
def test_only_the_best_boxes_of_an_image_count(make_case: Callable[..., Any]) -> None:
    check_equal(comparable(make_case(1, images=10, extra=150)))


def test_the_score_is_that_of_coco_also_with_classes_without_objects(make_case: Callable[..., Any]) -> None:
    case = make_case(3)  # with equal scores, and detections of a class without objects
    gains = tide(*case)
    assert gains.values[0] == pytest.approx(coco(*case).ap50, abs=1e-9)
    assert all(each[0] >= 0 for each in gains.gains.values())
    assert scored_by_tidecv(case)[0] < gains.values[0] - 0.01, "tidecv counts the class as 0 (its issue 28)"


BOX = [10.0, 10.0, 50.0, 50.0]
INEXACT = [10.0, 10.0, 50.0, 26.0]  # IoU .4
FAR = [200.0, 200.0, 240.0, 240.0]


@pytest.mark.parametrize(
    ("boxes", "labels", "kinds", "missed"),
    [
        ([BOX], [0], [], 0),
        ([BOX], [1], ["Cls"], 0),
        ([INEXACT], [0], ["Loc"], 0),
        ([INEXACT], [1], ["Both"], 1),
        ([BOX, BOX], [0, 0], ["Dupe"], 0),
        ([FAR], [0], ["Bkg"], 1),
        ([], [], [], 1),
    ],
)
def test_each_type_is_found(boxes: list[list[float]], labels: list[int], kinds: list[str], missed: int) -> None:
    found = Detections(
        torch.tensor(boxes).reshape(-1, 4), torch.linspace(0.9, 0.8, len(boxes)), torch.tensor(labels).long()
    )
    targets, names = {"a": target([BOX], [0], 2), "b": target([], [], 2)}, ["cat", "dog"]
    gains = tide(targets, {"a": found}, names)
    assert gains.counts == {name: kinds.count(name) for name in TYPES} | {"Miss": missed}
    fixed = [name for name in TYPES if gains.gains[name][0] > 0]
    repaired = [kind for kind in kinds if kind in ("Cls", "Loc")]
    assert fixed == repaired
    whole = gains.values[0] + sum(gains.gains[name][0] for name in TYPES)
    assert whole == pytest.approx(0.0 if missed else 1.0)


def test_only_the_best_of_several_errors_at_one_object_is_repaired() -> None:
    found = Detections(torch.tensor([BOX, INEXACT]), torch.tensor([0.9, 0.8]), torch.tensor([1, 0]))
    result = outcomes({"a": target([BOX], [0], 2)}, {"a": found}, ["cat", "dog"])
    assert result.types.tolist() == [TYPES.index("Cls"), TYPES.index("Loc")]
    assert result.repaired.tolist() == [True, False]
    assert result.labels.tolist() == [0, 0]
    assert not result.missed.any()


def test_a_detection_on_a_crowd_is_no_error() -> None:
    targets = {"a": target([BOX, FAR], [0, 0], 1, ignore=[False, True])}
    found = Detections(torch.tensor([FAR, BOX]), torch.tensor([0.9, 0.8]), torch.tensor([0, 0]))
    gains = tide(targets, {"a": found}, ["cat"])
    assert gains.values[0] == pytest.approx(1.0)
    assert not any(gains.counts.values())


def test_resamples_are_copies_of_images(make_case: Callable[..., Any]) -> None:
    case = make_case(2, images=20, ties=False)
    weights = bootstrap_weights(20, 200)[[0, 7]]
    gains = tide(case.targets, case.predictions, case.names, weights)
    copies = {f"{name} {copy}": name for name, n in zip(case.targets, weights[1], strict=True) for copy in range(n)}
    targets = {copy: case.targets[name] for copy, name in copies.items()}
    predictions = {copy: case.predictions[name] for copy, name in copies.items() if name in case.predictions}
    again = tide(targets, predictions, case.names)
    assert gains.values[1] == pytest.approx(again.values[0], abs=1e-9)
    for name in ("Cls", "Loc", "Both", "Dupe", "Bkg", "FalsePos"):
        assert gains.gains[name][1] == pytest.approx(again.gains[name][0], abs=1e-9)
