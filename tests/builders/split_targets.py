"""Make the targets of a split from a dictionary."""

from collections.abc import Mapping, Sequence
from typing import Any

from polyhead.contracts.kind import Targets
from polyhead.kinds import kind_of


def split_targets(kind: str, names: Sequence[str], targets: Mapping[str, Any]) -> Targets:
    """Return the targets of a split, given by sample id."""
    return Targets(kind_of(kind), names, [*targets], [*targets.values()].__getitem__)
