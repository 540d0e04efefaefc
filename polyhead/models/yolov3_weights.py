"""Darknet files of YOLOv3: the order of its convolutions, and heads that start from a file of other classes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from polyhead.contracts.class_names import same_classes
from polyhead.contracts.coco_names import COCO_NAMES
from polyhead.contracts.network import Head, HeadFactory
from polyhead.nets.darknet import DarknetConv
from polyhead.nets.darknet_files import Layer, Values, fill, write_values
from polyhead.nets.heads.dense import Dense
from polyhead.nets.heads.yolo_tower import CODES, YoloTower
from polyhead.nets.model import Model
from polyhead.types import PyramidSpec, TaskInfo


def write_darknet(model: Model, path: Path, task: str | None = None, seen: int = 0) -> None:
    """Write a YOLOv3 network as a Darknet file.

    Args:
        model: a model of ``yolov3`` or ``yolov3_tiny`` without another backbone.
        path: the file.
        task: the task whose head is written; None writes a partial file of the backbone.
        seen: number of images that it was trained on.
    """
    layers = _backbone_layers(model) if task is None else _layers(model, _tower(model.head(task)))
    write_values(path, layers, seen)


def fill_model(model: Model, head: HeadFactory, values: Values, network: str) -> Head | None:
    """Load a Darknet file into backbone and neck.

    Args:
        model: the model, without heads.
        head: builds its heads.
        values: the content of the file.
        network: name of the network, for error messages.

    Returns:
        A head with the values of the file, for the number of classes that it has; None where the file ends before.

    Raises:
        PolyheadError: if the file is of another network.
    """
    found = head(model.pyramid_spec(), _numbered(_classes_in(model, head, values)))
    layers = _layers(model, _tower(found))
    return found if fill(layers, values, network) == len(layers) else None


def head_from(factory: HeadFactory, source: Head, spec: PyramidSpec, info: TaskInfo) -> Head:
    """Build a head that starts from another one with COCO's classes: its layers, and the rows of the same classes."""
    head = factory(spec, info)
    names = COCO_NAMES if len(source.names) == len(COCO_NAMES) else []
    rows = torch.tensor(same_classes(info.names, names))  # [c], -1 for a class that the source does not have
    tower, other = _tower(head), _tower(source)
    tower.convs.load_state_dict(other.convs.state_dict())
    for own, given in zip(tower.last.parameters(), other.last.parameters(), strict=True):
        with torch.no_grad():
            mine = own.view(-1, tower.outputs, *own.shape[1:])  # [priors, 5 + c, ...]
            theirs = given.view(-1, other.outputs, *given.shape[1:])
            mine[:, :CODES] = theirs[:, :CODES]
            mine[:, CODES:][:, rows >= 0] = theirs[:, CODES:][:, rows[rows >= 0]]
    head.known = [name for name, row in zip(info.names, rows.tolist(), strict=True) if row >= 0]
    return head


def _classes_in(model: Model, head: HeadFactory, values: Values) -> int:
    """Return the number of classes of a file, from its length; COCO's where that is not one of a full file."""
    with torch.device("meta"):
        one, two = (head(model.pyramid_spec(), _numbered(count)) for count in (1, 2))
    first, second = (sum(layer.size for layer in _layers(model, _tower(each))) for each in (one, two))
    more, rest = divmod(values.numbers.numel() - first, second - first)
    return 1 + more if rest == 0 and more >= 0 else len(COCO_NAMES)


def _numbered(classes: int) -> TaskInfo:
    return TaskInfo([str(label) for label in range(classes)])


def _layers(model: Model, tower: YoloTower) -> list[Layer]:
    """Return all convolutions in the order of the files: the backbone, then each level from the coarsest.

    A level has its convolutions of the neck, those of the head, and the path to the next finer level.
    """
    neck: Any = model.get_submodule("neck.0")
    layers = _backbone_layers(model)
    for level in reversed(range(len(neck.blocks))):
        layers += [*_convs(neck.blocks[level]), *_convs(tower.convs[level])]
        last = tower.last[level]
        assert isinstance(last, nn.Conv2d)
        layers.append(Layer(last, None))
        layers += _convs(neck.paths[level - 1]) if level else []
    return layers


def _backbone_layers(model: Model) -> list[Layer]:
    return [*_convs(model.get_submodule("backbone"))]


def _convs(module: nn.Module) -> Iterator[Layer]:
    """Yield the convolutions of a module in the order in which they were added, which is that of their computation."""
    return (Layer(each.conv, each.norm) for each in module.modules() if isinstance(each, DarknetConv))


def _tower(head: Head) -> YoloTower:
    """Return the layers of a head."""
    assert isinstance(head, Dense)
    assert isinstance(head.tower, YoloTower)
    return head.tower
