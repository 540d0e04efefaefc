import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.errors import PolyheadError
from polyhead.metrics.forgetting import combined_score, drop, score_history

FRACTION = st.floats(0.01, 1)
ROWS = [
    {"stage": "0", "epoch": "0", "val/seg/miou": "0.4", "val/seg/accuracy": "0.9", "val/det/ap50": ""},
    {"stage": "0", "epoch": "1", "val/seg/miou": "0.6", "val/seg/accuracy": "0.8", "val/det/ap50": ""},
    {"stage": "0", "epoch": "2", "val/seg/miou": "0.5", "val/seg/accuracy": "0.9", "val/det/ap50": ""},
    {"stage": "1", "epoch": "0", "val/seg/miou": "0.1", "val/seg/accuracy": "0.9", "val/det/ap50": "0.9"},
    {"stage": "1", "epoch": "1", "val/seg/miou": "0.5", "val/seg/accuracy": "0.9", "val/det/ap50": "0.4"},
]


@settings(max_examples=50)
@given(
    scores=st.lists(FRACTION, min_size=1, max_size=4),
    other=st.lists(FRACTION, min_size=4, max_size=4),
    baselines=st.lists(st.floats(0.1, 1), min_size=4, max_size=4),
)
def test_the_best_of_several_tasks_is_best_relative_to_any_baselines(
    scores: list[float], other: list[float], baselines: list[float]
) -> None:
    other = other[: len(scores)]
    relative = [
        combined_score([score / baseline for score, baseline in zip(each, baselines, strict=False)])
        for each in (scores, other)
    ]
    difference = combined_score(scores) - combined_score(other)
    assert abs(difference) < 1e-9 or (relative[0] > relative[1]) == (difference > 0)


def test_a_task_with_score_0_does_not_hide_the_others() -> None:
    assert combined_score([0.5, 0.0]) < combined_score([0.6, 0.0])


def test_the_history_is_that_of_the_selected_weights() -> None:
    """In stage 1, epoch 1 is selected: .5 x .4 is more than .1 x .9."""
    found = score_history(ROWS)
    assert found.tasks == ["seg", "det"]
    np.testing.assert_equal(found.scores, [[0.6, np.nan], [0.5, 0.4]])
    np.testing.assert_equal(found.learned, [0.6, 0.4])
    assert found.backward_transfer == pytest.approx(-0.1)
    assert found.forward_transfer({"det": 0.3, "seg": 0.7}) == pytest.approx(0.1)
    assert np.isnan(found.forward_transfer({}))


def test_the_column_selected_says_which_weights_were_selected() -> None:
    """The last epoch with ``checkpoint: last``; without the column, the best epoch."""
    last = score_history([{**row, "selected": "1"} for row in ROWS[:3]])
    np.testing.assert_equal(last.scores, [[0.5]])
    best = score_history([{**row, "selected": flag} for row, flag in zip(ROWS[:3], "100", strict=True)])
    np.testing.assert_equal(best.scores, [[0.4]])


def test_one_stage_has_forgotten_nothing() -> None:
    assert np.isnan(score_history(ROWS[:3]).backward_transfer)


def test_a_task_that_is_trained_twice_has_its_score_after_the_last_time() -> None:
    """First with a frozen backbone, then all of it: its score in between is neither forgetting nor transfer."""
    trained = [{"train/seg/class": "0.3"}, {"train/seg/class": "0.2"}, {"train/det/box": "1.0"}]
    scores = [{"val/seg/miou": "0.2"}, {"val/seg/miou": "0.8"}, {"val/seg/miou": "0.4", "val/det/ap50": "0.5"}]
    rows = [
        {
            "stage": str(stage),
            "train/continual/replay/seg/class": "0.1" if stage == 2 else "",
            "train/loss": "1.0",
            **one,
            **two,
        }
        for stage, (one, two) in enumerate(zip(trained, scores, strict=True))
    ]
    found = score_history(rows)
    assert found.tasks == ["seg", "det"]
    np.testing.assert_equal(found.learned, [0.8, 0.5])
    np.testing.assert_equal(found.is_earlier, [True, False])
    assert found.backward_transfer == pytest.approx(-0.4)
    assert not score_history(rows[:2]).is_earlier.any()
    assert np.isnan(score_history(rows[:2]).backward_transfer)


def test_without_a_score_there_is_no_history() -> None:
    with pytest.raises(PolyheadError, match=r"results\.csv has no validation score\. Train the run"):
        score_history([{"stage": "0", "epoch": "0", "val/seg/class": "1.0"}])


@settings(max_examples=30)
@given(score=FRACTION, baseline=FRACTION)
def test_a_drop_is_the_fraction_that_was_lost(score: float, baseline: float) -> None:
    assert baseline * (1 - drop(score, baseline)) == pytest.approx(score)


def test_a_drop_from_0_is_not_defined() -> None:
    with pytest.raises(PolyheadError, match=r"a baseline of 0 is not defined \(expected a score above 0"):
        drop(0.1, 0.0)
