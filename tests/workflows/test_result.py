"""Results of one image: several heads, masks, drawing and export."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from polyhead.errors import PolyheadError
from polyhead.kinds import kind_of
from polyhead.plotting.draw import color
from polyhead.types import Detections, Labels, Mask
from polyhead.workflows.result import Result, best_of_heads, plot, table


def gray() -> Image.Image:
    return Image.new("RGB", (100, 50), (100, 100, 100))


def result(task: str, rows: list[tuple[float, float, float, float, float]]) -> Result:
    """Return a result with one class, from rows x1, y1, x2, y2, score."""
    table = torch.tensor(rows).reshape(-1, 5)
    found = Detections(table[:, :4], table[:, 4], torch.zeros(len(rows), dtype=torch.int64))
    return Result("0", task, found, ["thing"], kind_of("detection"), gray)


def test_the_best_box_of_two_heads_stays() -> None:
    pets = result("pets", [(0, 0, 10, 10, 0.9), (1, 0, 11, 10, 0.8), (50, 50, 60, 60, 0.3)])
    food = result("food", [(50, 50, 60, 61, 0.7), (0, 0, 10, 11, 0.6), (80, 80, 90, 90, 0.1)])
    first, second = best_of_heads([pets, food], 0.5)
    assert first.scores.tolist() == [
        np.float32(0.9),
        np.float32(0.8),
    ]  # boxes of the same head do not suppress each other
    assert second.scores.tolist() == [np.float32(0.7), np.float32(0.1)]
    assert first.boxes.shape == (2, 4)
    assert len(pets) == len(food) == 3


def test_empty_results_and_classifiers_are_not_changed() -> None:
    scene = Result("0", "scene", Labels(torch.ones(2)), ["day", "night"], kind_of("classification"), gray)
    best = best_of_heads([scene, result("food", [])], 0.5)
    assert [len(each) for each in best] == [2, 0]


def test_of_equal_scores_the_first_stays() -> None:
    rows = [(0.0, 0.0, 10.0, 10.0, 0.5)]
    assert [len(each) for each in best_of_heads([result("a", rows), result("b", rows)], 0.5)] == [1, 0]


def segmented() -> Result:
    """Return a mask of 75 % background, 18 % dog, and a strip without prediction."""
    mask = torch.zeros(50, 100, dtype=torch.uint8)
    mask[:, 75:93] = 2
    mask[:, 93:] = 255
    return Result("0", "pets", Mask(mask), ["background", "cat", "dog"], kind_of("segmentation"), gray)


def test_a_mask_is_described_by_fractions() -> None:
    result = segmented()
    assert str(result) == "background 75 %, dog 18 %"
    assert result.image_level
    assert result.labels == ["background", "dog"]
    assert result.to_json() == {
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


def test_a_mask_is_drawn_over_the_image_with_the_boxes_of_other_heads() -> None:
    drawn = np.array(segmented().plot())
    assert (drawn[2, :74] == 100).all()
    assert (drawn[2, 76:92] == [round((100 + channel) / 2) for channel in color(2)]).all()
    assert (drawn[2, 94:] == 100).all()
    boxes = result("food", [(10, 5, 40, 20, 0.9)])
    both = np.array(plot([segmented(), boxes]))
    assert (both == color(3)).all(2).sum() > 50  # the box has a color after those of the mask's three classes
    assert (both[2, 76:92] == drawn[2, 76:92]).all()


def test_boxes_have_the_colors_of_their_classes_or_of_their_heads() -> None:
    boxes = result("food", [(10, 5, 40, 20, 0.9), (50, 5, 80, 20, 0.8)])
    one = replace(boxes, prediction=boxes.prediction._replace(labels=torch.arange(2)), names=["apple", "pear"])
    other = result("toys", [(10, 25, 40, 40, 0.9)])

    def shown(*results: Result) -> list[bool]:
        pixels = np.array(plot(results))
        return [bool((pixels == color(number)).all(2).any()) for number in range(3)]

    assert shown(one) == [True, True, False]
    assert shown(one, other) == [True, True, False]
    assert shown(one, result("toys", [])) == [True, False, False]


def test_a_saved_mask_holds_class_indices(tmp_path: Path) -> None:
    saved = segmented().save_mask(tmp_path / "a.png")
    assert saved.to_json()["mask"] == str(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as file:
        assert file.mode == "P"
        assert (np.array(file) == saved.mask).all()
        assert tuple(np.array(file.convert("RGB"))[0, 80]) == color(2)
    with pytest.raises(PolyheadError, match=r"a mask needs a lossless format\. Use the suffix \.png"):
        saved.save_mask(tmp_path / "a.jpg")
    with pytest.raises(PolyheadError, match="task 'food' has no mask to save"):
        result("food", []).save_mask(tmp_path / "b.png")


def test_masks_are_not_changed_by_the_best_of_heads() -> None:
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


def test_an_input_that_cannot_be_drawn_has_no_plot() -> None:
    text = replace(result("food", []), drawing=lambda: None)
    assert plot([text]) is None
    with pytest.raises(PolyheadError, match=r"task 'food': its inputs cannot be drawn\. Use to_json or to_df\."):
        text.plot()
