"""How much of each task a run has lost: relative to numbers, to other runs, and from stage to stage."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders.error_kind import MeanError, Number, Values
from builders.split_targets import split_targets

from polyhead.analysis.forgetting import (
    NOT_DEFINED,
    SINCE_LEARNED,
    ScoreDrop,
    drops_from_baselines,
    drops_since_learned,
    exceeds,
    heat_map,
    parse,
    text,
    transfer,
    transfer_text,
    unscored,
)
from polyhead.analysis.table import compare, rows_of
from polyhead.contracts import classes
from polyhead.contracts.kind import Targets
from polyhead.errors import PolyheadError
from polyhead.metrics.forgetting import ScoreHistory
from polyhead.run import Run, plain, write_rows
from polyhead.types import ClassLabel, Labels

COUNT = 40
TARGETS = split_targets(
    "classification", ["even", "odd"], {str(number): ClassLabel(torch.tensor(number % 2)) for number in range(COUNT)}
)


ENTRY = {"metric": "accuracy", "images": 40}
"""What results.json has for a task beside its score."""


def scored(folder: Path, name: str, **wrong: int) -> str:
    """Make a run that predicts the wrong class for the given number of images of each task."""
    run = Run.create(folder, name)
    run.config.write_text("seed: 0\n", encoding="utf-8")
    for task, count in wrong.items():
        predicted = {each: Labels(torch.eye(2)[(int(each) + (int(each) < count)) % 2]) for each in TARGETS.ids}
        TARGETS.kind.save(run.predictions_path("test", task), TARGETS, predicted)
    numbers = {
        task: {"kind": "classification", "metric": "accuracy", "score": 1 - count / COUNT, "images": COUNT}
        for task, count in wrong.items()
    }
    run.update_results(test={"tasks": numbers})
    return str(run.folder)


def test_a_baseline_that_is_a_number_has_no_interval(tmp_path: Path) -> None:
    drop = drops_from_baselines(scored(tmp_path, "ours", cls=10), {"cls": 0.8})[0]
    assert drop[:6] == ("cls", "accuracy", 0.75, 0.8, COUNT, 0)
    assert drop.drop == pytest.approx(0.0625)
    assert drop.interval is None
    assert drop.skill is None


def test_drops_since_learned_are_of_earlier_tasks_that_had_a_score() -> None:
    none = np.nan
    scores = [[0.8, 0.0, none, none], [0.9, 0.0, 0.5, none], [0.76, 0.1, 0.55, 0.3]]
    history = ScoreHistory(["seg", "poor", "det", "cls"], np.array(scores), np.array([0, 0, 1, 2]))
    metrics = {"seg": "mIoU", "poor": "AP50", "det": "AP50", "cls": "accuracy"}
    drops = drops_since_learned(history, metrics, {"seg": 20, "poor": 4, "det": 30, "cls": 4})
    assert [(drop.task, drop.metric, drop.score, drop.baseline) for drop in drops] == [
        ("seg", "mIoU", 0.76, 0.8),
        ("det", "AP50", 0.55, 0.5),
    ]
    assert unscored(history) == ["poor"]
    assert [drop.drop for drop in drops] == pytest.approx([0.05, -0.1])
    assert text(drops, 0.04, SINCE_LEARNED).splitlines() == [
        "forgetting on val: score after the last stage vs. score after the stage that last trained the task",
        "  seg  mIoU 0.760 vs. 0.800 (20 images): drop +5.0%   exceeds 4.0%",
        "  det  AP50 0.550 vs. 0.500 (30 images): gained +10.0%   within 4.0%",
    ]


def test_one_stage_has_no_drop() -> None:
    assert drops_since_learned(ScoreHistory(["a"], np.array([[0.5]]), np.array([0])), {"a": "AP50"}, {"a": 9}) == []


def test_a_baseline_of_runs_is_resampled_together_with_the_run(tmp_path: Path) -> None:
    ours = scored(tmp_path, "ours", cls=10, other=0)
    seeds = [scored(tmp_path, f"alone{seed}", cls=wrong) for seed, wrong in enumerate((4, 6))]
    drop = drops_from_baselines(ours, parse(seeds, ["cls"]))[0]
    assert drop.baseline == pytest.approx(0.875)
    assert (drop.images, drop.runs) == (COUNT, 2)
    assert "vs. 0.875 (40 images, 2 runs): drop" in text([drop])
    assert "(40 images, 1 run): drop" in text(drops_from_baselines(ours, parse(seeds[:1], ["cls"])))
    assert drop.drop == pytest.approx(1 - 0.75 / 0.875)
    assert drop.interval is not None
    assert drop.drop is not None
    assert 0 < drop.interval[0] < drop.drop < drop.interval[1] < 0.3


def test_a_baseline_that_is_often_0_has_no_interval(tmp_path: Path) -> None:
    """One image of many is correct: a third of the resamples do not draw it, so their drop is not defined."""
    ours, poor = scored(tmp_path, "ours", cls=COUNT), scored(tmp_path, "poor", cls=COUNT - 1)
    drop = drops_from_baselines(ours, {"cls": [poor]})[0]
    assert drop.drop == 1
    assert drop.interval is None


def test_a_run_relative_to_itself_has_lost_nothing_on_any_resample(tmp_path: Path) -> None:
    ours = scored(tmp_path, "ours", cls=10)
    drop = drops_from_baselines(ours, {"cls": [ours]})[0]
    assert drop.interval is not None
    assert [drop.drop, *drop.interval] == pytest.approx([0, 0, 0])


def test_baselines_of_the_command_line(tmp_path: Path) -> None:
    tasks = ["seg", "cls"]
    other = scored(tmp_path, "other", cls=0, det=0)
    assert parse(["seg=0.5,cls=0.25"], tasks) == {"seg": 0.5, "cls": 0.25}
    assert parse([other], tasks) == parse([f"cls={other}"], tasks) == {"cls": [other]}
    more = scored(tmp_path, "more", cls=1, det=0)
    assert parse([f"cls={other},{more}"], tasks) == parse([f"{other},{more}"], tasks) == {"cls": [other, more]}
    with pytest.raises(
        PolyheadError,
        match=r"'runs/no' is neither .* \(expected TASK=SCORE, TASK=RUN or the folder of a run, got 'runs/no'",
    ):
        parse(["runs/no"], tasks)
    with pytest.raises(PolyheadError, match=r"'seg=' is neither a number nor a folder \(.*got 'seg='"):
        parse(["seg="], tasks)
    with pytest.raises(PolyheadError, match=r"'runs/no' is neither a number nor a folder \(.*got 'seg=runs/no'"):
        parse(["seg=runs/no"], tasks)
    with pytest.raises(PolyheadError, match=r"task 'seg' has two scores, 0\.5 and 0\.4\. Give only one"):
        parse(["seg=0.5", "seg=0.4"], tasks)
    with pytest.raises(PolyheadError, match=r"task 'cls' has both a score and a run\. Give only one of them"):
        parse(["cls=0.5", other], tasks)
    with pytest.raises(PolyheadError, match="has no score on test for seg, cls"):
        parse([scored(tmp_path, "third", det=0)], tasks)
    with pytest.raises(PolyheadError, match=r"run '.*other/' is given twice for 'cls' and would count as two"):
        parse([other, f"cls={other}/"], tasks)
    with pytest.raises(PolyheadError, match="'cl' is not one of the tasks seg, cls; did you mean 'cls'"):
        parse(["cl=0.5"], tasks)


@pytest.mark.parametrize("score", ["nan", "0", "-0.5", "56", "inf"])
def test_a_baseline_score_out_of_range_is_refused(score: str) -> None:
    with pytest.raises(PolyheadError, match=rf"out of range \(expected above 0 and at most 1, got 'seg={score}'"):
        parse([f"seg={score}"], ["seg"])


def test_a_baseline_run_without_a_score_is_refused(tmp_path: Path) -> None:
    other = scored(tmp_path, "other", cls=COUNT)
    with pytest.raises(PolyheadError, match="has no score on test for 'seg', so the drop is not defined"):
        parse([f"seg={other}"], ["seg", "cls"])
    with pytest.raises(PolyheadError, match="has a score of 0 on test for 'cls', so the drop is not defined"):
        parse([other], ["seg", "cls"])


def test_a_task_without_a_score_is_named(tmp_path: Path) -> None:
    ours = scored(tmp_path, "ours", cls=10)
    Run(Path(ours)).update_results(
        test={"tasks": {"cls": {"kind": "classification", "metric": "accuracy", "images": COUNT, "score": None}}}
    )
    with pytest.raises(
        PolyheadError, match="task 'cls' has no score on test: the split has no annotated objects for it"
    ):
        drops_from_baselines(ours, {"cls": 0.5})


def test_transfer_of_a_run_of_several_stages(tmp_path: Path) -> None:
    run = Run(Path(scored(tmp_path, "ours", seg=0, cls=0)))
    run.update_manifest(kinds={"seg": "segmentation", "cls": "classification"})
    rows: list[dict[str, Any]] = [
        {"stage": 0, "val/seg/miou": 0.5, "val/cls/accuracy": None},
        {"stage": 1, "val/seg/miou": 0.6, "val/cls/accuracy": 0.9},
    ]
    write_rows(run.results_csv, rows)
    assert transfer(run) == {"backward": pytest.approx(0.1)}
    alone = [scored(tmp_path, f"alone{wrong}", cls=wrong) for wrong in (4, 12)]
    for folder, score in zip(alone, (0.9, 0.7), strict=True):
        Run(Path(folder)).update_results(val={"tasks": {"cls": {"metric": "accuracy", "images": 40, "score": score}}})
    found = transfer(run, {"cls": alone, "seg": 0.5})
    assert found == {"backward": pytest.approx(0.1), "forward": pytest.approx(0.1)}
    assert transfer_text(found) == (
        "transfer on val: backward +0.100 (score change of earlier tasks by later stages), "
        "forward +0.100 (score gain of newer tasks by earlier stages, vs. single-task models)"
    )
    run.update_manifest(splits={"cls": {"val": ["a", "b"]}})
    assert transfer(run, {"cls": alone}) == {"backward": pytest.approx(0.1)}, "validated on other images"
    write_rows(run.results_csv, rows[:1])
    assert transfer(run) == {}


def test_the_text_says_whether_drops_are_within_the_limit(tmp_path: Path) -> None:
    drops = drops_from_baselines(scored(tmp_path, "ours", cls=10, seg=0), {"cls": 0.8, "seg": 0.9})
    lines = text(drops, 0.05, unjudged=["det"])
    assert lines.endswith("\n  det  has no baseline, so its drop is not checked")
    assert "cls  accuracy 0.750 vs. 0.800 (40 images): drop +6.3%   exceeds 5.0%" in lines
    assert "seg  accuracy 1.000 vs. 0.900 (40 images): gained +11.1%   within 5.0%" in lines


def test_the_heat_map_is_drawn(tmp_path: Path) -> None:
    scores = np.array([[0.5, np.nan], [0.4, 0.9]])
    assert (
        heat_map(ScoreHistory(["seg", "det"], scores, np.array([0, 1])), "run", tmp_path / "stages.png").stat().st_size
        > 5000
    )


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow the kind of this test."""
    monkeypatch.setattr(classes, "ALLOWED", ["polyhead", "builders"])


