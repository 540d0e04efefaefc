"""Slices of a test: the cases of one class, and thirds of the cases by size, brightness and other facts.

Shapes: ``m`` cases, ``n`` samples, ``b`` resamples of the samples (row 0 is the full sample).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from polyhead.analysis.errors.significance import correlation, holm, p_worse
from polyhead.contracts.analyzed import Cases
from polyhead.metrics.intervals import Interval, percentile_interval

THIRDS, BINS = 3, 6
"""Bins of a fact that are slices, and bins of a curve."""
FEWEST = 10
"""A slice needs at least this many samples inside, and outside, to be tried."""
LEVEL = 0.05
"""A slice is worse if its corrected probability is below this."""


class Slice(NamedTuple):
    """Some of the cases of a test, compared with the rest.

    Attributes:
        title: what a wrong case is (:attr:`polyhead.contracts.analyzed.Cases.title`).
        name: which cases they are.
        cases: their number.
        samples: how many samples they are in.
        value: fraction of them that is wrong.
        rest: fraction of the others that is wrong.
        difference: of these two, with its 90 % interval from resamples of the samples.
        p: probability of such a difference by chance, corrected for the number of slices tried.
    """

    title: str
    name: str
    cases: int
    samples: int
    value: float
    rest: float
    difference: Interval
    p: float

    @property
    def worse(self) -> bool:
        """Whether the slice is significantly worse than the rest."""
        return self.p < LEVEL


class Slices(NamedTuple):
    """The slices of a head.

    Attributes:
        tried: all that were compared, the least probable first.
        left_out: titles and names of those with too few samples.
    """

    tried: list[Slice]
    left_out: list[str]

    @property
    def worse(self) -> list[Slice]:
        """The slices that are significantly worse than the rest."""
        return [each for each in self.tried if each.worse]


class Bin(NamedTuple):
    """The cases whose fact lies in a range, both ends included, and the fraction that is wrong."""

    low: float
    high: float
    cases: int
    wrong: Interval


def find_slices(
    groups: Sequence[Cases],
    names: Sequence[str],
    facts: Mapping[str, Float[np.ndarray, " n"]],
    weights: Int[np.ndarray, "b n"],
) -> Slices:
    """Compare each class, and each third of each fact, with the rest.

    Args:
        groups: the cases of a test.
        names: class names.
        facts: facts of the samples; NaN where unknown.
        weights: how often each resample has each sample.
    """
    tried: list[Slice] = []
    left_out: list[str] = []
    for cases in groups:
        alike = correlation(cases.samples, cases.wrong) if len(cases.wrong) else 0.0
        for name, known, inside in _slices(cases, names, facts):
            samples, wrong = cases.samples[known], cases.wrong[known]
            chosen = inside[known]
            if min(len(np.unique(samples[chosen])), len(np.unique(samples[~chosen]))) < FEWEST:
                left_out.append(f"{cases.title}: {name}")
                continue
            value, rest = (_fraction(samples[part], wrong[part], weights) for part in (chosen, ~chosen))  # [b] each
            tried.append(
                Slice(
                    cases.title,
                    name,
                    int(chosen.sum()),
                    len(np.unique(samples[chosen])),
                    float(value[0]),
                    float(rest[0]),
                    percentile_interval(value - rest),
                    p_worse(samples, wrong, chosen, alike),
                )
            )
    corrected = holm([each.p for each in tried])
    found = [each._replace(p=p) for each, p in zip(tried, corrected, strict=True)]
    return Slices(sorted(found, key=lambda each: (each.p, -each.difference.value)), left_out)


def curve(cases: Cases, values: Float[np.ndarray, " m"], weights: Int[np.ndarray, "b n"]) -> list[Bin]:
    """Return the fraction of wrong cases in up to :data:`BINS` ranges of a fact, with about as many cases each."""
    return [
        Bin(
            float(values[inside].min()),
            float(values[inside].max()),
            int(inside.sum()),
            percentile_interval(_fraction(cases.samples[inside], cases.wrong[inside], weights)),
        )
        for inside in ranges(values, values, BINS)
    ]


def facts_of(cases: Cases, facts: Mapping[str, Float[np.ndarray, " n"]]) -> dict[str, Float[np.ndarray, " m"]]:
    """Return the facts of each case: its own, and those of its sample."""
    return {**cases.facts, **{name: values[cases.samples] for name, values in facts.items()}}


def ranges(values: Float[np.ndarray, " m"], base: Float[np.ndarray, " k"], count: int) -> list[Bool[np.ndarray, " m"]]:
    """Split cases by a fact into ranges that have about equally many values of ``base`` each.

    Equal values are in one range, so there can be fewer; a fact that is constant has one. NaN is in none.
    """
    known = base[~np.isnan(base)]
    if not known.size:
        return []
    edges = np.unique(np.quantile(known, np.arange(1, count) / count))  # upper ends, included, of all but the last
    place = np.searchsorted(edges, values, side="left")  # [m]; NaN is sorted behind all
    found = [(place == index) & ~np.isnan(values) for index in range(len(edges) + 1)]
    return [inside for inside in found if inside.any()]


def _slices(
    cases: Cases, names: Sequence[str], facts: Mapping[str, Float[np.ndarray, " n"]]
) -> Iterator[tuple[str, Bool[np.ndarray, " m"], Bool[np.ndarray, " m"]]]:
    """Yield the name of each slice, the cases that it is compared in, and those that it has."""
    every = np.ones(len(cases.wrong), dtype=np.bool_)
    present = np.unique(cases.labels)
    for label in present if len(present) > 1 else ():
        yield f"class {names[label]}", every, cases.labels == label
    for name, values in facts_of(cases, facts).items():
        thirds = ranges(values, facts.get(name, values), THIRDS)  # of the samples, where it is a fact of these
        for inside in thirds if len(thirds) > 1 else ():
            low, high = values[inside].min(), values[inside].max()
            span = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
            yield f"{name} {span}", ~np.isnan(values), inside


def _fraction(
    samples: Int[np.ndarray, " m"], wrong: Bool[np.ndarray, " m"], weights: Int[np.ndarray, "b n"]
) -> Float[np.ndarray, " b"]:
    """Return the fraction of cases that is wrong in each resample; NaN for one without any."""
    size = weights.shape[1]
    bad, every = (weights @ np.bincount(samples, values, size) for values in (wrong.astype(np.float64), None))  # [b]
    fraction: np.ndarray = np.divide(bad, every, out=np.full(len(bad), np.nan), where=every > 0)
    return fraction
