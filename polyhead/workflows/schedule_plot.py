"""Draw the learning rates that a training has planned."""

from collections.abc import Sequence
from pathlib import Path

from polyhead.engine.schedule import Plan, planned_lrs
from polyhead.plotting.lines import lr_schedule
from polyhead.run import Run


def schedule_file(run: Run) -> Path:
    """Return the file of the plot."""
    return run.plots / "schedule.png"


def draw_schedule(run: Run, plans: Sequence[Plan]) -> None:
    """Draw the schedules of a run's stages, as its manifest stores them (``schedules``), if it has any."""
    if plans:
        lr_schedule([planned_lrs(plan) for plan in plans], f"{run.name}: learning rate", schedule_file(run))
