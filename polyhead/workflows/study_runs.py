"""Train the runs of a study that are not finished, one after the other or several at once."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from polyhead.config import files
from polyhead.errors import PolyheadError
from polyhead.run import Run, is_partial
from polyhead.workflows.budget import UNLIMITED, Budget
from polyhead.workflows.study import Member, Plan, check_settings
from polyhead.workflows.study_processes import train_at_once


def train_missing(plan: Plan, show: Callable[[str], None] = print, jobs: int = 1, budget: Budget = UNLIMITED) -> None:
    """Train every run that is not finished; interrupted runs are resumed.

    Args:
        plan: the runs.
        show: receives the lines to print.
        jobs: how many runs are trained at once, each in a process of its own that uses its share of the threads.
        budget: the time in which runs may be started.

    Raises:
        PolyheadError: before any training, when a folder contains a run with other settings, or a run cannot be
            trained; when the time is used up before the last run was started.
    """
    if jobs < 1:
        raise PolyheadError(f"--jobs: expected a whole number of 1 or more, got {jobs}")
    members = [member for seeds in plan.values() for seed in seeds for member in seed]
    for member in members:
        remove_leftovers(member.folder)
        check_settings(member)
    _check_trainable(plan)
    titled = [(f"run {number} of {len(members)}: {member.folder}", member) for number, member in enumerate(members, 1)]
    missing = [(title, member) for title, member in titled if not member.finished]
    if jobs > 1 and len(missing) > 1:
        train_at_once(missing, show, jobs, budget)
    else:
        _train_in_turn(missing, show, budget)
    if left := [str(member.folder) for _, member in missing if not member.finished]:
        raise budget.error(left)


def _check_trainable(plan: Plan) -> None:
    """Check the data and the model of each variation of which no run was started.

    Raises:
        PolyheadError: for the first variation that cannot be trained.
    """
    from polyhead.workflows.preflight import build, prepare

    for name, seeds in plan.items():
        for member in seeds[0]:
            if not Run(member.folder).config.is_file():
                try:
                    files.require(member.config, member.searched)
                    prepare(build(member.config))
                except PolyheadError as error:
                    raise PolyheadError(f"variation {name!r}: {error}") from error


def _train_in_turn(missing: Sequence[tuple[str, Member]], show: Callable[[str], None], budget: Budget) -> None:
    """Train runs one after the other, in this process."""
    from polyhead.workflows import train

    for title, member in missing:
        if budget.is_used_up:
            return
        show(title)
        if Run(member.folder).config.is_file():
            train.resume(member.folder, show)
        else:
            train.train(member.config, show=show)


def remove_leftovers(folder: Path) -> None:
    """Remove the folder of a run that was killed before its recipe was written, which holds nothing of use.

    Raises:
        PolyheadError: if the run was not killed, but has just been started by another process.
    """
    run = Run(folder)
    begun = [run.manifest.name, run.config.name]
    files = [path for path in folder.rglob("*") if not path.is_dir()]
    if folder.is_dir() and all(
        path in (run.manifest, run.lock, run.write_lock) or is_partial(path, begun) for path in files
    ):
        with run.locked():
            pass
        shutil.rmtree(folder)
