"""The figures of ``benchmarks/device.py``: ratios and their intervals, checks, the table, the rows of the CSV file."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.device_training import Resume, Steps

BASE = "32-true"
"""The precision that the others are compared with."""
CONFIDENCE = 0.9
"""Confidence of the interval of a median."""
MORE = 10.0
"""How many times the difference of two equal trainings a resumed one may differ, where kernels are not deterministic.

Both are single draws of the same rounding errors. A resume that loses state differs by far more.
"""
FAILED = "FAILED"
"""The start of the result of a check that failed."""
COLUMNS = ("n", "check", "software")
"""The columns of the CSV file that ``results.csv`` does not have."""


class Figure(NamedTuple):
    """A row of the table.

    Attributes:
        model: name of the model.
        variant: the precision, or what is compared.
        metric: what was measured, with its unit.
        value: the figure; None where it is not available.
        interval: of the value; None without repetitions.
        repeats: number of repetitions.
        check: ``ok`` or ``FAILED`` and the reason; empty where nothing is checked.
    """

    model: str
    variant: str
    metric: str
    value: float | None
    interval: tuple[float, float] | None = None
    repeats: int = 1
    check: str = ""


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return an interval that covers the median of the distribution, from order statistics.

    Its ends are the innermost pair of values, equally far from both ends of the sorted list, that covers the median
    with a confidence of at least 90 %. Fewer than five values have no such pair; their range is returned.

    Returns:
        Both ends; None for fewer than two values.
    """
    count = len(values)
    if count < 2:
        return None
    outside, tail = 0, 2 * 0.5**count  # values left out at each end; probability that the median is outside
    while tail + 2 * math.comb(count, outside + 1) * 0.5**count <= 1 - CONFIDENCE:
        outside += 1
        tail += 2 * math.comb(count, outside) * 0.5**count
    ordered = sorted(values)
    return ordered[outside], ordered[-1 - outside]


def median(model: str, variant: str, metric: str, values: Sequence[float]) -> Figure:
    """Return the figure of repeated measurements: their median and its interval."""
    return Figure(model, variant, metric, statistics.median(values), interval(values), len(values))


def step_figures(
    model: str, timed: Mapping[str, Sequence[Steps]], images: int, warmup: int, tolerance: Mapping[str, float]
) -> list[Figure]:
    """Return the figures of the timed trainings of a model.

    Args:
        model: its name.
        timed: the trainings of each precision, in the order of the rounds.
        images: images of a step.
        warmup: first steps of a training, which are not timed.
        tolerance: largest relative difference of the loss for each precision but :data:`BASE`.
    """
    figures = []
    seconds = {name: [statistics.median(each.seconds[warmup:]) for each in runs] for name, runs in timed.items()}
    for name, runs in timed.items():
        figures.append(median(model, name, "images/s", [images / each for each in seconds[name]]))
        peaks = [each.mebibytes for each in runs if each.mebibytes is not None]
        figures.append(Figure(model, name, "peak GPU memory, MiB", max(peaks, default=None), repeats=len(runs)))
        losses = [loss for each in runs for loss in each.losses]
        finite = "ok: all finite" if all(map(math.isfinite, losses)) else f"{FAILED}: not all finite"
        count = len(runs[0].losses)
        figures.append(Figure(model, name, f"loss after {count} steps", last_loss(runs[0]), check=finite))
        if name != BASE and timed.get(BASE):
            pairs = [base / other for base, other in zip(seconds[BASE], seconds[name], strict=False)]
            figures.append(median(model, f"{name} / {BASE}", "speed ratio", pairs))
            figures.append(loss_difference(model, name, timed[BASE][0], runs[0], tolerance[name]))
    return figures


