"""Each rule about the learning curves applies when its numbers say so, and not otherwise; only one applies."""

from typing import Any

import pytest
from builders.error_kind import MeanError
from hypothesis import given
from hypothesis import strategies as st

from polyhead.analysis.learning_curves import Curves, Outcome, cause, history, selection
from polyhead.kinds import kind_of

DETECTION = kind_of("detection")
FALLING = [4.0, 3.0, 2.0, 1.0]


def say(train: list[float], outcome: Outcome | None = None, **curves: Any) -> str:
    """Return the cause; where not given, val losses fall and scores stay."""
    count = len(train)
    given_curves = {"val": [1 / (1 + epoch) for epoch in range(count)], "score": [0.5] * count, "lr": [0.01] * count}
    return cause(Curves(train, **{**given_curves, **curves}), Outcome() if outcome is None else outcome)


def test_a_good_training_has_no_cause() -> None:
    assert say(FALLING) == ""
    assert say([]) == ""


@pytest.mark.parametrize(
    ("train", "words"),
    [
        ([1.6, 0.9, 1.4, 0.5], "rose from 0.9 in epoch 2 to 1.4 in epoch 3"),
        ([1.6, 2.4, 1.4, 0.5], "rose from 1.6 in epoch 1 to 2.4 in epoch 2"),
        ([4.0, 9.0, 3.0, 2.9], "rose from 4 in epoch 1 to 9 in epoch 2"),
        ([4.0, 1.0, 1.3, 0.5], ""),
        ([4.0, 2.5, 3.0, 2.0], ""),
        ([4.0, 0.01, 0.05, 0.01], ""),
        ([-1.0, -2.0, 1.0, -3.0], ""),
    ],
)
def test_a_learning_rate_that_is_too_high(train: list[float], words: str) -> None:
    """A loss near zero, or one that may be negative, is not judged by its rise."""
    sentence = say(train)
    assert words in sentence
    assert ("the learning rate is too high (lr was 0.01). Try lr=0.002." in sentence) == bool(words)


def test_a_later_stage_is_judged_beside_the_first_loss_of_all() -> None:
    """Losses near zero that double are noise where an earlier stage began at 2."""
    near_zero: dict[str, Any] = {"train": [0.001, 0.0003, 0.02, 0.01], "val": [0.008, 0.008, 0.02, 0.03]}
    assert "learning rate is too high" in say(**near_zero)
    assert say(**near_zero, first_train=2.0, first_val=2.0) == ""
    hot = say([4.0, 2.0, 9.0, 8.0], stage=1, earlier=10)
    assert hot.endswith("(lr was 0.01). Try stages.1.lr=0.002."), "as it is typed"
    assert say([4.0, 3.9], earlier=10) == "", "a short stage after a long one is no short training"
    level = [0.01, 0.0101, 0.0099, 0.0098]
    assert "nothing was learned" in say(level)
    assert say(level, first_train=2.0, first_val=2.0) == ""
    assert "overfits" in say([2.0, 1.5, 1.0, 0.5], val=[0.8, 0.8, 1.0, 1.3], first_train=3.0, first_val=2.0)


def test_a_rising_training_loss_is_not_called_overfitting() -> None:
    assert "overfits" not in say([1.6, 0.9, 1.4, 0.5], val=[1.0, 0.8, 1.2, 1.6])


@pytest.mark.parametrize(
    ("train", "skill", "words"),
    [
        ([4.0, 4.1, 3.9, 3.8], 0.4, "went from 4 in epoch 1 to 3.8 in epoch 4, so nothing was learned"),
        ([8.0, 2.4, 2.3, 2.3], 0.01, "went from 2.3 in epoch 3 to 2.3 in epoch 4, so nothing was learned"),
        ([4.0, 4.1, 3.9, 3.8], 0.5, ""),
        ([8.0, 2.4, 2.3, 2.3], 0.5, ""),
        ([8.0, 2.4, 2.3, 2.3], None, ""),
    ],
)
def test_nothing_learned(train: list[float], skill: float | None, words: str) -> None:
    sentence = say(train, Outcome(skill))
    assert words in sentence
    assert bool(sentence) == bool(words)


@pytest.mark.parametrize(
    ("train", "skill", "sentence"),
    [
        ([4.0], 0.1, "Only 1 epoch was trained: train longer."),
        ([4.0, 3.9], 0.1, "Only 2 epochs were trained, in which the training loss went from 4 to 3.9: train longer."),
        ([4.0, 3.9], None, "Only 2 epochs were trained, in which the training loss went from 4 to 3.9: train longer."),
        ([4.0, 3.9], 0.95, ""),
    ],
)
def test_few_epochs_are_only_called_that(train: list[float], skill: float | None, sentence: str) -> None:
    assert say(train, Outcome(skill), val=[1.0] + [9.0] * (len(train) - 1)) == sentence


@pytest.mark.parametrize(
    ("scores", "width", "applies"),
    [
        ([0.1, 0.2, 0.3, 0.4], 0.0, True),
        ([0.1, None, 0.3, 0.4], 0.0, False),
        ([0.1, 0.3, 0.4, 0.35], 0.0, False),
        ([0.1, 0.3, 0.4, 0.41], 0.0, False),
        ([0.1, 0.3, 0.4, 0.45], 0.4, False),
    ],
)
def test_still_improving(scores: list[float | None], width: float, applies: bool) -> None:
    """A gain that is small, or smaller than a quarter of the interval, may be noise."""
    sentence = say(FALLING, Outcome(0.5, width), score=scores)
    expected = (
        "The val score was still improving at the end: 0.3 on average in the second last quarter of the 4 epochs, 0.4 "
        "in the last one. Train longer."
    )
    assert sentence == (expected if applies else "")


