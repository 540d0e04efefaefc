"""The operating points of a run: chosen on val at the end of training, stored in ``best.pt``, used to predict."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from polyhead import checkpoint
from polyhead.analysis.operating import choose_point
from polyhead.analysis.stored_predictions import read_predictions
from polyhead.contracts.operating import Conf, Point
from polyhead.plotting.draw import CONFIDENT
from polyhead.run import Run

SPLIT = "val"
"""The split that operating points are chosen on."""


def choose_points(run: Run, tasks: Iterable[str], precision: float | None, log: Callable[[str], None]) -> None:
    """Choose the operating point of each task from its stored predictions on val, and store it in ``best.pt``.

    Args:
        run: the run.
        tasks: names of the tasks.
        precision: the precision to reach; None for the best F1.
        log: receives a line for each task whose scores do not reach the precision.
    """
    weights = checkpoint.load(run.best)
    entries = {name: dict(entry) for name, entry in weights.tasks.items()}
    for name in tasks:
        (tested,) = read_predictions(str(run.folder), SPLIT, name)
        point = choose_point(tested, SPLIT, precision)
        entries[name].pop(checkpoint.OPERATING, None)
        if point is not None:
            entries[name][checkpoint.OPERATING] = point._asdict()
        can_reach = tested.kind.decisions(tested) is not None
        if can_reach and precision is not None and (point is None or point.precision is None):
            log(f"{name}: no threshold reaches a precision of {precision:g} on val; the default is used instead")
    checkpoint.save(run.best, weights._replace(tasks=entries))


def stored_points(tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, Point]:
    """Return the operating points of the tasks of a weights file that have one."""
    return {
        name: Point(**entry[checkpoint.OPERATING]) for name, entry in tasks.items() if checkpoint.OPERATING in entry
    }


def points_of(run: Run) -> dict[str, Point]:
    """Return the operating points of the tasks of a run that have one."""
    return stored_points(checkpoint.load(run.best).tasks) if run.best.is_file() else {}


def lowest_score(point: Point | None, conf: float | None = None) -> Conf:
    """Return the lowest score of what is shown.

    Args:
        point: the operating point of the task, if it has one.
        conf: the score that the user asks for; None for that of the point, or else 0.25.
    """
    if conf is not None:
        return conf
    return point.thresholds if point is not None and point.thresholds else CONFIDENT


def describe_point(point: Point) -> str:
    """Return which predictions are shown by default, and how that was chosen; empty where all are."""
    if point.threshold is None:
        return ""
    own = sorted(score for score, own in zip(point.thresholds, point.own, strict=True) if own)
    by_class = f" (by class {own[0]:.2f} to {own[-1]:.2f})" if len(point.thresholds) > 1 and own else ""
    goal = "the best F1" if point.precision is None else f"a precision of {point.precision:g}"
    return f"scores from {point.threshold:.2f}{by_class}, chosen on {point.split} for {goal}"
