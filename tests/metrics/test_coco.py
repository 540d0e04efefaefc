import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from builders.box_cases import NOTHING
from torch import Tensor

from polyhead.metrics.coco import coco, map50
from polyhead.types import Boxes, Detections


def pycocotools(targets: dict[str, Boxes], predictions: dict[str, Detections], names: list[str]) -> np.ndarray:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def rows(image: int, boxes: Tensor, labels: Tensor, **columns: Tensor) -> Iterator[dict[str, Any]]:
        sides = torch.cat([boxes[:, :2], boxes[:, 2:].double() - boxes[:, :2].double()], 1).tolist()
        for index, (box, label) in enumerate(zip(sides, labels.tolist(), strict=True)):
            row = {"image_id": image, "category_id": label + 1, "bbox": box}
            yield row | {name: column[index].item() for name, column in columns.items()}

    annotated: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for image, (name, target) in enumerate(targets.items(), 1):
        annotated += rows(image, target.boxes, target.labels, area=target.areas, iscrowd=target.ignore.int())
        if name in predictions:
            predicted = predictions[name]
            found += rows(image, predicted.boxes, predicted.labels, score=predicted.scores)
    with contextlib.redirect_stdout(io.StringIO()):
        gold = COCO()
        gold.dataset = {
            "images": [{"id": image} for image in range(1, len(targets) + 1)],
            "categories": [{"id": label} for label in range(1, len(names) + 1)],
            "annotations": [row | {"id": number} for number, row in enumerate(annotated, 1)],
        }
        gold.createIndex()
        evaluation = COCOeval(gold, gold.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return np.where(evaluation.stats < 0, np.nan, evaluation.stats)


@pytest.mark.parametrize("seed", range(3))
def test_the_twelve_numbers_are_those_of_pycocotools(make_case: Callable[..., Any], seed: int) -> None:
    case = make_case(seed)
    scores = coco(*case)
    np.testing.assert_allclose(scores[:12], pycocotools(*case), atol=1e-6)
    assert 0.02 < scores.ap < scores.ap50 < 0.9


def test_the_twelve_numbers_are_those_of_pycocotools_on_real_images(real_case: Any) -> None:
    scores = coco(*real_case)
    np.testing.assert_allclose(scores[:12], pycocotools(*real_case), atol=1e-6)
    assert (scores.images, scores.objects) == (60, 314)  # 317 minus 3 crowds


def test_torchmetrics_agrees(make_case: Callable[..., Any]) -> None:
    from torchmetrics.detection import MeanAveragePrecision

    targets, predictions, names = make_case(3)
    metric = MeanAveragePrecision(backend="faster_coco_eval")
    metric.update(
        [predictions.get(name, NOTHING)._asdict() for name in targets],
        [
            {"boxes": target.boxes, "labels": target.labels, "iscrowd": target.ignore.int(), "area": target.areas}
            for target in targets.values()
        ],
    )
    theirs, own = metric.compute(), coco(targets, predictions, names)
    assert own.ap == pytest.approx(float(theirs["map"]), abs=1e-3)
    assert own.ap50 == pytest.approx(float(theirs["map_50"]), abs=1e-3)
    assert own.ar100 == pytest.approx(float(theirs["mar_100"]), abs=1e-3)


def test_nothing_is_printed(make_case: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    coco(*make_case(0))
    assert capsys.readouterr() == ("", "")


def test_classes_without_objects_are_named_and_part_of_no_mean(make_case: Callable[..., Any]) -> None:
    scores = coco(*make_case(0))
    assert scores.absent == ["class 3"]
    assert np.isnan(scores.classes[3].ap)
    assert scores.ap == pytest.approx(np.mean([score.ap for score in scores.classes[:3]]))
    assert sum(score.objects for score in scores.classes) == scores.objects


def test_rare_classes_are_part_of_the_mean_but_not_of_that_of_frequent_ones(real_case: Any) -> None:
    targets, predictions, names = real_case
    knife = names.index("knife")  # five of them
    dropped = next(name for name, target in targets.items() if (target.labels == knife).any())
    remaining = {name: target for name, target in targets.items() if name != dropped}
    predictions = {name: found for name, found in predictions.items() if name != dropped}
    scores = coco(remaining, predictions, names)
    frequent = [score for score in scores.classes if score.objects >= 5]
    assert 0 < scores.classes[knife].objects < 5
    assert scores.ap_frequent == pytest.approx(np.mean([score.ap for score in frequent]))
    assert scores.ap50_frequent == pytest.approx(np.mean([score.ap50 for score in frequent]))
    assert scores.ap != scores.ap_frequent


def test_size_ranges_go_by_area_not_by_box(make_case: Callable[..., Any]) -> None:
    targets, predictions, names = make_case(0)
    tiny = {name: each._replace(areas=torch.full_like(each.areas, 10.0)) for name, each in targets.items()}
    scores = coco(tiny, predictions, names)
    assert scores.ar_small == pytest.approx(scores.ar100)
    assert np.isnan(scores.ap_large)


def test_targets_as_detections_are_perfect_and_crowds_are_not_objects(make_case: Callable[..., Any]) -> None:
    targets, _, names = make_case(1)
    perfect = {
        name: Detections(each.boxes, torch.ones(each.labels.shape[0]), each.labels) for name, each in targets.items()
    }
    scores = coco(targets, perfect, names)
    assert scores.ap == scores.ap50 == pytest.approx(1.0)
    assert scores.objects == sum(int((~target.ignore).sum()) for target in targets.values())


def test_no_detections_score_zero_and_no_objects_score_nan(make_case: Callable[..., Any]) -> None:
    targets, predictions, names = make_case(1)
    nothing = coco(targets, {}, names)
    assert (nothing.ap, nothing.ar100, map50(targets, {}, names)) == (0.0, 0.0, 0.0)
    empty = {name: target for name, target in targets.items() if not target.labels.shape[0]}
    found = {name: predictions[name] for name in empty if name in predictions}
    scores = coco(empty, found, names)
    assert np.isnan(scores[:12]).all()
    assert np.isnan([scores.ap_frequent, map50(empty, found, names)]).all()
    assert scores.absent == names


def test_map50_is_ap50(make_case: Callable[..., Any], real_case: Any) -> None:
    for case in (make_case(2), real_case):
        assert map50(*case) == pytest.approx(coco(*case).ap50, abs=1e-9)
