"""The operating point of a task: chosen from its stored predictions on val, and measured on a split."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from polyhead.contracts.kind import Tested
from polyhead.contracts.operating import Decisions, Point
from polyhead.metrics.intervals import LEVEL
from polyhead.metrics.labels import calibration_error
from polyhead.metrics.operating import (
    BEST_F1,
    FIGURES,
    choose,
    cross_fitted,
    fit_temperature,
    measure,
    rechosen,
    shown,
)


def choose_point(tested: Tested, split: str, precision: float | None = None) -> Point | None:
    """Choose the operating point of a task.

    Args:
        tested: the predictions on the split.
        split: the split, which is never test.
        precision: the precision to reach; None for the best F1. Where no threshold reaches it, the best F1 is used, and
            the point says so.

    Returns:
        The point; None for a kind without scores, and for a model that finds nothing.
    """
    kind, temperature = tested.kind, 1.0
    if (stored := kind.probabilities(tested)) is not None:
        temperature = fit_temperature(*stored)
    everything = Point(split, None, None, [], [], temperature)
    decisions = kind.decisions(tested, temperature)
    found = None if decisions is None or precision is None else choose(decisions, precision)
    if found is None:
        precision = None
        if decisions is None or kind.always_answers:
            return None if stored is None else everything
        found = choose(decisions)
    if found is None:
        return None
    return Point(split, precision, found.pooled, found.classes.tolist(), found.own.tolist(), temperature)


def measure_point(tested: Tested, point: Point, split: str) -> dict[str, Any]:
    """Return the figures of a task at its operating point, for ``results.json``.

    On the split that the point was chosen on, precision, recall and F1 are cross-fitted
    (:mod:`polyhead.metrics.operating`).

    Args:
        tested: the predictions on the split.
        point: the point.
        split: the split.
    """
    numbers: dict[str, Any] = {
        "chosen_on": point.split,
        "goal": BEST_F1 if point.precision is None else {"precision": point.precision},
        "threshold": point.threshold,
    }
    before, after = tested.kind.decisions(tested), tested.kind.decisions(tested, point.temperature)
    if before is not None and after is not None and tested.kind.probabilities(tested) is not None:
        numbers["temperature"] = point.temperature
        errors = [calibration_error(each.scores, each.hit) for each in (before, after)]
        numbers["calibration_error"] = {"before": errors[0], "after": errors[1]}
    if after is not None and point.thresholds:
        numbers |= _at_thresholds(after, point, tested.names, point.split == split)
    return numbers


def _at_thresholds(decisions: Decisions, point: Point, names: list[str], chosen_here: bool) -> dict[str, Any]:
    """Return precision, recall and F1 with their intervals, and the figures of each class."""
    thresholds = np.array(point.thresholds)
    reached = cross_fitted(decisions, thresholds, point.precision) if chosen_here else shown(decisions, thresholds)
    measured = measure(decisions, reached, rechosen(decisions, point.precision) if chosen_here else ())
    columns = (point.thresholds, point.own, measured.class_precision.tolist(), measured.class_recall.tolist())
    keys = ("threshold", "own", "precision", "recall")
    return {
        **{name: list(getattr(measured, name)) for name in FIGURES},
        "level": LEVEL,
        "cross_fitted": chosen_here,
        "shown": float(reached.sum() / len(decisions.objects)),
        "classes": {name: dict(zip(keys, row, strict=True)) for name, *row in zip(names, *columns, strict=True)},
    }


def sentences(numbers: Mapping[str, Any], split: str) -> list[str]:
    """Return the sentences of the verdict about an operating point.

    Args:
        numbers: what :func:`measure_point` returned, in plain types.
        split: the split that was evaluated.
    """
    found = []
    if BEST_F1 in numbers:
        goal = numbers["goal"]
        aim = "the best F1" if goal == BEST_F1 else f"a precision of {goal['precision']:g}"
        figures = [f"{name} {_figure(*numbers[name])}" for name in FIGURES[:2]]
        how = ", cross-fitted" if numbers["cross_fitted"] else ""
        point = f"At the operating point, scores from {numbers['threshold']:.2f}"
        found = [f"{point} (chosen on {numbers['chosen_on']} for {aim}): {', '.join(figures)} on {split}{how}."]
    if "calibration_error" in numbers:
        before, after = (numbers["calibration_error"][key] for key in ("before", "after"))
        found.append(
            f"Probabilities are shown at temperature {numbers['temperature']:.2f}: their calibration error is "
            f"{after:.3f} on {split}, {before:.3f} without."
        )
    return found


def _figure(value: float | None, low: float | None, high: float | None) -> str:
    """Return a figure and its interval; None is not defined."""
    if value is None or low is None or high is None:
        return "not defined"
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"
