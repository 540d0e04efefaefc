"""Each rule of the verdict applies when its numbers say so, and not otherwise."""

from typing import Any

import pytest
from builders.error_kind import MeanError

from polyhead.analysis.verdict import history, verdict
from polyhead.contracts import classes
from polyhead.kinds import kind_of

DETECTION = kind_of("detection")


def say(**numbers: Any) -> str:
    return verdict({"tasks": {"person": numbers}})


def say_lower(monkeypatch: pytest.MonkeyPatch, **numbers: Any) -> str:
    """Return the verdict on a task whose score is better when lower."""
    monkeypatch.setattr(classes, "ALLOWED", ["polyhead", "builders"])
    return say(kind=MeanError().name, **numbers)


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
    assert history(rows, "food", DETECTION) == {"epochs": [2], "score": [0.25], "train": [3.5, 2.0], "val": [2.0]}
    assert history(rows, "shapes", DETECTION) == {"epochs": [], "score": [], "train": [], "val": []}


def test_history_has_the_losses_of_the_last_stage_that_trained_a_task() -> None:
    """A loss weight five times as large is not a rising loss; and a task that is not trained does not overfit."""
    epochs = [("0", "1", "2", ".1"), ("1", "5", "2", ".2"), ("1", "4", "1", ".3"), ("2", "", "3", ".2")]
    names = ("stage", "train/food/box", "val/food/box", "val/food/ap50")
    rows = [dict(zip(names, row, strict=True)) for row in epochs]
    assert history(rows, "food", DETECTION) == {
        "epochs": [1, 2, 3, 4],
        "score": [0.1, 0.2, 0.3, 0.2],
        "train": [5, 4],
        "val": [2, 1],
    }


def test_scores_are_no_losses_and_a_loss_may_be_called_as_a_score_of_another_kind() -> None:
    rows = [
        {
            "stage": "0",
            "train/age/accuracy": "3",
            "val/age/accuracy": "4",
            "val/age/mae": "9",
            "val/age/bias": "1",
            "val/age/skill": ".1",
        }
    ]
    assert history(rows, "age", MeanError()) == {"epochs": [1], "score": [9], "train": [3], "val": [4]}


FACTS: dict[str, tuple[dict[str, Any], str]] = {
    "detection": (
        {"errors": {"found": 5, "objects": 10, "counts": {"missed": 5, "both": 1}}, "train_objects": {"oven": 3}},
        "Main kind of error: missed",
    ),
    "segmentation": (
        {"confusions": [["cat", "dog", 0.25]], "train_images": {"background": 0, "road": 3}},
        "cat is predicted as dog (25% of its pixels)",
    ),
    "classification": (
        {"confusions": [["cat", "dog", 0.25]], "train_images": {"cat": 3, "dog": 200}},
        "cat is predicted as dog (25% of its images)",
    ),
}


@pytest.mark.parametrize("name", FACTS)
def test_the_kind_of_the_task_reports_its_facts_between_the_score_and_the_learning_curves(name: str) -> None:
    numbers, sentence = FACTS[name]
    curves = {"history": {"train": [4.0, 4.1], "val": [4.0, 5.0]}}
    lines = say(kind=name, score=0.5, **numbers, **curves).splitlines()
    assert lines[1] == "  score 0.500."
    assert sentence in lines[2]
    assert "Fewer than 50 training" in lines[3]
    assert "nothing was learned" in lines[4]
    assert say(score=0.5, **numbers) == "person:\n  score 0.500.", "without the kind, nothing explains its numbers"


@pytest.mark.parametrize(
    ("score", "interval", "dummy", "words"),
    [
        (2.0, [1.5, 2.5], 8.0, "the model is better, and its whole interval is below the baseline"),
        (2.0, [1.5, 2.5], 2.2, "the difference is not significant"),
        (2.0, [1.5, 2.5], 2.0, "learned nothing useful"),
        (2.0, [1.5, 2.5], 0.5, "learned nothing useful"),
        (2.0, None, 8.0, "the model is 6.000 better"),
    ],
)
def test_the_dummy_baseline_where_lower_is_better(
    score: float, interval: list[float] | None, dummy: float, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = {"score": score, "interval": interval, "dummy_baseline": {"name": "the mean", "score": dummy}}
    assert words in say_lower(monkeypatch, **numbers)


@pytest.mark.parametrize(
    ("scores", "applies"),
    [
        ([9.0, 8.0, 5.0, 4.0], True),
        ([9.0, 4.0, 3.0, 3.5], False),
        ([9.0, 8.0, 4.0, 3.99], False),
        ([9.0, 4.0], False),
        ([4.0, 5.0, 8.0, 9.0], False),
    ],
)
def test_still_falling_where_lower_is_better(
    scores: list[float], applies: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    curves = {"train": FALLING, "score": scores, "epochs": [2, 4, 6, 8][: len(scores)]}
    sentences = say_lower(monkeypatch, history=curves)
    assert ("still falling at the end, from 5 before the last quarter to 4 at epoch 8: train longer" in sentences) == (
        applies
    )
    assert ("train longer" in sentences) == applies


def test_the_width_of_an_interval_is_relative_to_the_dummy_baseline_where_lower_is_better(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dummy = {"name": "the mean", "score": 100.0}
    narrow = say_lower(monkeypatch, score=50.0, interval=[46.0, 54.0], images=20, dummy_baseline=dummy)
    assert "wide" not in narrow
    wide = say_lower(monkeypatch, score=50.0, interval=[40.0, 60.0], images=20, dummy_baseline=dummy)
    assert "The interval is 20.000 wide with 20 images" in wide
