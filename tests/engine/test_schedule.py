"""Shapes of learning rate schedules, and the record that keeps a resumed stage on the schedule that it began with."""

from pathlib import Path

import pytest
from builders.toy_parts import toy_model
from builders.training_process import toy_tasks
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.engine.fit import build_heads
from polyhead.engine.schedule import plan_of, planned_lrs, record, schedule_of
from polyhead.engine.stage import Stage
from polyhead.errors import PolyheadError
from polyhead.run import Run


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["constant", "cosine", "onecycle", "step", "plateau"]), st.integers(1, 300), st.integers(0, 20))
def test_schedules_stay_in_bounds(name: str, total: int, warmup: int) -> None:
    factor = schedule_of(Stage(schedule=name, warmup=warmup), total)  # type: ignore[arg-type]  # sampled from the literal
    values = [factor(step) for step in range(total)]
    assert all(0 <= value <= 1 + 1e-9 for value in values)
    assert values == [factor(step) for step in range(total)]


def test_shapes_of_schedules() -> None:
    cycle = schedule_of(Stage(schedule="onecycle"), 100)
    assert cycle(0) == pytest.approx(1 / 25)
    assert cycle(25) == pytest.approx(1.0)
    assert cycle(99) < 0.01
    steps = schedule_of(Stage(schedule="step"), 90)
    assert [steps(0), steps(60), steps(80)] == pytest.approx([1, 0.1, 0.01])
    warm = schedule_of(Stage(schedule="constant", warmup=4), 90)
    assert [warm(step) for step in range(6)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1])


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path, "run")


def plan(stage: Stage) -> dict[str, object]:
    tasks, model = toy_tasks(0), toy_model()
    build_heads(model, tasks, 0)
    return plan_of(model, stage, tasks)


def test_a_plan_holds_what_the_schedule_depends_on() -> None:
    joint = plan(Stage(epochs=3, accumulate=2, warmup=4, schedule="cosine"))
    assert joint == {
        "schedule": "cosine",
        "lr": 0.001,
        "warmup": 4,
        "epochs": 3,
        "steps": 12,  # 28 images in batches of 4, of which each step has 2: 4 steps an epoch
        "accumulate": 2,
        "batch": {"squares": 4, "tints": 2},
    }
    assert plan(Stage(tasks=["tints"], epochs=1))["batch"] == {"tints": 2}


def test_the_schedules_of_all_stages_are_stored_before_training(run: Run) -> None:
    plans = [plan(Stage(epochs=2)), plan(Stage(epochs=1))]
    record(run, plans, 0, within=False)
    assert run.read_manifest()["schedules"] == plans
    record(run, plans, 0, within=True)
    assert run.read_manifest()["schedules"] == plans


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"epochs": 4},
            r"stage 1 is in the middle .*: epochs 2 is now 4, steps 14 is now 28\. Restore the",
        ),
        ({"accumulate": 2}, r"steps 14 is now 8, accumulate 1 is now 2"),
        ({"schedule": "cosine"}, r"schedule onecycle is now cosine\. "),
        ({"lr": 0.01}, r"lr 0\.001 is now 0\.01\. "),
        ({"schedule": "constant"}, r"schedule onecycle is now constant"),
    ],
)
def test_another_schedule_is_refused_within_a_stage_and_only_there(
    run: Run, changed: dict[str, object], message: str
) -> None:
    before, other = plan(Stage(epochs=2)), plan(Stage(**{"epochs": 2, **changed}))  # type: ignore[arg-type]
    record(run, [before, before], 0, within=False)
    with pytest.raises(PolyheadError, match=message):
        record(run, [other, before], 0, within=True)
    assert run.read_manifest()["schedules"] == [before, before]
    record(run, [before, other], 0, within=True)  # a later stage has not begun
    record(run, [other, other], 1, within=False)  # an earlier stage keeps what it was trained with
    assert run.read_manifest()["schedules"] == [before, other]


def test_another_batch_size_is_refused(run: Run) -> None:
    stage = Stage(epochs=2, schedule="constant")
    before = plan(stage)
    record(run, [before], 0, within=False)
    other = {**before, "batch": {"squares": 8, "tints": 2}}
    with pytest.raises(PolyheadError, match=r"batch 4/2 is now 8/2\. .*--new-schedule.* --resume .*run epochs=N'"):
        record(run, [other], 0, within=True)


@pytest.mark.parametrize("schedule", ["constant", "plateau"])
def test_a_schedule_without_an_end_may_become_longer(run: Run, schedule: str) -> None:
    before, longer = (plan(Stage(epochs=epochs, schedule=schedule)) for epochs in (2, 5))  # type: ignore[arg-type]
    record(run, [before], 0, within=False)
    record(run, [longer], 0, within=True)
    assert run.read_manifest()["schedules"] == [longer]


@pytest.mark.parametrize("epochs", [1, 3, 500])
def test_up_to_500_steps_of_a_plan_are_plotted_the_first_and_last_among_them(epochs: int) -> None:
    stage = Stage(epochs=epochs, lr=0.01)
    points = planned_lrs(plan(stage))
    factor = schedule_of(stage, 7 * epochs)
    assert [lr for _, lr in points] == [0.01 * factor(step) for step, _ in points]
    assert (points[0][0], points[-1][0], len(points)) == (0, 7 * epochs - 1, min(500, 7 * epochs))


def test_a_run_of_an_older_version_gets_its_record(run: Run) -> None:
    plans = [plan(Stage(epochs=2)), plan(Stage(epochs=1))]
    record(run, plans, 1, within=True)
    assert run.read_manifest()["schedules"] == plans
