"""Stored predictions of runs, read back; runs that are compared must have been tested on the same targets."""

from collections.abc import Sequence

from polyhead.contracts.kind import Tested
from polyhead.errors import PolyheadError, suggest
from polyhead.kinds import stored_kind
from polyhead.run import Run


def join_tasks(parts: Sequence[Tested]) -> Tested:
    """Pool the tasks of a run, or of several runs that are compared as one.

    Raises:
        PolyheadError: when the tasks cannot be pooled.
    """
    if len({part.kind.name for part in parts}) > 1:
        tasks = ", ".join(dict.fromkeys(f"{part.task} ({part.kind.title})" for part in parts))
        raise PolyheadError(
            f"tasks of these kinds cannot be pooled: {tasks}. Choose one with --task NAME (in a study: tables: tasks)."
        )
    return parts[0].join(parts[1:])


def read_predictions(folder: str, split: str, task: str | None = None) -> list[Tested]:
    """Read the stored predictions and targets of a run, for one task or for all of them."""
    tasks = stored_tasks(folder, split)
    if task is not None and task not in tasks:
        raise PolyheadError(f"run {folder!r} has no predictions for task {task!r}{suggest(task, tasks)}")
    run = Run.open(folder)
    paths = {name: run.predictions_path(split, name) for name in tasks if task in (None, name)}
    return [stored_kind(path).load(path, name) for name, path in paths.items()]


def stored_tasks(folder: str, split: str) -> list[str]:
    """Return the tasks of a run that have stored predictions of a split.

    Raises:
        PolyheadError: when there are none.
    """
    start, end = f"{split}.", ".npz"
    files = Run.open(folder).predictions.glob(f"{start}*{end}")
    names = (path.name.removeprefix(start).removesuffix(end) for path in files)
    tasks = sorted(name for name in names if "." not in name)  # with a dot: TASK.target, the targets of a task
    if not tasks:
        raise PolyheadError(
            f"run {folder!r} has no stored predictions of split {split!r}. "
            f"Write them with 'polyhead evaluate {folder} --split {split}'."
        )
    return tasks


def check_same_targets(first: Tested, other: Tested, rows: tuple[str, str]) -> None:
    """Refuse runs that were tested on different samples, objects or classes: their scores cannot be compared."""
    problem = f"runs {rows[0]!r} and {rows[1]!r} cannot be compared: "
    remedy = ". Compare runs of the same data and split."
    if first.kind.name != other.kind.name:
        kinds = f"one was tested on {first.kind.title}, the other on {other.kind.title}"
        raise PolyheadError(f"{problem}{kinds}. Choose a task of the same kind with --task NAME.")
    if first.names != other.names:
        raise PolyheadError(f"{problem}their classes are {first.names} and {other.names}{remedy}")
    unshared = sorted({*first.ids} ^ {*other.ids})
    if unshared:
        raise PolyheadError(
            f"{problem}{len(unshared)} image(s) were tested by only one of them, such as {unshared[0]!r}{remedy}"
        )
    changed = first.differences(other)
    if changed:
        raise PolyheadError(
            f"{problem}the targets of {len(changed)} image(s) differ, such as those of {changed[0]!r}{remedy}"
        )
