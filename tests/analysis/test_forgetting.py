"""What a run has lost of each task: beside numbers, beside other runs, and from stage to stage."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from polyhead.analysis.forgetting import SINCE, against, heat_map, parse, since, text, transfer, transfer_text, unscored
from polyhead.errors import PolyheadError
from polyhead.metrics import store
from polyhead.metrics.forgetting import Course
from polyhead.run import Run, write_rows
from polyhead.types import Annotation, Labels

COUNT = 40


def truths() -> list[Annotation]:
    none = torch.zeros(0)
    sound = torch.ones(2, dtype=torch.bool)
    return [
        Annotation(
            str(number),
            "",
            (8, 8),
            none.reshape(0, 4),
            none.long(),
            none.bool(),
            none,
            sound,
            torch.tensor(number % 2),
        )
        for number in range(COUNT)
    ]


def scored(folder: Path, name: str, **wrong: int) -> str:
    """A run that takes the first pictures of each task for the other class, so many of them."""
    run = Run.create(folder, name)
    run.config.write_text("seed: 0\n", encoding="utf-8")
    for task, count in wrong.items():
        said = {truth.id: Labels(torch.eye(2)[(int(truth.id) + (int(truth.id) < count)) % 2]) for truth in truths()}
        store.save_labels(run.predictions_of("test", task), said, truths(), ["even", "odd"])
    numbers = {
        task: {"metric": "accuracy", "score": 1 - count / COUNT, "images": COUNT} for task, count in wrong.items()
    }
    run.update_results(test={"tasks": numbers})
    return str(run.folder)


def test_against_a_number_there_is_no_interval(tmp_path: Path) -> None:
    loss = against(scored(tmp_path, "ours", cls=10), {"cls": 0.8})[0]
    assert loss[:6] == ("cls", "accuracy", 0.75, 0.8, COUNT, 0)
    assert loss.drop == pytest.approx(0.0625)
    assert loss.interval is None


def test_what_later_stages_cost_is_told_of_each_older_task_that_had_a_score() -> None:
    none = np.nan
    scores = [[0.8, 0.0, none, none], [0.9, 0.0, 0.5, none], [0.76, 0.1, 0.55, 0.3]]
    course = Course(["seg", "poor", "det", "cls"], np.array(scores), np.array([0, 0, 1, 2]))
    metrics = {"seg": "mIoU", "poor": "AP50", "det": "AP50", "cls": "accuracy"}
    losses = since(course, metrics, {"seg": 20, "poor": 4, "det": 30, "cls": 4})
    assert [(loss.task, loss.metric, loss.score, loss.baseline) for loss in losses] == [
        ("seg", "mIoU", 0.76, 0.8),
        ("det", "AP50", 0.55, 0.5),
    ]
    assert unscored(course) == ["poor"]
    assert [round(loss.drop, 3) for loss in losses] == [0.05, -0.1]
    assert text(losses, 0.04, SINCE).splitlines() == [
        "forgetting on val: after the last stage, of what each task scored after the stage that taught it",
        "  seg  mIoU 0.760 of 0.800 (20 pictures): drop +5.0%   beyond 4.0%",
        "  det  AP50 0.550 of 0.500 (30 pictures): drop -10.0%   within 4.0%",
    ]


def test_one_stage_has_nothing_to_lose() -> None:
    assert since(Course(["a"], np.array([[0.5]]), np.array([0])), {"a": "AP50"}, {"a": 9}) == []


def test_against_runs_both_sides_are_drawn_together(tmp_path: Path) -> None:
    ours = scored(tmp_path, "ours", cls=10, other=0)
    seeds = [scored(tmp_path, f"alone{seed}", cls=wrong) for seed, wrong in enumerate((4, 6))]
    loss = against(ours, parse(seeds, ["cls"]))[0]
    assert loss.baseline == pytest.approx(0.875)
    assert (loss.pictures, loss.runs) == (COUNT, 2)
    assert "of 0.875 (40 pictures, 2 runs): drop" in text([loss])
    assert "(40 pictures, 1 run): drop" in text(against(ours, parse(seeds[:1], ["cls"])))
    assert loss.drop == pytest.approx(1 - 0.75 / 0.875)
    assert loss.interval is not None
    assert 0 < loss.interval[0] < loss.drop < loss.interval[1] < 0.3


def test_a_baseline_that_is_often_nothing_leaves_no_interval(tmp_path: Path) -> None:
    """One picture right of many: a third of the resamples do not draw it, and tell of no part of it."""
    ours, poor = scored(tmp_path, "ours", cls=COUNT), scored(tmp_path, "poor", cls=COUNT - 1)
    loss = against(ours, {"cls": [poor]})[0]
    assert loss.drop == 1
    assert loss.interval is None


def test_a_run_beside_itself_has_lost_nothing_whatever_is_drawn(tmp_path: Path) -> None:
    ours = scored(tmp_path, "ours", cls=10)
    loss = against(ours, {"cls": [ours]})[0]
    assert loss.interval is not None
    assert [loss.drop, *loss.interval] == pytest.approx([0, 0, 0])


def test_words_of_the_command_line(tmp_path: Path) -> None:
    tasks = ["seg", "cls"]
    other = scored(tmp_path, "other", cls=0, det=0)
    assert parse(["seg=0.5,cls=0.25"], tasks) == {"seg": 0.5, "cls": 0.25}
    assert parse([other], tasks) == parse([f"cls={other}"], tasks) == {"cls": [other]}
    more = scored(tmp_path, "more", cls=1, det=0)
    assert parse([f"cls={other},{more}"], tasks) == parse([f"{other},{more}"], tasks) == {"cls": [other, more]}
    with pytest.raises(PolyheadError, match="expected TASK=SCORE, TASK=RUN or the folder of a run, got 'runs/no'"):
        parse(["runs/no"], tasks)
    with pytest.raises(PolyheadError, match="got 'seg=': 'seg=' is neither a number nor a folder"):
        parse(["seg="], tasks)
    with pytest.raises(PolyheadError, match="got 'seg=runs/no': 'runs/no' is neither a number nor a folder"):
        parse(["seg=runs/no"], tasks)
    with pytest.raises(PolyheadError, match=r"task 'seg' has two scores, 0\.5 and 0\.4; give one"):
        parse(["seg=0.5", "seg=0.4"], tasks)
    with pytest.raises(PolyheadError, match="task 'cls' has a score and a run; give one of them"):
        parse(["cls=0.5", other], tasks)
    with pytest.raises(PolyheadError, match="has no score on test of seg, cls"):
        parse([scored(tmp_path, "third", det=0)], tasks)
    with pytest.raises(PolyheadError, match=r"run '.*other/' is given twice for 'cls', and would count as two"):
        parse([other, f"cls={other}/"], tasks)
    with pytest.raises(PolyheadError, match="'cl' is none of the tasks seg, cls; did you mean 'cls'"):
        parse(["cl=0.5"], tasks)


@pytest.mark.parametrize("score", ["nan", "0", "-0.5", "56", "inf"])
def test_a_score_that_nothing_can_be_lost_of_is_refused(score: str) -> None:
    with pytest.raises(PolyheadError, match=f"a score to lose from lies above 0 and is at most 1, got 'seg={score}'"):
        parse([f"seg={score}"], ["seg"])


def test_a_run_that_has_nothing_to_lose_is_refused(tmp_path: Path) -> None:
    other = scored(tmp_path, "other", cls=COUNT)
    with pytest.raises(PolyheadError, match="has no score on test of 'seg': there is nothing to lose"):
        parse([f"seg={other}"], ["seg", "cls"])
    with pytest.raises(PolyheadError, match="has a score of 0 on test of 'cls': there is nothing to lose"):
        parse([other], ["seg", "cls"])


def test_a_task_without_a_score_is_named(tmp_path: Path) -> None:
    ours = scored(tmp_path, "ours", cls=10)
    Run(Path(ours)).update_results(test={"tasks": {"cls": {"metric": "accuracy", "score": None}}})
    with pytest.raises(PolyheadError, match="task 'cls' has no score on test: there was nothing to find"):
        against(ours, {"cls": 0.5})


def test_transfer_is_told_of_a_run_of_several_stages(tmp_path: Path) -> None:
    run = Run(Path(scored(tmp_path, "ours", seg=0, cls=0)))
    rows: list[dict[str, Any]] = [
        {"stage": 0, "val/seg/miou": 0.5, "val/cls/accuracy": None},
        {"stage": 1, "val/seg/miou": 0.6, "val/cls/accuracy": 0.9},
    ]
    write_rows(run.results_csv, rows)
    assert transfer(run) == {"backward": pytest.approx(0.1)}
    alone = [scored(tmp_path, f"alone{wrong}", cls=wrong) for wrong in (4, 12)]
    for folder, score in zip(alone, (0.9, 0.7), strict=True):
        Run(Path(folder)).update_results(val={"tasks": {"cls": {"score": score}}})
    found = transfer(run, {"cls": alone, "seg": 0.5})
    assert found == {"backward": pytest.approx(0.1), "forward": pytest.approx(0.1)}
    assert transfer_text(found) == (
        "transfer on val: backward +0.100 (what later stages brought older tasks), "
        "forward +0.100 (what earlier stages brought newer ones)"
    )
    run.update_manifest(splits={"cls": {"val": ["a", "b"]}})
    assert transfer(run, {"cls": alone}) == {"backward": pytest.approx(0.1)}, "validated on other pictures"
    write_rows(run.results_csv, rows[:1])
    assert transfer(run) == {}


def test_the_gate_is_told(tmp_path: Path) -> None:
    losses = against(scored(tmp_path, "ours", cls=10, seg=0), {"cls": 0.8, "seg": 0.9})
    said = text(losses, 0.05, unjudged=["det"])
    assert said.endswith("\n  det  was given no baseline, so it is not judged")
    assert "cls  accuracy 0.750 of 0.800 (40 pictures): drop +6.3%   beyond 5.0%" in said
    assert "seg  accuracy 1.000 of 0.900 (40 pictures): drop -11.1%   within 5.0%" in said


def test_the_heat_map_is_drawn(tmp_path: Path) -> None:
    scores = np.array([[0.5, np.nan], [0.4, 0.9]])
    assert heat_map(Course(["seg", "det"], scores, np.array([0, 1])), tmp_path / "stages.png").stat().st_size > 5000