def regressed(folder: Path, name: str, error: float) -> str:
    """Make a run whose predictions of a number have this error; the dummy baseline's is 10."""
    kind, run = MeanError(), Run.create(folder, name)
    run.config.write_text("seed: 0\n", encoding="utf-8")
    numbers = [Number(torch.tensor(20.0 * (index % 2))) for index in range(COUNT)]
    targets = Targets(kind, ["age"], [str(index) for index in range(COUNT)], numbers.__getitem__)
    found = {
        each: Values(targets[each].value[None] + error * (1 + (index % 5 - 2) / 10))
        for index, each in enumerate(targets.ids)
    }
    kind.save(run.predictions_path("test", "age"), targets, found)
    report = {"kind": kind.name, **kind.report(targets, found, targets), "images": COUNT}
    run.update_results(test=plain({"tasks": {"age": report}}))
    return str(run.folder)


@pytest.mark.usefixtures("allowed")
def test_where_lower_is_better_a_drop_is_of_the_skill(tmp_path: Path) -> None:
    ours = regressed(tmp_path, "ours", 5.0)
    drop = drops_from_baselines(ours, {"age": 2.0})[0]
    assert (drop.score, drop.baseline) == pytest.approx((5, 2), abs=1e-5)
    assert (drop.skill, drop.baseline_skill) == pytest.approx((0.5, 0.8), abs=1e-5)
    assert drop.drop == pytest.approx(1 - 0.5 / 0.8, abs=1e-5)
    line = "  age  MAE 5.000 vs. 2.000, skill 0.500 vs. 0.800 (40 images): drop +37.5%   exceeds 5.0%"
    assert text([drop], 0.05).splitlines()[1] == line
    seeds = [regressed(tmp_path, f"seed{error}", error) for error in (1.0, 3.0)]
    of_runs = drops_from_baselines(ours, {"age": seeds})[0]
    assert (of_runs.baseline, of_runs.drop) == pytest.approx((2, 1 - 0.5 / 0.8), abs=1e-5)
    assert of_runs.drop is not None
    assert of_runs.interval is not None
    assert 0 < of_runs.interval[0] < of_runs.drop < of_runs.interval[1]
    better = drops_from_baselines(ours, {"age": 8.0})[0]
    assert better.drop == pytest.approx(1 - 0.5 / 0.2, abs=1e-5)
    assert not exceeds([better], 0.0)


