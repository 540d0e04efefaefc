"""Find out which timm network a weights file is for, from the names and shapes of its tensors."""

from pathlib import Path
from typing import Any, NamedTuple

import timm

from polyhead.errors import PolyheadError
from polyhead.nets.backbones.networks import skeleton
from polyhead.nets.backbones.weights import COUNTER, classifier_prefixes, read_shapes
from polyhead.paths import WEIGHTS, places

KNOWN = (
    "tf_efficientnet_lite0",
    "efficientnet_lite0",
    "mobilenetv2_100",
    "efficientnet_b0",
    "tf_efficientnet_b0",
    "mobilenetv3_large_100",
    "tf_mobilenetv3_large_100",
    "resnet18",
    "regnety_008",
    "resnet34",
    "resnet50",
    "convnext_tiny",
)
"""Networks that are recognized whatever the name of the file, in the order of preference: small ones first."""

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")


class FoundWeights(NamedTuple):
    """A weights file of a timm network.

    Attributes:
        path: the file.
        networks: timm's names of the networks that it fits, the most likely one first.
        place: where it was found, in words.
    """

    path: Path
    networks: list[str]
    place: str


def find_weights() -> list[FoundWeights]:
    """Return the weights files of timm networks in the current folder, ``POLYHEAD_WEIGHTS`` and the cache folder.

    Files of the same place are in the order of :data:`KNOWN`. Files with other content are left out.
    """
    found: list[FoundWeights] = []
    seen: set[str] = set()  # a name that is in several places is found in the first one
    for place, folder in places(WEIGHTS):
        files = sorted(path for path in folder.glob("*") if path.suffix in SUFFIXES and path.name not in seen)
        seen |= {path.name for path in files}
        fitting = [FoundWeights(path, names, place) for path in files if (names := networks_of(path))]
        found += sorted(fitting, key=lambda each: [*KNOWN, each.networks[0]].index(each.networks[0]))
    return found


def networks_of(path: Path) -> list[str]:
    """Return timm's names of the networks that a weights file fits: none if it is no state dict, or of an unknown one.

    The network that the file is named after and :data:`KNOWN` are tried, in this order. The classifier may be absent.
    """
    try:
        shapes = read_shapes(path)
    except PolyheadError:
        return []
    named = [path.stem] if timm.is_model(path.stem) else []
    return [name for name in dict.fromkeys([*named, *KNOWN]) if _fits(shapes, skeleton(name).net)]


def _fits(shapes: dict[str, tuple[int, ...]], net: Any) -> bool:
    """Return whether a file has all tensors of a network, except those of its classifier, and no others."""
    heads = classifier_prefixes(net)
    expected = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    own, other = (
        {name: shape for name, shape in each.items() if not name.startswith(heads) and not name.endswith(COUNTER)}
        for each in (expected, shapes)
    )
    return own == other