def test_a_score_that_rises_while_the_training_loss_stays_is_noise() -> None:
    assert say([4.0, 2.0, 1.0, 0.98], score=[0.1, 0.2, 0.3, 0.4]) == ""


@pytest.mark.parametrize(
    ("scores", "applies"),
    [([9.0, 8.0, 5.0, 4.0], True), ([9.0, 4.0, 3.0, 3.5], False), ([9.0, 8.0, 4.0, 3.99], False)],
)
def test_still_improving_where_lower_is_better(scores: list[float], applies: bool) -> None:
    sentence = say(FALLING, Outcome(0.5, 0.0, higher_is_better=False), score=scores)
    assert ("which is better when lower, was still improving at the end: 5 on average" in sentence) == applies


@pytest.mark.parametrize(
    ("val", "words"),
    [
        (
            [3.0, 2.0, 2.5, 3.0],
            "from epoch 2 to epoch 4 the val loss rose from 2 to 3 while the training loss fell from 3",
        ),
        ([3.0, 2.0, None, 3.0], "from epoch 2 to epoch 4 the val loss rose"),
        ([3.0, 2.5, 2.2, 2.0], ""),
        ([3.0, 2.0, 2.1, 2.1], ""),
        ([3.0, 0.05, 0.06, 0.07], ""),
        ([None, None, None, None], ""),
    ],
)
def test_overfitting(val: list[float | None], words: str) -> None:
    sentence = say(FALLING, val=val)
    assert words in sentence
    assert ("The model overfits" in sentence) == bool(words)


LOSSES = st.lists(st.floats(0.01, 100), min_size=1, max_size=12)


@given(LOSSES, st.randoms(use_true_random=False))
def test_any_curves_have_at_most_one_cause_whose_numbers_are_theirs(train: list[float], random: Any) -> None:
    val, score = ([random.random() for _ in train] for _ in range(2))
    sentence = say(train, Outcome(random.random()), val=val, score=score)
    assert sentence.count("epoch") == 0 or sentence.endswith(".")
    if "overfits" in sentence:
        assert val[-1] > min(val)
    if "too high" in sentence:
        assert max(train) > min(train)


def test_history_reads_results_csv() -> None:
    rows = [
        {"stage": "0", "train/loss": "9", "train/food/box": "1.5", "train/food/class": "2", "lr": "0.1"},
        {"stage": "0", "train/food/box": "1", "train/food/class": "1", "val/food/box": "2", "val/food/ap50": ".25"},
    ]
    curves = history(rows, "food", DETECTION)
    assert curves._replace(lr=[]) == Curves([3.5, 2.0], [None, 2.0], [None, 0.25], [])
    assert curves.lr[0] == 0.1
    assert history(rows, "shapes", DETECTION) == Curves([], [], [], [])


def test_history_is_of_the_last_stage_that_trained_a_task() -> None:
    """A loss weight five times as large is not a rising loss; and a task that is not trained does not overfit."""
    epochs = [("0", "1", "2", ".1"), ("1", "5", "2", ".2"), ("1", "4", "1", ".3"), ("2", "", "3", ".2")]
    names = ("stage", "train/food/box", "val/food/box", "val/food/ap50")
    rows = [{**dict(zip(names, row, strict=True)), "lr": "1"} for row in epochs]
    assert history(rows, "food", DETECTION) == Curves([5, 4], [2, 1], [0.2, 0.3], [1, 1], 1, 2, 1, 1)


def test_history_has_the_selected_epoch_and_the_planned_number_of_epochs() -> None:
    selected = ["0", "1", "0", "0", "0"]
    rows = [
        {"stage": stage, "lr": "1", "train/food/box": "1", "selected": each}
        for stage, each in zip("00111", selected, strict=True)
    ]
    curves = history(rows, "food", DETECTION, [{"epochs": 2}, {"epochs": 9}])
    assert (curves.selected, curves.planned) == (None, 9), "no epoch of the last stage was better"
    rows[3]["selected"] = "1"
    assert history(rows, "food", DETECTION).selected == 1
    assert history(rows, "food", DETECTION).planned is None


def test_the_selection_is_reported_with_its_gap_and_what_was_spared() -> None:
    curves = Curves([4, 3, 2, 1], [4, 3.5, 3.6, 3.9], [0.1, 0.2, 0.3, 0.2], [1] * 4, selected=2, planned=10)
    assert selection(curves, ["transforms light", "patience 1"]) == (
        "Epoch 3 of 4 was selected, with a loss of 2 in training and 3.6 on val; at the end they were 1 and 3.9. Early "
        "stopping spared 6 of 10 epochs. Regularization: transforms light, patience 1."
    )
    assert selection(curves._replace(selected=3, planned=4)) == (
        "Epoch 4 of 4 was selected, with a loss of 1 in training and 3.9 on val."
    )
    assert selection(curves._replace(selected=None)) == ""
    assert selection(Curves([4, 3], [4, 3], [0.1, 0.2], [1, 1], selected=1)) == "", "too short"


def test_scores_are_no_losses_and_a_loss_may_be_called_as_a_score_of_another_kind() -> None:
    names = {"train/age/accuracy": "3", "val/age/accuracy": "4", "val/age/mae": "9", "val/age/bias": "1"}
    rows = [{"stage": "0", "lr": "1", "val/age/skill": ".1", **names}]
    assert history(rows, "age", MeanError()) == Curves([3], [4], [9], [1])
