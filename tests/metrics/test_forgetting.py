import math

import numpy as np
import pytest
from builders.error_kind import MAE, MeanError
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.contracts.score import Score
from polyhead.errors import PolyheadError
from polyhead.kinds import kind_of
from polyhead.metrics.forgetting import combined_score, drop, rank_by, ranked_title, score_history

SEG = kind_of("segmentation")
KINDS = {"seg": SEG, "det": kind_of("detection")}
FRACTION = st.floats(0.01, 1)
ROWS = [
    {"stage": "0", "epoch": "0", "val/seg/miou": "0.4", "val/seg/accuracy": "0.9", "val/det/ap50": ""},
    {"stage": "0", "epoch": "1", "val/seg/miou": "0.6", "val/seg/accuracy": "0.8", "val/det/ap50": ""},
    {"stage": "0", "epoch": "2", "val/seg/miou": "0.5", "val/seg/accuracy": "0.9", "val/det/ap50": ""},
    {"stage": "1", "epoch": "0", "val/seg/miou": "0.1", "val/seg/accuracy": "0.9", "val/det/ap50": "0.9"},
    {"stage": "1", "epoch": "1", "val/seg/miou": "0.5", "val/seg/accuracy": "0.9", "val/det/ap50": "0.4"},
]


def combined(*values: float, score: Score = SEG.main) -> float:
    return combined_score({str(task): (score, value) for task, value in enumerate(values)})


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
        combined(*(score / baseline for score, baseline in zip(each, baselines, strict=False)))
        for each in (scores, other)
    ]
    difference = combined(*scores) - combined(*other)
    assert abs(difference) < 1e-9 or (relative[0] > relative[1]) == (difference > 0)


def test_a_task_with_score_0_does_not_hide_the_others() -> None:
    assert combined(0.5, 0.0) < combined(0.6, 0.0)
    assert combined(0.5, -0.3, score=MAE) < combined(0.6, -0.3, score=MAE)


@settings(max_examples=50)
@given(
    low=st.floats(-1e4, 1, allow_subnormal=False),
    gain=st.floats(1e-3, 1),
    other=st.floats(-1e4, 1, allow_subnormal=False),
)
def test_a_higher_skill_is_better_also_below_the_dummy_baseline(low: float, gain: float, other: float) -> None:
    assert combined(low, other, score=MAE) < combined(low + gain, other, score=MAE)


def test_skills_of_known_models_are_averaged_as_scores_are_and_nan_is_worst() -> None:
    assert combined(0.5, 0.8, score=MAE) == combined(0.5, 0.8) == pytest.approx(math.sqrt(0.4))
    assert combined(math.nan, 0.9, score=MAE) < combined(-1e6, 0.9, score=MAE)
    assert combined(math.nan) < combined(0.0), "else an epoch without a score would be the best for ever"
    assert combined(0.9, math.nan) < combined(0.0, 0.0)


def test_epochs_are_ranked_by_the_main_score_or_by_its_skill() -> None:
    assert rank_by(SEG, {"miou": 0.4, "pixel_accuracy": 0.9}) == (SEG.main, 0.4)
    assert rank_by(MeanError(), {"mae": 3.0, "bias": 0.1, "skill": 0.25}) == (MAE, 0.25)
    assert (ranked_title(SEG), ranked_title(MeanError())) == ("mIoU", "skill")


def test_the_history_is_that_of_the_selected_weights() -> None:
    """In stage 1, epoch 1 is selected: .5 x .4 is more than .1 x .9."""
    found = score_history(ROWS, KINDS)
    assert found.tasks == ["seg", "det"]
    np.testing.assert_equal(found.scores, [[0.6, np.nan], [0.5, 0.4]])
    np.testing.assert_equal(found.learned, [0.6, 0.4])
    assert found.backward_transfer == pytest.approx(-0.1)
    assert found.forward_transfer({"det": 0.3, "seg": 0.7}) == pytest.approx(0.1)
    assert np.isnan(found.forward_transfer({}))


def test_the_column_selected_says_which_weights_were_selected() -> None:
    """The last epoch with ``checkpoint: last``; without the column, the best epoch."""
    last = score_history([{**row, "selected": "1"} for row in ROWS[:3]], KINDS)
    np.testing.assert_equal(last.scores, [[0.5]])
    best = score_history([{**row, "selected": flag} for row, flag in zip(ROWS[:3], "100", strict=True)], KINDS)
    np.testing.assert_equal(best.scores, [[0.4]])


def test_a_stage_that_selects_no_epoch_ends_on_the_weights_of_the_stage_before() -> None:
    rows = [{**ROWS[0], "selected": "1"}, {**ROWS[1], "stage": "1", "selected": "0"}]
    found = score_history(rows, KINDS)
    np.testing.assert_equal(found.scores, [found.scores[0], found.scores[0]])


def test_one_stage_has_forgotten_nothing() -> None:
    assert np.isnan(score_history(ROWS[:3], KINDS).backward_transfer)


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
    found = score_history(rows, KINDS)
    assert found.tasks == ["seg", "det"]
    np.testing.assert_equal(found.learned, [0.8, 0.5])
    np.testing.assert_equal(found.is_earlier, [True, False])
    assert found.backward_transfer == pytest.approx(-0.4)
    assert not score_history(rows[:2], KINDS).is_earlier.any()
    assert np.isnan(score_history(rows[:2], KINDS).backward_transfer)


def test_without_a_score_there_is_no_history() -> None:
    with pytest.raises(PolyheadError, match=r"results\.csv has no validation score\. Train the run"):
        score_history([{"stage": "0", "epoch": "0", "val/seg/class": "1.0"}], KINDS)


def test_where_lower_is_better_the_history_has_the_skill() -> None:
    """Epoch 1 has the best skill; the last one is far below the dummy baseline."""
    errors, skills = ("5.0", "2.0", "90.0"), ("0.375", "0.75", "-10.25")
    rows = [
        {"stage": "0", "val/age/mae": error, "val/age/bias": "1.0", "val/age/skill": skill}
        for error, skill in zip(errors, skills, strict=True)
    ]
    found = score_history(rows, {"age": MeanError()})
    assert found.tasks == ["age"]
    np.testing.assert_equal(found.scores, [[0.75]])


@settings(max_examples=30)
@given(score=FRACTION, baseline=FRACTION)
def test_a_drop_is_the_fraction_that_was_lost(score: float, baseline: float) -> None:
    lost = drop(score, baseline)
    assert lost is not None
    assert baseline * (1 - lost) == pytest.approx(score)


@pytest.mark.parametrize("baseline", [0.0, -0.5, math.nan])
def test_a_drop_from_a_baseline_that_is_not_above_0_is_not_defined(baseline: float) -> None:
    assert drop(0.1, baseline) is None
