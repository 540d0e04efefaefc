"""Each rule of the verdict applies when its numbers say so, and not otherwise."""

from typing import Any

import pytest

from polyhead.analysis.errors import KINDS
from polyhead.analysis.verdict import ADVICE, history, verdict


def say(**numbers: Any) -> str:
    return verdict({"tasks": {"person": numbers}})


def errors(found: int = 5, objects: int = 10, **counts: int) -> dict[str, Any]:
    return {"found": found, "objects": objects, "counts": dict.fromkeys(KINDS, 0) | counts}


def test_without_numbers_there_are_no_results() -> None:
    assert say() == "person:\n  No results."


def test_score_with_all_numbers() -> None:
    sentences = say(score=0.91, metric="AP50", images=50, split="test", interval=[0.88, 0.94])
    assert sentences == "person:\n  AP50 0.910 on 50 test images (90 % interval 0.880 to 0.940)."


def test_score_alone() -> None:
    assert say(score=0.5) == "person:\n  score 0.500."


@pytest.mark.parametrize(
    ("interval", "dummy", "words"),
    [
        ([0.45, 0.55], 0.1, "its whole interval is above the baseline"),
        ([0.45, 0.55], 0.47, "the difference is not significant"),
        ([0.45, 0.55], 0.5, "learned nothing useful"),
        ([0.45, 0.55], 0.9, "learned nothing useful"),
        (None, 0.1, "the model is 0.400 better"),
        ([0.4996, 0.55], 0.4997, "learned nothing useful"),
    ],
)
def test_dummy_baseline(interval: list[float] | None, dummy: float, words: str) -> None:
    numbers: dict[str, Any] = {"score": 0.5, "dummy_baseline": {"name": "the mean boxes everywhere", "score": dummy}}
    if interval:
        numbers["interval"] = interval
    sentences = say(**numbers)
    assert words in sentences
    assert f"The dummy baseline (the mean boxes everywhere) has {dummy:.3f}" in sentences


@pytest.mark.parametrize("kind", KINDS)
def test_main_kind_of_error_has_its_own_advice(kind: str) -> None:
    sentences = say(errors=errors(**dict.fromkeys(KINDS, 1) | {kind: 5}))
    assert f"Main kind of error: {kind} (5 of 10 errors, 50%; 5 of 10 objects found)" in sentences
    assert ADVICE[kind] in sentences


def test_confused_classes_are_named() -> None:
    sentences = say(errors=errors(classification=3) | {"confusions": [["bottle", "cup", 2], ["cup", "bowl", 1]]})
    assert "Most frequent confusion: bottle is detected as cup (2 times)." in sentences


def test_no_errors() -> None:
    assert "No errors: 10 of 10 objects found." in say(errors=errors(found=10))


@pytest.mark.parametrize(
    ("small", "large", "applies"),
    [((3, 40), (45, 50), True), ((30, 40), (45, 50), False), ((0, 5), (45, 50), False), ((0, 40), (0, 0), False)],
)
def test_small_objects(small: tuple[int, int], large: tuple[int, int], applies: bool) -> None:
    sizes = {name: {"found": size[0], "objects": size[1]} for name, size in (("small", small), ("large", large))}
    sentences = say(errors=errors(missed=1) | {"sizes": sizes})
    assert ("3 of 40 below 32 × 32 pixels are found, and 45 of 50 above 96 × 96" in sentences) == applies
    assert ("Small objects" in sentences) == applies


def test_few_objects_are_named_rarest_first() -> None:
    counts = {"oven": 49, "toaster": 4, "sink": 50}
    assert "Fewer than 50 training objects: toaster (4), oven (49); more" in say(train_objects=counts)
    assert "training objects" not in say(train_objects={"sink": 50})
    assert "a (0), b (0), c (0), d (0), e (0) and 2 more;" in say(train_objects=dict.fromkeys("abcdefg", 0))


FALLING = [4.0, 3.0, 2.0, 1.0]


def test_not_learning_is_reported_before_anything_else_of_the_learning_curves() -> None:
    sentences = say(
        history={
            "train": [4.0, 4.1, 3.9, 3.8],
            "val": [4.0, 5.0, 6.0, 7.0],
            "score": [0, 0, 0.1, 0.3],
            "epochs": [1, 2, 3, 4],
        }
    )
    assert "from 4 to 3.8 in 4 epochs" in sentences
    assert "rising" not in sentences
    assert "overfits" not in sentences


