"""The worst mistakes of each type, chosen from a stream of any length."""

import heapq
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from polyhead.contracts.explained import Mistake


class Placed(NamedTuple):
    """A mistake, and the number of the sample of the split in which it was made."""

    sample: int
    mistake: Mistake


class Ranking(NamedTuple):
    """The mistakes of a split.

    Attributes:
        counts: how many there are of each type, the most frequent first.
        worst: the worst of each type, in the same order, the worst first.
    """

    counts: dict[str, int]
    worst: dict[str, list[Placed]]


def rank(found: Iterable[Placed], most: int) -> Ranking:
    """Return the worst mistakes of each type; of equally bad ones, the first.

    Args:
        found: all mistakes; no more than ``most`` of each type are in memory.
        most: largest number of mistakes of a type.
    """
    counts: Counter[str] = Counter()
    heaps: dict[str, list[tuple[float, int, Placed]]] = {}
    for number, placed in enumerate(found):
        counts[placed.mistake.type] += 1
        heap = heaps.setdefault(placed.mistake.type, [])
        heapq.heappush(heap, (placed.mistake.severity, -number, placed))  # -number decides before mistakes are compared
        if len(heap) > most:
            heapq.heappop(heap)
    ordered = dict(counts.most_common())
    return Ranking(ordered, {kind: [placed for *_, placed in sorted(heaps[kind], reverse=True)] for kind in ordered})