def last_loss(steps: Steps) -> float:
    """Return the mean loss of the second half of the steps."""
    return statistics.fmean(steps.losses[len(steps.losses) // 2 :])


def loss_difference(model: str, name: str, base: Steps, other: Steps, tolerance: float) -> Figure:
    """Return the difference of the last losses as a fraction of the first one, and whether it is small enough."""
    expected = last_loss(base)
    difference = abs(last_loss(other) - expected) / abs(expected)
    words = "ok: at most" if difference <= tolerance else f"{FAILED}: more than"  # NaN fails
    return Figure(model, f"{name} / {BASE}", "relative loss difference", difference, check=f"{words} {tolerance:g}")


def resume_figures(model: str, name: str, resume: Resume) -> list[Figure]:
    """Return the figures of the resume check of a model in a precision."""
    scale = None if resume.scalers[0] is None else float(resume.scalers[0]["scale"])
    return [
        Figure(model, name, "resume: largest difference", resume.resumed.largest, check=judge_resume(resume)),
        Figure(model, name, "same seed again: largest difference", resume.repeated.largest),
        Figure(model, name, "resume: loss scale", scale, check=judge_scaler(name, resume.scalers)),
    ]


def judge_resume(resume: Resume) -> str:
    """Return the result of the comparison of the weights and the optimizer's state."""
    row, (taken, whole) = resume.resumed, resume.steps
    structural = [fault for fault in row.faults if not fault.startswith("different")]
    if not 0 < taken < whole:
        return f"{FAILED}: expected a resume within the training, got {taken} of {whole} steps after the interruption"
    if structural:
        return f"{FAILED}: {structural[0]}"
    if not row.faults:
        return "ok: bitwise equal"
    if math.isfinite(row.largest) and row.largest <= MORE * resume.repeated.largest:
        return f"ok: at most {MORE:g} times that of the same seed again"
    return f"{FAILED}: {len(row.faults)} tensors or numbers differ, {row.faults[0]}"


def judge_scaler(precision: str, scalers: tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]) -> str:
    """Return the result of the comparison of the loss scalers' states; there is nothing to compare without a scaler."""
    whole, resumed = scalers
    if whole is None and precision != "16-mixed":
        return ""
    if whole is None or resumed != whole:
        return f"{FAILED}: expected {whole or 'a state'}, got {resumed}"
    return f"ok: equal, {whole}"


def reference_figure(
    model: str, reference: str, precision: str, ours: Sequence[float], theirs: Sequence[float]
) -> Figure:
    """Return how many times as fast our step is as the reference's, from the seconds of steps in turn."""
    pairs = [other / mine for mine, other in zip(ours, theirs, strict=True)]
    return median(model, f"{precision} vs. {reference}", "speed ratio", pairs)


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as text, one a line."""
    lines = [f"{'model':<14}{'variant':<26}{'metric':<36}{'value':>13}  {'interval':<24}{'n':>3}  check"]
    for each in figures:
        value = "not available" if each.value is None else f"{each.value:.5g}"
        ends = f"{each.interval[0]:.5g} to {each.interval[1]:.5g}" if each.interval else ""
        line = (
            f"{each.model:<14}{each.variant:<26}{each.metric:<36}{value:>13}  {ends:<24}{each.repeats:>3}  {each.check}"
        )
        lines.append(line.rstrip())
    return "\n".join(lines)


def csv_rows(
    figures: Sequence[Figure], columns: Sequence[str], common: Mapping[str, Any], images: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Return the figures as rows with the columns of ``results.csv`` and :data:`COLUMNS`.

    Args:
        figures: the figures.
        columns: those of ``results.csv``; the ones that have no meaning here stay empty.
        common: values that all rows have.
        images: images of a step of each model.
    """
    rows = []
    for each in figures:
        low, high = each.interval or ("", "")
        known = {
            "what": each.model,
            "task": each.variant,
            "metric": each.metric,
            "images": images[each.model],
            "score": "" if each.value is None else each.value,
            "low": low,
            "high": high,
            "n": each.repeats,
            "check": each.check,
        }
        rows.append({**dict.fromkeys((*columns, *COLUMNS), ""), **common, **known})
    return rows


def outcome(figures: Sequence[Figure], failures: Sequence[str], missed: Sequence[str]) -> tuple[int, str]:
    """Return the exit code and the last line of the output.

    Args:
        figures: all figures.
        failures: errors of work that could not be done.
        missed: checks that the time did not allow.
    """
    checked = [each for each in figures if each.check]
    failed = [f"{each.model} {each.variant} {each.metric}" for each in checked if each.check.startswith(FAILED)]
    if failed or failures:
        return 1, f"{FAILED}: {'; '.join([*failed, *failures])}"
    if missed or not checked:
        return 3, f"INCOMPLETE: {len(checked)} checks passed, and there was no time for: {', '.join(missed)}"
    return 0, f"OK: {len(checked)} checks passed"
