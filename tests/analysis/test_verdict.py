"""Each rule of the verdict applies when its numbers say so, and not otherwise."""

from typing import Any

import pytest
from builders.error_kind import MeanError

from polyhead.analysis.verdict import verdict
from polyhead.contracts import classes

POINT = {
    "chosen_on": "val",
    "goal": "f1",
    "threshold": 0.1,
    "precision": [0.4, 0.3, 0.5],
    "recall": [0.4, 0.3, 0.5],
    "cross_fitted": False,
}


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


def test_warnings_of_the_data_that_make_scores_doubtful_are_repeated() -> None:
    found = {"same-folder": "data.yaml: the same 8 images are named for train and val", "license": "unknown"}
    assert say(score=0.5, warnings=found) == f"person:\n  score 0.500.\n  Warning of the data: {found['same-folder']}."
    assert say(score=0.5, warnings={"license": "unknown"}) == say(score=0.5, warnings=None) == say(score=0.5)


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


def test_wide_interval() -> None:
    assert "The interval is 0.200 wide with 20 images" in say(score=0.5, interval=[0.4, 0.6], images=20)
    assert "wide" not in say(score=0.5, interval=[0.46, 0.54], images=20)


def test_few_images_are_inconclusive_even_with_a_narrow_interval() -> None:
    dummy = {"name": "the background", "score": 0.1}
    sentences = say(score=0.5, interval=[0.5, 0.5], images=2, dummy_baseline=dummy)
    assert "the model is better, but the result is inconclusive with so few images" in sentences
    assert "2 images are too few for a reliable interval: the printed one is too narrow. Add more." in sentences
    assert "whole interval is above" in say(score=0.5, interval=[0.5, 0.5], images=10, dummy_baseline=dummy)


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
    flat = {"train": [4.0] * 4, "val": [4.0] * 4, "score": [0.5] * 4, "lr": [0.001] * 4}
    curves = {"history": flat}
    lines = say(kind=name, score=0.5, **numbers, **curves).splitlines()
    assert lines[1] == "  score 0.500."
    assert sentence in lines[2]
    assert "Fewer than 50 training" in lines[3]
    assert "nothing was learned" in lines[4]
    assert say(score=0.5, **numbers) == "person:\n  score 0.500.", "without the kind, nothing explains its numbers"


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "detection": (
        {
            "errors": {"found": 5, "objects": 20, "counts": {}, "confusions": [["cup", "jar", 9], ["jar", "cup", 7]]},
            "classes": {"cup": {"objects": 10}, "jar": {"objects": 10}},
        },
        "cup and jar seem to be exchanged: 90% of cup is predicted as jar, and 70% of jar as cup. Check the labels",
    ),
    "segmentation": (
        {"confusions": [["jar", "cup", 0.8], ["cup", "jar", 0.9]]},
        "cup and jar seem to be exchanged: 90% of cup is predicted as jar, and 80% of jar as cup. Check the labels",
    ),
    "classification": (
        {"train_images": {"cup": 0, "jar": 200}, "classes": {"cup": {"images": 7}, "jar": {"images": 9}}},
        "No training images of classes that the test images show: cup (7 images). The model cannot predict them",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_data_is_reported_in_place_of_what_the_learning_curves_show(name: str) -> None:
    numbers, sentence = FAULTS[name]
    flat = {"train": [4.0] * 4, "val": [4.0] * 4, "score": [0.5] * 4, "lr": [0.001] * 4}
    sentences = say(kind=name, score=0.5, split="test", history=flat, **numbers)
    assert sentence in sentences
    assert "nothing was learned" not in sentences


def test_a_class_that_is_predicted_as_another_one_is_not_exchanged_with_it() -> None:
    for confusions in ([["cup", "jar", 0.9]], [["cup", "jar", 0.9], ["jar", "cup", 0.5]]):
        assert "exchanged" not in say(kind="classification", score=0.5, confusions=confusions)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        (
            {"errors": {"found": 0, "objects": 25, "counts": {}}},
            "finds none of 25 objects with a score of 0.25 or more",
        ),
        (
            {"errors": {"found": 1, "objects": 25, "counts": {}}},
            "the model is only 0.008 better, so it is not usable yet",
        ),
        ({}, "the model is only 0.008 better"),
        (
            {"errors": {"found": 0, "objects": 25, "counts": {}}, "operating": POINT | {"f1": [0.3, 0.05, 0.6]}},
            "finds none of 25 objects with a score of 0.25 or more",
        ),
        (
            {"errors": {"found": 0, "objects": 25, "counts": {}}, "operating": POINT | {"f1": [0.3, 0.2, 0.6]}},
            "the model is only 0.008 better, so it is not usable yet",
        ),
    ],
)
def test_a_model_that_finds_next_to_nothing_is_not_praised(numbers: dict[str, Any], words: str) -> None:
    dummy = {"name": "mean boxes", "score": 0.0}
    sentences = say(kind="detection", score=0.008, interval=[0.001, 0.038], images=25, dummy_baseline=dummy, **numbers)
    assert words in sentences
    assert "above the baseline" not in sentences


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


def test_the_width_of_an_interval_is_relative_to_the_dummy_baseline_where_lower_is_better(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dummy = {"name": "the mean", "score": 100.0}
    narrow = say_lower(monkeypatch, score=50.0, interval=[46.0, 54.0], images=20, dummy_baseline=dummy)
    assert "wide" not in narrow
    wide = say_lower(monkeypatch, score=50.0, interval=[40.0, 60.0], images=20, dummy_baseline=dummy)
    assert "The interval is 20.000 wide with 20 images" in wide


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        ([0.1, 0.02, 0.2], "changed that by +0.100 (90 % interval +0.020 to +0.200): the trained model is better."),
        ([-0.1, -0.2, -0.02], "the trained model is worse, so keep the pretrained weights."),
        (
            [0.01, -0.02, 0.03],
            "the difference is not significant, so keep the pretrained weights, or train on more images.",
        ),
    ],
)
def test_weights_that_training_did_not_improve_are_preferred(difference: list[float], words: str) -> None:
    before = {"score": 0.4, "interval": [0.3, 0.5], "difference": difference}
    text = say(kind="detection", metric="AP50", score=0.5, zero_shot=before)
    assert "As they were before this training, the pretrained weights have AP50 0.400; training changed" in text
    assert words in text
