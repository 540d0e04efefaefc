"""Call the methods of a head and check what they return, so that a mistake in a head of one's own is named."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from torch import Tensor

from polyhead.contracts.kind import Kind
from polyhead.contracts.network import Head
from polyhead.errors import PolyheadError
from polyhead.types import Batch, LossTerm, SumCount


def losses_of(head: Head, raw: Any, batch: Batch, progress: float, taken: Collection[str]) -> Mapping[str, LossTerm]:
    """Return the losses of a batch (:meth:`polyhead.contracts.network.Head.losses`).

    Args:
        head: the head.
        raw: its raw predictions.
        batch: their targets.
        progress: fraction of the stage's steps that are done.
        taken: names of columns in ``results.csv`` that are no losses.

    Raises:
        PolyheadError: when they are no losses, or have such a name.
    """
    found = head.losses(raw, batch, progress)
    if not isinstance(found, Mapping) or not found or not all(map(_is_loss, found.values())):
        raise _wrong(head, "losses", "{name: LossTerm(sum, count)}, where each sum is a scalar tensor", found)
    for name in found:
        if name in taken:
            raise PolyheadError(f"{type(head).__name__}.losses: {name!r} is the name of a score. Rename the loss.")
    return found


def stats_of(head: Head, raw: Any, batch: Batch) -> Mapping[str, SumCount]:
    """Return the statistics of a batch (:meth:`polyhead.contracts.network.Head.stats`).

    Raises:
        PolyheadError: when they are no sums with their counts.
    """
    found = head.stats(raw, batch)
    if not isinstance(found, Mapping) or not all(isinstance(each, tuple) and len(each) == 2 for each in found.values()):
        raise _wrong(head, "stats", "{name: (sum, count)}", found)
    return found


def decoded(head: Head, raw: Any, kind: Kind, batch: Batch) -> Sequence[Any]:
    """Return the predictions of a batch (:meth:`polyhead.contracts.network.Head.decode`).

    Raises:
        PolyheadError: when they are not one prediction of the kind for each sample.
    """
    found = head.decode(raw)
    count = len(batch.meta)
    if not isinstance(found, Sequence) or len(found) != count or not isinstance(found[0], kind.prediction):
        got = f"{len(found)} of {_form(found[0])}" if isinstance(found, Sequence) and found else found
        raise _wrong(head, "decode", f"a list of {count} {kind.prediction.__name__}, one for each sample", got)
    return found


def _is_loss(term: Any) -> bool:
    return isinstance(term, LossTerm) and isinstance(term.sum, Tensor) and term.sum.ndim == 0


def _wrong(head: Head, method: str, expected: str, found: Any) -> PolyheadError:
    got = found if isinstance(found, str) else _form(found)
    return PolyheadError(f"{type(head).__name__}.{method}: expected {expected}, got {got}. See docs/own_parts.md.")


def _form(found: Any) -> str:
    """Return the type of a value, with the types in a mapping and the shape of a tensor."""
    if isinstance(found, Mapping):
        return "{" + ", ".join(f"{name!r}: {_form(value)}" for name, value in found.items()) + "}"
    if isinstance(found, LossTerm):
        return f"LossTerm({_form(found.sum)}, ...)"
    return f"Tensor {list(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
