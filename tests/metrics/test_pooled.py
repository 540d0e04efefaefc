import pytest
import torch

from polyhead.errors import PolyheadError
from polyhead.metrics.coco import coco
from polyhead.metrics.pooled import Answers, pool
from polyhead.types import Annotation, Detections


def answers(task: str, names: list[str], count: int = 6, first: int = 0) -> Answers:
    generator = torch.Generator().manual_seed(len(task) + first)
    truths, found = [], {}
    for index in range(first, first + count):
        corner = torch.rand(4, 2, generator=generator) * 60
        boxes = torch.cat([corner, corner + 25], 1)
        labels = torch.randint(len(names), (4,), generator=generator)
        flags = torch.zeros(4, dtype=torch.bool)
        truths.append(
            Annotation(
                f"p{index}", "", (99, 99), boxes, labels, flags, torch.full((4,), 625.0), torch.ones(len(names)).bool()
            )
        )
        noise = 3 * torch.randn(4, 4, generator=generator)
        found[f"p{index}"] = Detections(boxes + noise, torch.rand(4, generator=generator), labels)
    return Answers(task, truths, found, names)


def test_every_class_scores_as_in_its_own_task() -> None:
    pets, food = answers("pets", ["dog", "cat"]), answers("food", ["apple", "bun", "cake"])
    both = pool([pets, food])
    assert both.task == "pets+food"
    assert both.names == ["apple", "bun", "cake", "cat", "dog"]
    assert {truth.id.split("/")[0] for truth in both.truths} == {"pets", "food"}
    own = {
        score.name: score.ap50
        for part in (pets, food)
        for score in coco(part.truths, part.predictions, part.names).classes
    }
    together = coco(both.truths, both.predictions, both.names)
    assert {score.name: score.ap50 for score in together.classes} == pytest.approx(own)
    assert together.ap50 == pytest.approx(sum(own.values()) / len(own))


def test_what_one_head_says_of_classes_that_were_not_looked_for_does_not_count() -> None:
    pets, food = answers("pets", ["dog"]), answers("food", ["apple"])
    both = pool([pets, food])
    more = {
        name: Detections(
            torch.cat([found.boxes, torch.tensor([[0.0, 0, 9, 9]])]),
            torch.cat([found.scores, torch.ones(1)]),
            torch.cat([found.labels, torch.tensor([both.names.index("apple" if name[0] == "p" else "dog")])]),
        )
        for name, found in both.predictions.items()
    }
    assert coco(both.truths, more, both.names).ap == coco(both.truths, both.predictions, both.names).ap


def test_folds_of_one_task_lie_side_by_side_and_keep_their_ids() -> None:
    both = pool([answers("pets", ["dog"]), answers("pets", ["dog"], first=6)])
    assert [truth.id for truth in both.truths] == [f"p{index}" for index in range(12)]
    with pytest.raises(PolyheadError, match="picture 'p0' of task 'pets' was tested twice"):
        pool([answers("pets", ["dog"]), answers("pets", ["dog"])])
