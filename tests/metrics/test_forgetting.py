import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.errors import PolyheadError
from polyhead.metrics.forgetting import course, drop, together

SHARE = st.floats(0.01, 1)
ROWS = [
    {"stage": "0", "epoch": "0", "val/seg/miou": "0.4", "val/seg/accuracy": "0.9", "val/det/ap50": ""},
    {"stage": "0", "epoch": "1", "val/seg/miou": "0.6", "val/seg/accuracy": "0.8", "val/det/ap50": ""},
    {"stage": "0", "epoch": "2", "val/seg/miou": "0.5", "val/seg/accuracy": "0.9", "val/det/ap50": ""},
    {"stage": "1", "epoch": "0", "val/seg/miou": "0.1", "val/seg/accuracy": "0.9", "val/det/ap50": "0.9"},
    {"stage": "1", "epoch": "1", "val/seg/miou": "0.5", "val/seg/accuracy": "0.9", "val/det/ap50": "0.4"},
]


@settings(max_examples=50)
@given(
    scores=st.lists(SHARE, min_size=1, max_size=4),
    other=st.lists(SHARE, min_size=4, max_size=4),
    baselines=st.lists(st.floats(0.1, 1), min_size=4, max_size=4),
)
def test_the_best_of_several_tasks_is_best_relative_to_any_baselines(
    scores: list[float], other: list[float], baselines: list[float]
) -> None:
    other = other[: len(scores)]
    relative = [
        together([score / baseline for score, baseline in zip(each, baselines, strict=False)])
        for each in (scores, other)
    ]
    difference = together(scores) - together(other)
    assert abs(difference) < 1e-9 or (relative[0] > relative[1]) == (difference > 0)


def test_a_task_that_knows_nothing_yet_does_not_hide_the_others() -> None:
    assert together([0.5, 0.0]) < together([0.6, 0.0])


def test_the_course_is_that_of_the_weights_which_were_kept() -> None:
    """In stage 1 epoch 1 was kept: .5 x .4 is more than .1 x .9."""
    found = course(ROWS)
    assert found.tasks == ["seg", "det"]
    np.testing.assert_equal(found.scores, [[0.6, np.nan], [0.5, 0.4]])
    np.testing.assert_equal(found.learnt, [0.6, 0.4])
    assert found.backward == pytest.approx(-0.1)
    assert found.forward({"det": 0.3, "seg": 0.7}) == pytest.approx(0.1)
    assert np.isnan(found.forward({}))


def test_a_run_says_itself_which_weights_were_kept() -> None:
    """The last epoch's where the stage was told so; older runs do not say, and kept the best."""
    last = course([{**row, "kept": "1"} for row in ROWS[:3]])
    np.testing.assert_equal(last.scores, [[0.5]])
    best = course([{**row, "kept": kept} for row, kept in zip(ROWS[:3], "100", strict=True)])
    np.testing.assert_equal(best.scores, [[0.4]])


def test_one_stage_has_forgotten_nothing() -> None:
    assert np.isnan(course(ROWS[:3]).backward)


def test_a_task_that_is_taught_twice_has_learnt_when_it_was_taught_last() -> None:
    """First with its backbone frozen, then all of it: what it scored in between is no loss, and no gain of others."""
    taught = [{"train/seg/class": "0.3"}, {"train/seg/class": "0.2"}, {"train/det/box": "1.0"}]
    scores = [{"val/seg/miou": "0.2"}, {"val/seg/miou": "0.8"}, {"val/seg/miou": "0.4", "val/det/ap50": "0.5"}]
    rows = [
        {
            "stage": str(stage),
            "train/keep/replay/seg/class": "0.1" if stage == 2 else "",
            "train/loss": "1.0",
            **one,
            **two,
        }
        for stage, (one, two) in enumerate(zip(taught, scores, strict=True))
    ]
    found = course(rows)
    assert found.tasks == ["seg", "det"]
    np.testing.assert_equal(found.learnt, [0.8, 0.5])
    np.testing.assert_equal(found.older, [True, False])
    assert found.backward == pytest.approx(-0.4)
    assert not course(rows[:2]).older.any()
    assert np.isnan(course(rows[:2]).backward)


def test_without_a_score_there_is_no_course() -> None:
    with pytest.raises(PolyheadError, match=r"results\.csv has no validation score; train the run"):
        course([{"stage": "0", "epoch": "0", "val/seg/class": "1.0"}])


@settings(max_examples=30)
@given(score=SHARE, baseline=SHARE)
def test_a_drop_is_the_part_that_is_missing(score: float, baseline: float) -> None:
    assert baseline * (1 - drop(score, baseline)) == pytest.approx(score)


def test_nothing_can_be_lost_of_nothing() -> None:
    with pytest.raises(PolyheadError, match="a baseline of 0 has nothing to lose; expected a score above 0"):
        drop(0.1, 0.0)
