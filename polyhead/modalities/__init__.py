"""The modalities of inputs; a run stores the name of each task's modality."""

from polyhead.contracts import classes
from polyhead.contracts.modality import Modality

MODALITIES = {"image": "polyhead.modalities.image.Image", "tensor": "polyhead.modalities.tensor.Tensors"}
"""Short names of our modalities; others are named by their class path."""


def modality_of(name: str) -> Modality:
    """Return a modality with its default settings, by its short name or class path; it is not fitted yet.

    Raises:
        PolyheadError: when there is no such modality, or its package is not allowed.
    """
    modality: Modality = classes.load(name, Modality, MODALITIES)()
    return modality
