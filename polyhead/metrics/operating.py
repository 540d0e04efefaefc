"""Choose score thresholds and a temperature on val, and measure precision, recall and F1 at the thresholds.

On the samples that they were chosen on, thresholds look better than they are. Precision and recall there are therefore
*cross-fitted*: the decisions on each tenth of the samples are judged by thresholds chosen on the other nine
tenths. Other samples would have led to other thresholds, too: the intervals are widened by how much the figures scatter
between thresholds that are chosen on resamples.

Shapes: ``n`` decisions, ``p`` samples, ``c`` classes, ``b`` resamples (row 0 is the full sample).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from polyhead import rng
from polyhead.contracts.operating import Decisions
from polyhead.metrics.intervals import Interval, bootstrap_weights, percentile_interval

FIGURES = ("precision", "recall", "f1")
"""The figures of an operating point."""
BEST_F1 = FIGURES[2]
"""The goal where no precision is asked for."""
FEW = 10
"""With fewer objects than this on val, a class gets the threshold of all classes."""
FOLDS = 10
"""Parts that the samples are divided into for cross-fitting."""
RECHOSEN = 100
"""Resamples on which thresholds are chosen again."""
TEMPERATURES = (0.05, 20.0)
"""The lowest and the highest temperature."""
_STEPS = 25  # halvings of the range of temperatures: to a relative error of 2e-7


class Thresholds(NamedTuple):
    """Lowest scores of what is shown.

    Attributes:
        pooled: that of all classes together.
        classes: that of each class.
        own: whether it was chosen from the decisions of this class; else it is the pooled one.
    """

    pooled: float
    classes: Float[np.ndarray, " c"]
    own: Bool[np.ndarray, " c"]


class Measured(NamedTuple):
    """Precision, recall and F1 of what is shown, of all classes together, with intervals over the samples.

    Attributes:
        precision: fraction of the shown decisions that are correct; NaN where none is shown.
        recall: fraction of the objects that are found.
        f1: harmonic mean of both.
        class_precision: precision of each class.
        class_recall: recall of each class.
    """

    precision: Interval
    recall: Interval
    f1: Interval
    class_precision: Float[np.ndarray, " c"]
    class_recall: Float[np.ndarray, " c"]


def choose(decisions: Decisions, precision: float | None = None) -> Thresholds | None:
    """Choose a threshold for each class: the best F1, or the most objects found at a precision.

    Args:
        decisions: those on val.
        precision: lowest precision of what is shown, 0..1; None for the best F1.

    Returns:
        The thresholds; None where no decision is correct, or none reaches the precision. A class with fewer than
        :data:`FEW` objects, or without a threshold of its own, gets that of all classes together.
    """
    objects = decisions.objects.sum(axis=0)  # [c]
    pooled = threshold(decisions.scores, decisions.hit, int(objects.sum()), precision)
    if pooled is None:
        return None
    thresholds = np.full(objects.shape, pooled)
    own = np.zeros(objects.shape, dtype=np.bool_)
    order = np.argsort(decisions.labels, kind="stable")
    bounds = np.searchsorted(decisions.labels[order], np.arange(objects.shape[0] + 1))
    for label in np.flatnonzero(objects >= FEW):
        mine = order[bounds[label] : bounds[label + 1]]
        found = threshold(decisions.scores[mine], decisions.hit[mine], int(objects[label]), precision)
        if found is not None:
            thresholds[label], own[label] = found, True
    return Thresholds(pooled, thresholds, own)


def threshold(
    scores: Float[np.ndarray, " n"], hit: Bool[np.ndarray, " n"], objects: int, precision: float | None = None
) -> float | None:
    """Choose one threshold: the middle of the widest range of thresholds that are equally good.

    All thresholds between two neighboring scores show the same decisions. Where several such ranges side by side have
    the same F1, they are one range. For a precision, one wrong decision more is counted than there is, so that a few
    correct ones are not taken for a proof.

    Args:
        scores: 0..1, in any order.
        hit: whether each decision is correct.
        objects: number of objects.
        precision: lowest precision of what is shown; None for the best F1.

    Returns:
        The threshold; None where no decision is correct, or none reaches the precision.
    """
    order = np.argsort(-scores, kind="stable")
    scores, correct = scores[order].astype(np.float64), np.cumsum(hit[order])
    last = np.flatnonzero(np.diff(scores, append=-1.0))  # the last of each group of equal scores: [k]
    if not last.size or not correct[-1]:
        return None
    upper, lower = scores[last], np.append(scores[last][1:], 0.0)  # thresholds in (lower, upper] show the same: [k]
    shown, correct = last + 1, correct[last]  # [k]
    if precision is None:
        f1 = 2 * correct / (shown + objects)
        best = f1 == f1.max()
    else:
        reached = np.flatnonzero(correct >= precision * (shown + 1) - 1e-9)  # 9 of 9 reach 0.9
        if not reached.size:
            return None
        best = np.arange(last.size) == reached[-1]
    edges = np.diff(best.astype(np.int64), prepend=0, append=0)
    first, end = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1  # of each run of best ranges
    widest = np.argmax(upper[first] - lower[end])
    return float((upper[first[widest]] + lower[end[widest]]) / 2)


def shown(decisions: Decisions, thresholds: Float[np.ndarray, " c"]) -> Bool[np.ndarray, " n"]:
    """Return which decisions reach the threshold of their class."""
    return np.asarray(decisions.scores >= thresholds[decisions.labels])


def cross_fitted(
    decisions: Decisions, thresholds: Float[np.ndarray, " c"], precision: float | None = None
) -> Bool[np.ndarray, " n"]:
    """Return which decisions reach the threshold that is chosen without their part of the samples.

    Args:
        decisions: those that the thresholds were chosen on.
        thresholds: the thresholds, for parts without which none can be chosen.
        precision: what they were chosen for; see :func:`choose`.
    """
    samples = decisions.objects.shape[0]
    generator = torch.Generator().manual_seed(rng.derive_seed("folds", samples))
    fold = torch.randperm(samples, generator=generator).numpy() % FOLDS  # [p]
    result = np.zeros(decisions.scores.shape, dtype=np.bool_)
    for number in range(min(FOLDS, samples)):
        others = choose(decisions.within(fold != number), precision)
        judged = fold[decisions.samples] == number  # [n]
        result |= judged & shown(decisions, thresholds if others is None else others.classes)
    return result


def rechosen(decisions: Decisions, precision: float | None = None) -> list[Bool[np.ndarray, " n"]]:
    """Return which decisions reach the thresholds that each of :data:`RECHOSEN` resamples of the samples chooses."""
    result = []
    best_first = decisions.take(np.argsort(-decisions.scores, kind="stable"))  # what is sorted is sorted again quickly
    for counts in bootstrap_weights(decisions.objects.shape[0])[1 : RECHOSEN + 1]:
        drawn = np.repeat(np.arange(decisions.scores.shape[0]), counts[best_first.samples])
        found = choose(best_first.take(drawn)._replace(objects=decisions.objects * counts[:, None]), precision)
        if found is not None:
            result.append(shown(decisions, found.classes))
    return result


def measure(
    decisions: Decisions, chosen: Bool[np.ndarray, " n"], others: Sequence[Bool[np.ndarray, " n"]] = ()
) -> Measured:
    """Compute precision, recall and F1 of the decisions that are shown, with bootstrap intervals over the samples.

    Args:
        decisions: those of a split.
        chosen: which of them are shown.
        others: which would be shown at other thresholds (:func:`rechosen`); how much the figures scatter between them
            widens the intervals.
    """
    samples, classes = decisions.objects.shape
    found = chosen & decisions.hit
    columns = [np.bincount(decisions.samples[each], minlength=samples) for each in (found, chosen)]
    # correct, shown and expected in each sample: [p, 3]; of each resample: [b, p] @ [p, 3] -> [b, 3]
    sums = bootstrap_weights(samples) @ np.stack([*columns, decisions.objects.sum(axis=1)], axis=1)
    figures = _figures(*sums.T)  # [3, b]
    if others:
        each = np.stack(others)  # [RECHOSEN, n]
        expected = np.full(len(each), decisions.objects.sum())
        scatter = _figures((each & decisions.hit).sum(axis=1), each.sum(axis=1), expected)
        scatter -= np.nanmean(scatter, axis=1, keepdims=True)
        figures[:, 1:] += scatter[:, np.arange(figures.shape[1] - 1) % len(each)]
        figures = figures.clip(0, 1)
    by_class = [np.bincount(decisions.labels[each], minlength=classes) for each in (found, chosen)]
    precision, recall, f1 = map(percentile_interval, figures)
    return Measured(
        precision,
        recall,
        f1,
        _fraction(by_class[0], by_class[1]),
        _fraction(by_class[0], decisions.objects.sum(axis=0)),
    )


def fit_temperature(probabilities: Float[np.ndarray, "p c"], true: Int[np.ndarray, " p"]) -> float:
    """Return the temperature with the lowest negative log-likelihood (Guo et al., ICML 2017, section 4.2).

    The likelihood has one maximum, so its derivative is bisected. Targets are smoothed by ``1 / (p + 2)`` as in Platt's
    scaling (1999): where all predictions are correct, the best temperature would be 0.

    Args:
        probabilities: of each class; only their logarithms up to a constant matter.
        true: the correct classes.
    """
    logits = _log(torch.from_numpy(probabilities).double())  # [p, c]
    smoothing = 1 / (len(true) + 2)
    correct = logits.gather(1, torch.from_numpy(true)[:, None])[:, 0]  # [p]
    target = ((1 - smoothing) * correct + smoothing * logits.mean(dim=1)).mean()
    low, high = np.log(TEMPERATURES)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        expected = ((logits / np.exp(middle)).softmax(dim=1) * logits).sum(dim=1).mean()
        # Colder predictions expect a higher logit: above the target they are too sure.
        low, high = (middle, high) if expected > target else (low, middle)
    return float(np.exp((low + high) / 2))


def at_temperature(probabilities: Float[torch.Tensor, "*p c"], temperature: float) -> Float[torch.Tensor, "*p c"]:
    """Return class probabilities at a temperature: 1 changes nothing, a higher one makes them less sure."""
    return probabilities if temperature == 1 else (_log(probabilities) / temperature).softmax(dim=-1)


def _log(probabilities: Float[torch.Tensor, "*p c"]) -> Float[torch.Tensor, "*p c"]:
    """Return logarithms; that of 0 is the lowest of float32."""
    return probabilities.clamp(min=torch.finfo(torch.float32).tiny).log()


def _figures(correct: np.ndarray, predicted: np.ndarray, expected: np.ndarray) -> Float[np.ndarray, "3 b"]:
    """Return precision, recall and F1 from the numbers of correct, shown and expected decisions, ``[b]`` each."""
    pairs = ((correct, predicted), (correct, expected), (2 * correct, predicted + expected))
    return np.stack([_fraction(*pair) for pair in pairs])


def _fraction(part: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Divide; NaN where the total is 0."""
    fraction: np.ndarray = np.divide(part, total, out=np.full(part.shape, np.nan), where=total > 0)
    return fraction
