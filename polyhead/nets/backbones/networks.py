"""Create timm's networks, for images of any size where the network allows it."""

from functools import cache
from typing import Any, NamedTuple

import timm
import torch

from polyhead.errors import PolyheadError, suggest


class Skeleton(NamedTuple):
    """A network without the values of its tensors, and the settings with which it was created."""

    net: Any  # timm's networks share no class
    settings: dict[str, Any]


@cache
def skeleton(name: str) -> Skeleton:
    """Create a timm network on torch's ``meta`` device, where it takes no memory and draws no random numbers.

    Vision transformers and Swin transformers are created for any image size (timm's ``dynamic_img_size``): position
    embeddings are interpolated, and attention masks are made for the size of the images.

    Raises:
        PolyheadError: if timm has no network of this name.
    """
    if not timm.is_model(name):
        raise PolyheadError(f"timm has no network {name!r}{suggest(name, timm.list_models())}")
    settings: dict[str, Any] = {"dynamic_img_size": True}
    with torch.device("meta"):
        try:
            return Skeleton(timm.create_model(name, **settings), settings)
        except TypeError:  # the network has no such setting
            return Skeleton(timm.create_model(name), {})


def strides_of(name: str) -> list[int]:
    """Return the strides of all levels of a timm network, increasing.

    A plain vision transformer has a single one, its patch size.
    """
    return sorted({level["reduction"] for level in skeleton(name).net.feature_info})


def create(name: str, *, hub: bool) -> Any:
    """Create a timm network with its classifier, with random weights or, if ``hub``, with downloaded ones.

    Raises:
        PolyheadError: if timm has no network of this name, or the download fails.
    """
    try:
        return timm.create_model(name, pretrained=hub, **skeleton(name).settings)
    except OSError as error:
        why = str(error).strip().splitlines()[0]
        raise PolyheadError(
            f"weights=hub: the weights of {name!r} could not be downloaded ({why}). Use a weights file, or null for "
            "random weights."
        ) from error
