import pytest
import torch

from polyhead.errors import PolyheadError
from polyhead.metrics.coco import coco
from polyhead.metrics.pooled import BoxPredictions, pool
from polyhead.types import Annotation, Detections


def predictions(task: str, names: list[str], count: int = 6, first: int = 0) -> BoxPredictions:
    generator = torch.Generator().manual_seed(len(task) + first)
    targets, found = [], {}
    for index in range(first, first + count):
        corner = torch.rand(4, 2, generator=generator) * 60
        boxes = torch.cat([corner, corner + 25], 1)
        labels = torch.randint(len(names), (4,), generator=generator)
        flags = torch.zeros(4, dtype=torch.bool)
        targets.append(
            Annotation(
                f"p{index}", "", (99, 99), boxes, labels, flags, torch.full((4,), 625.0), torch.ones(len(names)).bool()
            )
        )
        noise = 3 * torch.randn(4, 4, generator=generator)
        found[f"p{index}"] = Detections(boxes + noise, torch.rand(4, generator=generator), labels)
    return BoxPredictions(task, targets, found, names)


def test_every_class_scores_as_in_its_own_task() -> None:
    pets, food = predictions("pets", ["dog", "cat"]), predictions("food", ["apple", "bun", "cake"])
    both = pool([pets, food])
    assert both.task == "pets+food"
    assert both.names == ["apple", "bun", "cake", "cat", "dog"]
    assert {target.id.split("/")[0] for target in both.targets} == {"pets", "food"}
    own = {
        score.name: score.ap50
        for part in (pets, food)
        for score in coco(part.targets, part.predictions, part.names).classes
    }
    joint = coco(both.targets, both.predictions, both.names)
    assert {score.name: score.ap50 for score in joint.classes} == pytest.approx(own)
    assert joint.ap50 == pytest.approx(sum(own.values()) / len(own))


def test_detections_of_classes_that_are_not_annotated_do_not_count() -> None:
    pets, food = predictions("pets", ["dog"]), predictions("food", ["apple"])
    both = pool([pets, food])
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
    both = pool([predictions("pets", ["dog"]), predictions("pets", ["dog"], first=6)])
    assert [target.id for target in both.targets] == [f"p{index}" for index in range(12)]
    with pytest.raises(PolyheadError, match="image 'p0' of task 'pets' was tested twice"):
        pool([predictions("pets", ["dog"]), predictions("pets", ["dog"])])
