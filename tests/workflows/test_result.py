"""Answers of several heads for one picture, and masks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from polyhead.errors import PolyheadError
from polyhead.plotting.draw import colour
from polyhead.workflows.result import Result, best_of_heads, plot, table


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


def segmented() -> Result:
    """Three quarters of background, 18 % of dog, and a strip that the network did not look at."""
    mask = np.zeros((50, 100), dtype=np.uint8)
    mask[:, 75:93] = 2
    mask[:, 93:] = 255
    shares, classes = np.array([0.75, 0.18], dtype=np.float32), np.array([0, 2])
    grey = torch.full((3, 50, 100), 100, dtype=torch.uint8)
    return Result("0", "pets", np.zeros((0, 4), np.float32), shares, classes, ["background", "cat", "dog"], grey, mask)


def test_a_mask_is_told_by_shares() -> None:
    result = segmented()
    assert str(result) == "background 75 %, dog 18 %"
    assert result.whole
    assert result.labels == ["background", "dog"]
    told = result.to_json()
    assert told == {
        "image": "0",
        "task": "pets",
        "boxes": [],
        "scores": [0.75, 0.18],
        "labels": ["background", "dog"],
        "mask": None,
    }
    rows = result.to_df()
    assert rows["label"].tolist() == ["background", "dog"]
    assert rows["x1"].isna().all()
    assert len(table([result, result])) == 4


def test_a_mask_is_laid_over_the_picture_beside_the_boxes_of_other_heads() -> None:
    drawn = np.array(segmented().plot())
    assert (drawn[2, :74] == 100).all()
    assert (drawn[2, 76:92] == [round((100 + part) / 2) for part in colour(2)]).all()
    assert (drawn[2, 94:] == 100).all()
    boxes = result("food", [(10, 5, 40, 20, 0.9)])
    both = np.array(plot([segmented(), boxes]))
    assert (both == colour(3)).all(2).sum() > 50  # the box has a colour after those of the mask's three classes
    assert (both[2, 76:92] == drawn[2, 76:92]).all()


def test_boxes_have_the_colours_of_their_classes_or_of_their_heads() -> None:
    grey = torch.full((3, 50, 100), 100, dtype=torch.uint8)
    boxes = result("food", [(10, 5, 40, 20, 0.9), (50, 5, 80, 20, 0.8)])
    one = replace(boxes, classes=np.array([0, 1]), names=["apple", "pear"], picture=grey)
    other = result("toys", [(10, 25, 40, 40, 0.9)])

    def shown(picture: Image.Image) -> list[bool]:
        pixels = np.array(picture)
        return [bool((pixels == colour(number)).all(2).any()) for number in range(3)]

    assert shown(plot([one])) == [True, True, False]
    assert shown(plot([one, other])) == [True, True, False]
    assert shown(plot([one, result("toys", [])])) == [True, False, False]


def test_a_saved_mask_holds_class_numbers_and_is_found_again(tmp_path: Path) -> None:
    kept = segmented().save_mask(tmp_path / "a.png")
    assert kept.to_json()["mask"] == str(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as file:
        assert file.mode == "P"
        assert (np.array(file) == kept.mask).all()
        assert tuple(np.array(file.convert("RGB"))[0, 80]) == colour(2)
    with pytest.raises(PolyheadError, match=r"a mask is saved without loss; name it \.png"):
        kept.save_mask(tmp_path / "a.jpg")
    with pytest.raises(PolyheadError, match="task 'food' says nothing of pixels"):
        result("food", []).save_mask(tmp_path / "b.png")


def test_masks_are_left_alone_by_the_best_of_heads() -> None:
    mask, boxes = best_of_heads([segmented(), result("food", [(0, 0, 10, 10, 0.5)])], 0.5)
    assert mask.mask is not None
    assert len(boxes) == 1


def test_supervision_gets_a_mask_for_each_class_but_the_background() -> None:
    pytest.importorskip("supervision")
    found = segmented().to_supervision()
    assert found.class_id.tolist() == [2]
    assert found.mask.sum() == 50 * 18
    assert found.xyxy.tolist() == [[75, 0, 92, 49]]
    assert list(found.data["class_name"]) == ["dog"]
