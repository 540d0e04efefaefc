"""Measure operating points: whether the interval that val gives holds what test shows, at the chosen thresholds.

    polyhead evaluate RUN --data RECIPE        # stores the predictions on many images, here on generated scenes
    python -m benchmarks.operating RUN/evaluations/TASK/predictions/test.TASK.npz --val 50 --test 100 --splits 24

The images of a file of stored predictions are divided at random into pairs of a val and a test part, one after the
other, so no two pairs share an image; with --again they are shuffled anew for each pair. Each pair chooses an operating
point on its val part and is measured on its test part. Prints, for each goal, the mean on test, the mean difference of
val from test, and in how many pairs the interval of val holds the value of test: of figures that are cross-fitted, and
of those that the thresholds have on the images that chose them. The last line is about probabilities and their
temperature; for a detector, they are the scores of its detections.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from polyhead.contracts.operating import Decisions
from polyhead.errors import PolyheadError
from polyhead.kinds import stored_kind
from polyhead.metrics.labels import calibration_error
from polyhead.metrics.operating import (
    FIGURES,
    Measured,
    at_temperature,
    choose,
    cross_fitted,
    fit_temperature,
    measure,
    rechosen,
    shown,
)


def main(argv: Sequence[str]) -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE.npz")
    parser.add_argument("--val", type=int, default=50, help="images that the point is chosen on (default: 50)")
    parser.add_argument("--test", type=int, default=100, help="images that it is tested on (default: 100)")
    parser.add_argument("--splits", type=int, default=24, help="pairs of val and test (default: 24)")
    parser.add_argument("--again", action="store_true", help="shuffle the images for each pair")
    parser.add_argument("--precision", type=float, nargs="*", default=[0.9], help="goals besides the best F1")
    given = parser.parse_args(argv)
    for file in given.files:
        tested = stored_kind(file).load(file, file.name.split(".")[1])
        decisions = tested.kind.decisions(tested)
        if decisions is None:
            raise PolyheadError(f"{file}: {tested.kind.title} has no operating point")
        pairs = [*split(decisions, given.val, given.test, given.splits, given.again)]
        print(f"{file}: {len(pairs)} pairs of {given.val} val and {given.test} test images")
        if not tested.kind.always_answers:
            report(pairs, None)
        for precision in given.precision:
            report(pairs, precision)
        if (stored := tested.kind.probabilities(tested)) is None:
            print_temperatures([tuple(binary(each) for each in pair) for pair in pairs])
        else:
            parts = indices(len(decisions.objects), given.val, given.test, given.splits, given.again)
            print_temperatures([tuple((stored[0][each], stored[1][each]) for each in pair) for pair in parts])
    return 0


def indices(images: int, val: int, test: int, splits: int, again: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the indices of the images of each pair of val and test.

    Raises:
        PolyheadError: if there are too few images.
    """
    needed = val + test if again else splits * (val + test)
    if images < needed:
        raise PolyheadError(f"there are {images} images, but {needed} are needed. Lower --splits, --val or --test.")
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(images, generator=generator).numpy()
    for number in range(splits):
        start = 0 if again else number * (val + test)
        yield order[start : start + val], order[start + val : start + val + test]
        if again:
            order = torch.randperm(images, generator=generator).numpy()


def split(decisions: Decisions, val: int, test: int, splits: int, again: bool) -> Iterator[tuple[Decisions, Decisions]]:
    """Yield the decisions of each pair of val and test."""
    for first, second in indices(len(decisions.objects), val, test, splits, again):
        yield part(decisions, first), part(decisions, second)


def part(decisions: Decisions, images: Int[np.ndarray, " q"]) -> Decisions:
    """Return the decisions on some images, as if there were no others."""
    place = np.full(len(decisions.objects), -1)
    place[images] = np.arange(len(images))
    found = decisions.take(place[decisions.samples] >= 0)
    return found._replace(samples=place[found.samples], objects=decisions.objects[images])


class Pair(NamedTuple):
    """What a pair shows: val cross-fitted, val at the thresholds that it chose, and test."""

    fitted: Measured
    apparent: Measured
    test: Measured


def report(pairs: Sequence[tuple[Decisions, Decisions]], precision: float | None) -> None:
    """Print the rows of a goal."""
    found = []
    for val, test in pairs:
        point = choose(val, precision)
        if point is not None:
            fitted = measure(val, cross_fitted(val, point.classes, precision), rechosen(val, precision))
            apparent, there = (measure(each, shown(each, point.classes)) for each in (val, test))
            found.append(Pair(fitted, apparent, there))
    goal = "best F1" if precision is None else f"precision {precision:g}"
    print(f"  {goal}: chosen in {len(found)} of {len(pairs)} pairs")
    if not found:
        return
    if precision is not None:
        reached = np.mean([pair.test.precision.value >= precision for pair in found])
        print(f"    test reaches it in {reached:.0%} of them")
    for name in FIGURES:
        columns = [_column(found, name, lambda pair: pair.fitted), _column(found, name, lambda pair: pair.apparent)]
        mean = np.nanmean([getattr(pair.test, name).value for pair in found])
        text = "; ".join(
            f"{title} {bias:+.3f}, holds test in {held:.0%} (width {width:.3f})"
            for title, (bias, held, width) in zip(("cross-fitted", "as chosen"), columns, strict=True)
        )
        print(f"    {name:<9} {mean:.3f} on test; {text}")


def _column(pairs: Sequence[Pair], name: str, side: Callable[[Pair], Measured]) -> tuple[float, float, float]:
    """Return the mean difference of val from test, how often its interval holds the latter, and its mean width."""
    rows = [(getattr(side(pair), name), getattr(pair.test, name).value) for pair in pairs]
    held = [each.low <= value <= each.high for each, value in rows]
    return (
        float(np.nanmean([each.value - value for each, value in rows])),
        float(np.mean(held)),
        float(np.nanmean([each.high - each.low for each, _ in rows])),
    )


def binary(decisions: Decisions) -> tuple[Float[np.ndarray, "n 2"], Int[np.ndarray, " n"]]:
    """Return the probabilities that each decision is wrong and that it is correct, and which it is."""
    return np.stack([1 - decisions.scores, decisions.scores], axis=1), decisions.hit.astype(np.int64)


def print_temperatures(pairs: Sequence[Sequence[tuple[np.ndarray, np.ndarray]]]) -> None:
    """Print the temperatures that val chooses, and the calibration error on test without and with them."""
    rows = []
    for val, (probabilities, true) in pairs:
        temperature = fit_temperature(*val)
        after = at_temperature(torch.from_numpy(probabilities), temperature).numpy()
        rows.append((temperature, _error(probabilities, true), _error(after, true)))
    temperature, before, after = np.mean(rows, axis=0)
    better = np.mean([row[2] < row[1] for row in rows])
    print(f"  temperature {temperature:.2f}: calibration error on test {before:.3f}, with it {after:.3f}; ", end="")
    print(f"better in {better:.0%}")


def _error(probabilities: np.ndarray, true: np.ndarray) -> float:
    """Return the expected calibration error: of the most probable class, or of the scores of a detector."""
    if probabilities.shape[1] == 2:
        return calibration_error(probabilities[:, 1], true == 1)
    return calibration_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == true)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
