import pytest
import torch
from builders.box_cases import target

from polyhead.errors import PolyheadError
from polyhead.kinds import kind_of
from polyhead.metrics.coco import FREQUENT, coco
from polyhead.metrics.intervals import bootstrap_scores, bootstrap_weights
from polyhead.metrics.matching import match
from polyhead.metrics.pooled import TestedBoxes
from polyhead.types import Detections


def make_tested(task: str, names: list[str], count: int = 6, first: int = 0) -> TestedBoxes:
    generator = torch.Generator().manual_seed(len(task) + first)
    targets, found = {}, {}
    for index in range(first, first + count):
        corner = torch.rand(4, 2, generator=generator) * 60
        boxes = torch.cat([corner, corner + 25], 1)
        labels = torch.randint(len(names), (4,), generator=generator)
        targets[f"p{index}"] = target(boxes, labels, len(names), size=(99, 99))
        noise = 6 * torch.randn(4, 4, generator=generator)
        found[f"p{index}"] = Detections(boxes + noise, torch.rand(4, generator=generator), labels)
    return TestedBoxes(kind_of("detection"), task, targets, found, names)


def test_every_class_scores_as_in_its_own_task() -> None:
    pets, food = make_tested("pets", ["dog", "cat"]), make_tested("food", ["apple", "bun", "cake"])
    both = pets.join([food])
    assert both.task == "pets+food"
    assert both.names == ["apple", "bun", "cake", "cat", "dog"]
    assert {name.split("/")[0] for name in both.ids} == {"pets", "food"}
    assert both.ids == [*both.targets]
    own = {
        score.name: score.ap50
        for part in (pets, food)
        for score in coco(part.targets, part.predictions, part.names).classes
    }
    assert len({*own.values()}) > 3
    joint = coco(both.targets, both.predictions, both.names)
    assert {score.name: score.ap50 for score in joint.classes} == pytest.approx(own)
    assert joint.ap50 == pytest.approx(sum(own.values()) / len(own))


def test_detections_of_classes_that_are_not_annotated_do_not_count() -> None:
    both = make_tested("pets", ["dog"]).join([make_tested("food", ["apple"])])
    more = {
        name: Detections(
            torch.cat([found.boxes, torch.tensor([[0.0, 0, 9, 9]])]),
            torch.cat([found.scores, torch.ones(1)]),
            torch.cat([found.labels, torch.tensor([both.names.index("apple" if name[0] == "p" else "dog")])]),
        )
        for name, found in both.predictions.items()
    }
    assert coco(both.targets, more, both.names).ap == coco(both.targets, both.predictions, both.names).ap


def test_folds_of_one_task_are_concatenated_and_keep_their_ids() -> None:
    both = make_tested("pets", ["dog"]).join([make_tested("pets", ["dog"], first=6)])
    assert both.task == "pets"
    assert both.ids == [*both.targets] == [f"p{index}" for index in range(12)]
    with pytest.raises(PolyheadError, match="image 'p0' of task 'pets' was tested twice"):
        make_tested("pets", ["dog"]).join([make_tested("pets", ["dog"])])


def test_counts_are_of_objects_that_are_not_ignored() -> None:
    images = {
        "a": target([[0, 0, 9, 9]] * (FREQUENT + 1), [0] * (FREQUENT + 1), 3, ignore=[True] + [False] * FREQUENT),
        "b": target([[0, 0, 9, 9]], [1], 3),
        "c": target([], [], 3),
    }
    counts = TestedBoxes(kind_of("detection"), "t", images, {}, ["many", "few", "none"]).counts()
    assert counts == (3, FREQUENT + 1, 2, 1)


def test_resamples_are_in_the_order_of_the_reference() -> None:
    reference, names = make_tested("pets", ["dog", "cat"]), ["dog", "cat"]
    backwards = {name: reference.targets[name] for name in reversed(reference.ids)}
    other = TestedBoxes(reference.kind, "pets", backwards, reference.predictions, names)
    weights = bootstrap_weights(6, 200)
    expected = bootstrap_scores([match(reference.targets, reference.predictions, names)], "ap50", weights)
    assert expected.std() > 0
    for each in (reference, other):
        assert (each.bootstrap(reference)("ap50", weights) == expected).all()


def test_other_objects_are_differences_and_detections_are_not() -> None:
    one = make_tested("pets", ["dog", "cat"])
    assert one.differences(TestedBoxes(one.kind, "pets", one.targets, {}, one.names)) == []
    changed = dict(one.targets)
    changed["p1"] = changed["p1"]._replace(ignore=~changed["p1"].ignore)
    changed["p2"] = changed["p2"]._replace(size=(99, 100))
    changed["p3"] = changed["p3"]._replace(labels=1 - changed["p3"].labels)
    changed["p4"] = target(changed["p4"].boxes[:3], [0, 0, 0], 2, size=(99, 99))
    changed["p5"] = changed["p5"]._replace(boxes=changed["p5"].boxes + 1)
    assert one.differences(TestedBoxes(one.kind, "pets", changed, {}, one.names)) == ["p1", "p2", "p3", "p4", "p5"]
