"""Official weights files of YOLOX: which tensors belong to which part of a model, and which rows to which class."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from polyhead.contracts.class_names import same_classes
from polyhead.contracts.coco_names import COCO_NAMES
from polyhead.contracts.network import Head, HeadFactory
from polyhead.nets.backbones.weights import check_fits, read
from polyhead.nets.heads.dense import Dense
from polyhead.nets.model import Model
from polyhead.types import PyramidSpec, TaskInfo

HEAD = "head."
"""How the names of the tensors of the head begin in the file."""
PREFIXES = {"backbone": "backbone.backbone.", "neck.0": "backbone.", "neck.1.layers": HEAD, "head": HEAD}
"""The same of each part of a model; ``neck.1`` exists where tasks share the convolutions of the head."""
CLASSES = "head.cls_preds."
"""How the names of the class outputs begin, whose rows are the classes."""


class Official(NamedTuple):
    """The content of a weights file, and the classes that it predicts; none if it does not say which."""

    path: Path
    state: Mapping[str, Tensor]
    names: Sequence[str]


def read_official(path: Path) -> Official:
    """Read a weights file, ``.pth`` or safetensors.

    Raises:
        PolyheadError: if it cannot be read as weights.
    """
    state, _ = read(path)
    classes = {len(value) for name, value in state.items() if name.startswith(CLASSES) and value.ndim}
    return Official(path, state, COCO_NAMES if classes == {len(COCO_NAMES)} else [])


def fill_trunk(model: Model, head: HeadFactory, official: Official, network: str) -> None:
    """Load backbone and necks.

    Args:
        model: the model.
        head: builds its heads; one is built to check that those of the file fit.
        official: the weights.
        network: name of the network, for the error message.

    Raises:
        PolyheadError: if a tensor of the file is missing, unexpected or of another shape.
    """
    rows = official.state.get(f"{CLASSES}0.bias", torch.zeros(len(COCO_NAMES)))
    with torch.device("meta"):
        example = head(model.pyramid_spec(), TaskInfo([str(row) for row in range(rows.numel())]))
    trunk = ["backbone", "neck.0", "neck.1.layers"][: 1 + len(model.neck)]
    parts = {**{name: model.get_submodule(name) for name in trunk}, "head": _tower(example)}
    expected = {
        f"{PREFIXES[name]}{key}": value for name, part in parts.items() for key, value in part.state_dict().items()
    }
    check_fits(official.state, expected, official.path, network, "the names of the official files")
    for name in trunk:
        parts[name].load_state_dict({key: official.state[f"{PREFIXES[name]}{key}"] for key in parts[name].state_dict()})


def head_from(factory: HeadFactory, official: Official, spec: PyramidSpec, info: TaskInfo) -> Head:
    """Build a head that starts from a file: its layers, and the rows of the classes that the file predicts too."""
    head = factory(spec, info)
    tower = _tower(head)
    rows = torch.tensor(same_classes(info.names, official.names))  # [c], -1 for a class that the file does not have
    state = tower.state_dict()
    for key, value in state.items():
        stored = official.state[f"{HEAD}{key}"]
        if f"{HEAD}{key}".startswith(CLASSES):
            value[rows >= 0] = stored[rows[rows >= 0]]  # [c, width, 1, 1] or [c]
        else:
            value.copy_(stored)
    head.known = [name for name, row in zip(info.names, rows.tolist(), strict=True) if row >= 0]
    return head


def _tower(head: nn.Module) -> nn.Module:
    """Return the layers of a head."""
    assert isinstance(head, Dense)
    return head.tower