@pytest.mark.parametrize(
    ("scores", "applies"),
    [
        ([0.1, 0.2, 0.3, 0.4], True),
        ([0.1, 0.3, 0.4, 0.35], False),
        ([0.1, 0.3, 0.4, 0.401], False),
        ([0.1, 0.4], False),
    ],
)
def test_still_improving(scores: list[float], applies: bool) -> None:
    sentences = say(history={"train": FALLING, "score": scores, "epochs": [2, 4, 6, 8][: len(scores)]})
    assert ("from 0.300 before the last quarter to 0.400 at epoch 8: train longer" in sentences) == applies


@pytest.mark.parametrize(
    ("val", "applies"),
    [
        ([3.0, 2.0, 2.5, 3.0], True),
        ([3.0, 2.5, 2.2, 2.0], False),
        ([3.0, 2.0, 2.1, 2.1], False),
        ([3.0], False),
    ],
)
def test_overfitting(val: list[float], applies: bool) -> None:
    sentences = say(history={"train": FALLING, "val": val})
    assert (
        "since epoch 2 of 4 the val loss rose from 2 to 3 while the training loss fell from 3 to 1" in sentences
    ) == applies
    assert ("overfits" in sentences) == applies


def test_wide_interval() -> None:
    assert "The interval is 0.200 wide with 20 images" in say(score=0.5, interval=[0.4, 0.6], images=20)
    assert "wide" not in say(score=0.5, interval=[0.46, 0.54], images=20)


def test_few_images_are_inconclusive_even_with_a_narrow_interval() -> None:
    dummy = {"name": "the background", "score": 0.1}
    sentences = say(score=0.5, interval=[0.5, 0.5], images=2, dummy_baseline=dummy)
    assert "the model is better, but the result is inconclusive with so few images" in sentences
    assert "2 images are too few for a reliable interval: the printed one is too narrow. Add more." in sentences
    assert "whole interval is above" in say(score=0.5, interval=[0.5, 0.5], images=10, dummy_baseline=dummy)


def test_the_background_of_masks_is_not_a_rare_class() -> None:
    sentences = say(train_images={"background": 0, "road": 3}, pixel_accuracy=0.5)
    assert "Fewer than 50 training images: road (3); more" in sentences


def test_history_reads_results_csv() -> None:
    rows = [
        {
            "stage": "0",
            "epoch": "0",
            "train/loss": "9",
            "train/food/box": "1.5",
            "train/food/class": "2",
            "val/food/box": "",
            "val/food/ap50": "",
        },
        {
            "stage": "0",
            "epoch": "1",
            "train/loss": "9",
            "train/food/box": "1",
            "train/food/class": "1",
            "val/food/box": "2",
            "val/food/ap50": ".25",
        },
    ]
    assert history(rows, "food") == {"epochs": [2], "score": [0.25], "train": [3.5, 2.0], "val": [2.0]}
    assert history(rows, "shapes") == {"epochs": [], "score": [], "train": [], "val": []}


def test_history_has_the_losses_of_the_last_stage_that_trained_a_task() -> None:
    """A loss weight five times as large is not a rising loss; and a task that is not trained does not overfit."""
    epochs = [("0", "1", "2", ".1"), ("1", "5", "2", ".2"), ("1", "4", "1", ".3"), ("2", "", "3", ".2")]
    names = ("stage", "train/food/box", "val/food/box", "val/food/ap50")
    rows = [dict(zip(names, row, strict=True)) for row in epochs]
    assert history(rows, "food") == {
        "epochs": [1, 2, 3, 4],
        "score": [0.1, 0.2, 0.3, 0.2],
        "train": [5, 4],
        "val": [2, 1],
    }


def test_the_most_frequent_confusion_is_named() -> None:
    numbers = {"confusions": [["cat", "dog", 0.25], ["dog", "cat", 0.1]]}
    text = verdict({"tasks": {"pets": numbers}})
    assert "Most frequent confusion: cat is predicted as dog (25% of its images)" in text
    assert "of its pixels" in verdict({"tasks": {"pets": numbers | {"pixel_accuracy": 0.9}}})
    assert "confusion" not in verdict({"tasks": {"pets": {"confusions": []}}})


def test_classes_with_few_images_are_named() -> None:
    text = verdict({"tasks": {"pets": {"train_images": {"cat": 3, "dog": 200}}}})
    assert "Fewer than 50 training images: cat (3); more images" in text