def test_a_negative_drop_is_a_gain() -> None:
    drop = ScoreDrop("cls", "AP50", 0.024, 0.005, 40, 1, -3.8, (-6.0, -0.5))
    line = "  cls  AP50 0.024 vs. 0.005 (40 images, 1 run): gained +380.0% [+50.0%, +600.0%]   within 5.0%"
    assert text([drop], 0.05).splitlines()[1] == line
    assert text([drop._replace(drop=-0.0001, interval=None)]).endswith("drop +0.0%")


@pytest.mark.usefixtures("allowed")
def test_where_lower_is_better_forward_transfer_is_of_the_skill(tmp_path: Path) -> None:
    run, alone = (Run(Path(regressed(tmp_path, name, 5.0))) for name in ("ours", "alone"))
    run.update_manifest(kinds={"seg": "segmentation", "age": MeanError().name})
    rows: list[dict[str, Any]] = [
        {"stage": 0, "val/seg/miou": 0.5, "val/age/mae": None, "val/age/skill": None},
        {"stage": 1, "val/seg/miou": 0.5, "val/age/mae": 4.0, "val/age/skill": 0.6},
    ]
    write_rows(run.results_csv, rows)
    alone.update_results(val={"tasks": {"age": {**ENTRY, "score": 5.0, "dummy_baseline": {"score": 10.0}}}})
    assert transfer(run, {"age": [str(alone.folder)]})["forward"] == pytest.approx(0.6 - 0.5)
    alone.update_results(val={"tasks": {"age": {**ENTRY, "score": 5.0}}})
    assert "forward" not in transfer(run, {"age": [str(alone.folder)]}), "without a dummy baseline there is no skill"


