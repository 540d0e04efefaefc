"""Learning rate schedules: their shapes, and the record by which a resumed stage is known to continue the same one."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from polyhead.contracts.task import Task
from polyhead.engine.optim import base_lr
from polyhead.engine.stage import Stage
from polyhead.errors import PolyheadError
from polyhead.nets.model import Model
from polyhead.run import Run

Plan = dict[str, Any]
"""What the learning rates of a stage depend on: an entry of ``schedules`` in the manifest."""
ENDLESS = ("constant", "plateau")
"""Schedules that do not depend on the length of the stage, so that it may change."""
LENGTH = ("epochs", "steps")
POINTS = 500
"""Steps of a stage that are plotted; more points than pixels take seconds to draw."""


def batches_of(stage: Stage, tasks: Mapping[str, Task]) -> int:
    """Return the batches per epoch of a stage, given the tasks that it trains."""
    longest = max(-(-len(task) // task.batch) for task in tasks.values())  # -(-a // b) rounds up
    return max(1, round(stage.epoch_scale * longest))


def steps_of(stage: Stage, batches: int) -> int:
    """Return the optimizer steps of a stage, given its batches per epoch."""
    return -(-batches // stage.accumulate) * stage.epochs


def plan_of(model: Model, stage: Stage, tasks: Mapping[str, Task]) -> Plan:
    """Return what the learning rates of a stage depend on.

    Args:
        model: the model, with its heads built.
        stage: the settings.
        tasks: all tasks of the run.

    Returns:
        Plain types, as they are stored in the manifest.
    """
    trained = {name: task for name, task in tasks.items() if stage.tasks is None or name in stage.tasks}
    return {
        "schedule": stage.schedule,
        "lr": base_lr(model, stage),
        "warmup": stage.warmup,
        "epochs": stage.epochs,
        "steps": steps_of(stage, batches_of(stage, trained)),
        "accumulate": stage.accumulate,
        "batch": {name: task.batch for name, task in trained.items()},
    }


def planned_lrs(plan: Plan) -> list[tuple[int, float]]:
    """Return step and learning rate at up to :data:`POINTS` optimizer steps of a stage, the first and last among them.

    That of ``plateau`` is where it is never lowered.
    """
    factor = schedule_of(Stage(schedule=plan["schedule"], warmup=plan["warmup"]), plan["steps"])
    last = max(1, plan["steps"]) - 1
    count = min(POINTS, last + 1)
    steps = [round(last * point / max(1, count - 1)) for point in range(count)]
    return [(step, plan["lr"] * factor(step)) for step in steps]


def record(run: Run, plans: Sequence[Plan], stage: int, *, within: bool) -> None:
    """Store the schedules of all stages in the manifest, before training.

    Args:
        run: the run.
        plans: a plan for each stage.
        stage: index of the stage that trains next; those before it keep their record.
        within: whether the run resumes within that stage, whose schedule must then be the one that it began with.

    Raises:
        PolyheadError: if it is not.
    """
    stored = run.read_manifest().get("schedules", [])
    if within and stage < len(stored):
        _check_same(run, stored[stage], plans[stage], stage)
    run.update_manifest(schedules=[*stored[:stage], *plans[min(stage, len(stored)) :]])


def _check_same(run: Run, before: Plan, now: Plan, stage: int) -> None:
    """Check that a stage continues the schedule that it began with.

    Raises:
        PolyheadError: for all settings that differ.
    """
    same = now["schedule"] == before.get("schedule")
    ignored = LENGTH if same and now["schedule"] in ENDLESS else ()
    differing = [key for key in now if before.get(key) != now[key] and key not in ignored]
    if not differing:
        return
    changes = ", ".join(f"{key} {_text(before.get(key))} is now {_text(now[key])}" for key in differing)
    raise PolyheadError(
        f"{run.folder}: stage {stage + 1} is in the middle of a schedule of its learning rate, which other settings "
        f"would break: {changes}. Restore the settings; or add --new-schedule, which trains the epochs that are left "
        "as a new stage, with a schedule of its own, from the best weights so far. (Of a finished run, 'polyhead train "
        f"--resume {run.quoted} epochs=N' trains N epochs further.)"
    )


def _text(value: Any) -> str:
    """Format a setting for a message."""
    if isinstance(value, Mapping):
        return "/".join(str(each) for each in value.values())
    return f"{value:g}" if isinstance(value, float) else str(value)


def schedule_of(stage: Stage, total: int) -> Callable[[int], float]:
    """Return the learning rate factor as a function of the optimizer step, ``0..total-1``.

    It depends on the step alone, so a resumed run continues with exactly the same learning rates. The factor of
    ``plateau`` depends on scores; the learner multiplies it in.
    """

    def shape(step: int) -> float:
        done = step / max(1, total)  # fraction of the stage
        if stage.schedule == "cosine":
            return 0.5 * (1 + math.cos(math.pi * done))
        if stage.schedule == "step":
            return 0.1 ** sum(done >= at for at in (2 / 3, 8 / 9))
        if stage.schedule == "onecycle":
            rising = 0.25
            if done < rising:
                return _anneal(1 / 25, 1.0, done / rising)
            return _anneal(1.0, 1e-4, (done - rising) / (1 - rising))
        return 1.0

    def factor(step: int) -> float:
        if stage.schedule != "onecycle" and step < stage.warmup:
            return shape(step) * (step + 1) / (stage.warmup + 1)
        return shape(step)

    return factor


def _anneal(start: float, end: float, done: float) -> float:
    """Interpolate from ``start`` to ``end`` along a half cosine; ``done`` is in 0..1."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * done))
