"""What a training does besides training: the splits that it evaluates, and what it calls after each epoch."""

from collections.abc import Sequence
from typing import NamedTuple

from lightning.pytorch import Callback


class Scope(NamedTuple):
    """What a training does besides training; the default is that of ``polyhead train``.

    Attributes:
        splits: what the best weights are evaluated on. Of a split that is left out, nothing is predicted or stored.
        callbacks: callbacks without a state of their own, which run after an epoch has been saved.
    """

    splits: Sequence[str] = ("val", "test")
    callbacks: Sequence[Callback] = ()


WHOLE = Scope()
"""The scope of ``polyhead train``."""