@pytest.mark.usefixtures("allowed")
def test_a_relative_difference_is_of_the_score_whose_dummy_baseline_is_known(tmp_path: Path) -> None:
    rows = {name: regressed(tmp_path, name, error) for name, error in (("a", 5.0), ("b", 2.0))}
    assert compare(rows)[1].relative is not None
    assert compare(rows, metric="bias")[1].relative is None


@pytest.mark.parametrize("rows", ["runs/a", ["runs/a", "runs/b"], {}, {"a": []}, {"a": [[]]}])
def test_rows_that_are_no_runs_by_name_are_refused(rows: Any) -> None:
    with pytest.raises(PolyheadError, match=r"expected runs by name|row 'a' has no run"):
        rows_of(rows)


@pytest.mark.usefixtures("allowed")
def test_a_drop_from_a_baseline_without_skill_is_not_defined_and_no_proof(tmp_path: Path) -> None:
    ours = regressed(tmp_path, "ours", 5.0)
    for baseline in (12.0, [regressed(tmp_path, "poor", 12.0)]):
        drop = drops_from_baselines(ours, {"age": baseline})[0]
        assert drop.drop is None
        assert drop.interval is None
        assert drop.baseline_skill == pytest.approx(-0.2, abs=1e-5)
        assert f"drop not defined{NOT_DEFINED}" in text([drop], 0.05)
        assert exceeds([drop], 0.05)
        assert not exceeds([drop], None)


@pytest.mark.usefixtures("allowed")
def test_a_baseline_error_may_be_any_number_or_a_run_with_an_error_of_0(tmp_path: Path) -> None:
    """Where higher scores are better, it is above 0 and at most 1."""
    kinds = {"age": MeanError()}
    assert parse(["age=56.5"], ["age"], kinds=kinds) == {"age": 56.5}
    exact = regressed(tmp_path, "exact", 0.0)
    assert parse([exact], ["age"], kinds=kinds) == {"age": [exact]}
    for score in ("nan", "inf"):
        with pytest.raises(PolyheadError, match=rf"out of range .*got 'age={score}'"):
            parse([f"age={score}"], ["age"], kinds=kinds)
    with pytest.raises(PolyheadError, match="out of range"):
        parse(["age=56.5"], ["age"])


def test_only_drops_above_the_limit_exceed_it(tmp_path: Path) -> None:
    drops = drops_from_baselines(scored(tmp_path, "ours", cls=10), {"cls": 0.8})
    assert [exceeds(drops, limit) for limit in (0.05, 0.07, None)] == [True, False, False]
