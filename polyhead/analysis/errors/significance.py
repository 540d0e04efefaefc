"""Whether some of the cases of a test are wrong more often than the others, and what several such tests prove together.

The number of wrong cases in a slice is compared with that in random slices of the same size (Fisher's exact test, one
side). Objects of one image are not independent, so its distance from the expected number is divided by the square root
of the design effect (Rao and Scott, JASA 1981): how much the variance of a difference grows where cases of one sample
are alike.

Shapes: ``m`` cases.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int


def p_worse(
    samples: Int[np.ndarray, " m"], wrong: Bool[np.ndarray, " m"], inside: Bool[np.ndarray, " m"], alike: float
) -> float:
    """Return the probability of at least as many wrong cases in a slice if it were not worse than the others.

    Args:
        samples: index of the sample of each case.
        wrong: whether each case is wrong.
        inside: the cases of the slice; there are some inside and some outside.
        alike: correlation of two cases of one sample, see :func:`correlation`.
    """
    drawn, total, size = int(inside.sum()), int(wrong.sum()), len(wrong)
    shares = np.where(inside, 1 / drawn, -1 / (size - drawn))  # [m] the difference is the sum of share * wrong
    squares = float((shares**2).sum())
    effect = max(1.0, 1 + alike * _products(samples, shares) / squares)
    expected = drawn * total / size
    excess = (int(wrong[inside].sum()) - expected) / math.sqrt(effect)
    return upper_tail(math.ceil(expected + excess - 1e-9), drawn, total, size)


def correlation(samples: Int[np.ndarray, " m"], wrong: Bool[np.ndarray, " m"]) -> float:
    """Return how alike the cases of one sample are: 0 if independent, 1 if all of them are right or all are wrong."""
    rest = wrong - wrong.mean()  # [m]
    pairs = _products(samples, np.ones(len(samples)))
    variance = float((rest**2).mean())
    return float(np.clip(_products(samples, rest) / (pairs * variance), 0, 1)) if pairs and variance else 0.0


def upper_tail(least: int, drawn: int, wrong: int, size: int) -> float:
    """Return the probability of at least ``least`` wrong cases among ``drawn`` random ones of ``size``.

    Args:
        least: the number.
        drawn: cases that are drawn without replacement.
        wrong: wrong cases in all.
        size: cases in all.

    >>> round(upper_tail(2, drawn=2, wrong=2, size=4), 4)  # one of the six pairs of four cases
    0.1667
    """
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, size + 1)))])  # of the factorials of 0 to size
    numbers = np.arange(max(least, 0, drawn + wrong - size), min(drawn, wrong) + 1)
    chances = _choose(logs, wrong, numbers) + _choose(logs, size - wrong, drawn - numbers) - _choose(logs, size, drawn)
    return min(1.0, float(np.exp(chances).sum()))


def _choose(logs: np.ndarray, of: int, number: np.ndarray | int) -> np.ndarray:
    """Return the logarithm of the binomial coefficient, given those of the factorials."""
    return np.asarray(logs[of] - logs[number] - logs[of - number])


def holm(ps: Sequence[float]) -> list[float]:
    """Return the probabilities of several tests corrected for their number (Holm, Scand. J. Statistics 1979).

    Whatever the tests have in common, the chance that any true null hypothesis has one below .05 is at most 5 %.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    corrected = [1.0] * len(ps)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[index]))
        corrected[index] = largest
    return corrected


def _products(samples: Int[np.ndarray, " m"], values: Float[np.ndarray, " m"]) -> float:
    """Return the sum of the products of all ordered pairs of different cases of one sample."""
    return float((np.bincount(samples, values) ** 2).sum() - (values**2).sum())
