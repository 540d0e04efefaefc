"""Explanations for the images of a split."""

import pytest
from builders.three_heads import three_heads

from polyhead.errors import Problem
from polyhead.run import Run
from polyhead.workflows.explain import Explained, Explainer
from polyhead.workflows.explain_split import EACH, MOST, explain_split
from polyhead.workflows.split import open_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return three_heads(tmp_path_factory.mktemp("explain_split"))


def explained(run: Run, task: str, **settings: str | float) -> list[Explained]:
    predictor, tasks = open_run(run)
    unread: list[Problem] = []
    found = [*explain_split(Explainer(predictor, task, trust=False), tasks[task], "test", unread, **settings)]  # type: ignore[arg-type]  # a mixed dict
    assert not unread
    return found


def test_there_are_enough_boxes_and_no_more(run: Run) -> None:
    found = explained(run, "det", conf=0.3)
    numbers = [len(each.explanations) for each in found]
    assert sum(numbers) == MOST == 50
    assert max(numbers[:-1]) == EACH
    assert numbers[-1] > 0
    again = explained(run, "det", conf=0.3)
    assert [each.image for each in again] == [each.image for each in found]
    assert len({each.image for each in found}) == len(found)


def test_of_the_classes_of_an_image_the_first_is_explained(run: Run) -> None:
    found = explained(run, "cls")
    assert len(found) == 8, "all images of the split"
    assert [len(each.explanations) for each in found] == [1] * 8
    assert all(each.explanations[0].place == 0 and each.left == 0 for each in found)


def test_of_a_region_of_a_class_all_are_explained(run: Run) -> None:
    found = explained(run, "seg", label="star")
    assert {explanation.item.caption.split()[0] for each in found for explanation in each.explanations} == {"star"}
