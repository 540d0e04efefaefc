"""The error analysis of one head: its confusions, what its errors cost, and where it is wrong."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from polyhead.analysis.errors.slices import Bin, Slices, curve, facts_of, find_slices
from polyhead.contracts.kind import Tested
from polyhead.metrics import confusions
from polyhead.metrics.intervals import Interval, bootstrap_weights, percentile_interval
from polyhead.plotting import error_plots
from polyhead.plotting.error_plots import Point


class Analysis(NamedTuple):
    """What goes wrong in the test of one head.

    Attributes:
        wrong: for each sort of case, how many there are and the fraction that is wrong, by what a wrong one is.
        confusions: the most frequent ones: true class, predicted class, fraction of what is of the true class and
            predicted as any class.
        score: title of the score that ``gains`` are of; empty without any.
        base: this score.
        gains: how much it would rise if all errors of one type were fixed, by type.
        counts: number of errors of each type.
        slices: the slices, compared with the rest.
        curves: by fact, then by what a wrong case is: the fraction of wrong cases in ranges of the fact.
    """

    wrong: dict[str, tuple[int, Interval]]
    confusions: list[list[Any]]
    score: str
    base: Interval | None
    gains: dict[str, Interval]
    counts: dict[str, int]
    slices: Slices
    curves: dict[str, dict[str, list[Bin]]]


def analyze(tested: Tested, facts: Mapping[str, Float[np.ndarray, " n"]]) -> Analysis:
    """Analyze the errors of a test.

    Args:
        tested: the test.
        facts: facts of its samples, such as their brightness, by name; NaN where unknown.
    """
    kind, names = tested.kind, tested.names
    weights = bootstrap_weights(len(tested.ids))
    groups = kind.cases(tested)
    matrix, gains = kind.confusion(tested), kind.gains(tested, weights)
    curves: dict[str, dict[str, list[Bin]]] = {}
    wrong = {}
    for cases in groups:
        whole = curve(cases, np.zeros(len(cases.wrong)), weights)  # a constant fact has one range
        wrong[cases.title] = (len(cases.wrong), whole[0].wrong if whole else Interval(*[float("nan")] * 3))
        for name, values in facts_of(cases, facts).items():
            bins = curve(cases, values, weights)
            if len(bins) > 1:
                curves.setdefault(name, {})[cases.title] = bins
    return Analysis(
        wrong,
        [] if matrix is None else confusions.largest(matrix[: len(names), : len(names)], names),
        "" if gains is None else gains.score,
        None if gains is None else percentile_interval(gains.values),
        {} if gains is None else {name: percentile_interval(each) for name, each in gains.gains.items()},
        {} if gains is None else dict(gains.counts),
        find_slices(groups, names, facts, weights),
        curves,
    )


def plot(analysis: Analysis, subject: str, stem: Path) -> list[Path]:
    """Plot the gains and the curves into ``STEM.gains.png`` and ``STEM.curves.png``; return the files.

    Args:
        analysis: the analysis.
        subject: what was tested, for the titles.
        stem: path of the files, without the end of their names.
    """
    files = []
    if analysis.gains:
        path = stem.with_name(f"{stem.name}.gains.png")
        files.append(error_plots.gains(analysis.gains, analysis.score, subject, path))
    if analysis.curves:
        panels = {
            fact: {title: [Point(each.low, each.high, *each.wrong) for each in bins] for title, bins in lines.items()}
            for fact, lines in analysis.curves.items()
        }
        files.append(error_plots.curves(panels, subject, stem.with_name(f"{stem.name}.curves.png")))
    return files
