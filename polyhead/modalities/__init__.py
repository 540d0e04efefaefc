"""The modalities of inputs; a run stores the name of each task's modality."""

from polyhead.contracts import classes
from polyhead.contracts.modality import Modality
from polyhead.errors import PolyheadError

MODALITIES = {"image": "polyhead.modalities.image.Image", "tensor": "polyhead.modalities.tensor.Tensors"}
"""Short names of our modalities; others are named by their class path."""


def modality_of(name: str) -> Modality:
    """Return a modality with its default settings, by its short name or class path; it is not fitted yet.

    Raises:
        PolyheadError: when there is no such modality, its package is not allowed, or it needs arguments.
    """
    found = classes.load(name, Modality, MODALITIES)
    try:
        modality: Modality = found()
    except TypeError as error:
        raise PolyheadError(
            f"modality {name!r} cannot be built without arguments ({error}). A run builds it by its name and restores "
            "its state: give every argument a default, and return from state() what decoding needs."
        ) from error
    return modality
