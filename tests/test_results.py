"""Answers of several heads for one picture."""

import numpy as np

from polyhead.results import Result, best_of_heads


def result(task: str, rows: list[tuple[float, float, float, float, float]]) -> Result:
    table = np.array(rows, dtype=np.float32).reshape(-1, 5)
    return Result("0", task, table[:, :4], table[:, 4], np.zeros(len(rows), dtype=np.int64), ["thing"])


def test_of_two_heads_boxes_the_best_stays() -> None:
    pets = result("pets", [(0, 0, 10, 10, 0.9), (1, 0, 11, 10, 0.8), (50, 50, 60, 60, 0.3)])
    food = result("food", [(50, 50, 60, 61, 0.7), (0, 0, 10, 11, 0.6), (80, 80, 90, 90, 0.1)])
    first, second = best_of_heads([pets, food], 0.5)
    assert first.scores.tolist() == [np.float32(0.9), np.float32(0.8)]  # a head's own overlaps are its own affair
    assert second.scores.tolist() == [np.float32(0.7), np.float32(0.1)]
    assert first.boxes.shape == (2, 4)
    assert len(pets) == len(food) == 3


def test_nothing_and_a_classifier_are_left_alone() -> None:
    scene = Result("0", "scene", np.zeros((0, 4), np.float32), np.ones(2, np.float32), np.arange(2), ["day", "night"])
    left = best_of_heads([scene, result("food", [])], 0.5)
    assert [len(each) for each in left] == [2, 0]


def test_equal_scores_leave_the_first() -> None:
    rows = [(0.0, 0.0, 10.0, 10.0, 0.5)]
    assert [len(each) for each in best_of_heads([result("a", rows), result("b", rows)], 0.5)] == [1, 0]
