"""Model = backbone -> necks -> {task: head}."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from polyhead.contracts.network import Backbone, Head, HeadFactory, Neck, NeckFactory
from polyhead.errors import PolyheadError, SettingError, suggest
from polyhead.types import Pyramid, Size

APART = "./\\,="
"""What sets names of tasks apart: in parts of a network, paths, columns, and words of the command line."""
TAKEN = ("loss", "keep")
"""Columns of results.csv beside those of tasks."""


class Model(nn.Module):
    """One trunk and any number of named heads.

    The parts are addressed by their module path: ``backbone``, ``neck.0``, ``heads.food``. Heads are made by
    :meth:`build`, when the data has told the class names, so that no class count is ever written twice.

    Args:
        backbone: turns pictures into a pyramid.
        necks: factories, each called with the channels and strides of the pyramid before it.
        head: factory of the head that every task gets, or one factory per task.
        size: height and width of the pictures that the model is made for.
    """

    def __init__(
        self,
        backbone: Backbone,
        necks: Sequence[NeckFactory],
        head: HeadFactory | Mapping[str, HeadFactory],
        size: Size,
    ) -> None:
        super().__init__()
        if min(size) < 1:
            raise SettingError(f"size must be positive, got {min(size)}")
        self.size = size
        self.backbone = backbone
        self.neck = nn.ModuleList()
        channels, strides = backbone.channels, backbone.strides
        for factory in necks:
            neck: Neck = factory(channels, strides)
            channels, strides = neck.channels, neck.strides
            self.neck.append(neck)
        self.channels, self.strides = channels, strides
        self.factory = head
        self.heads = nn.ModuleDict()

    def build(self, tasks: Mapping[str, list[str]]) -> "Model":
        """Add a head for each task (``{name: class names}``) that has none yet; returns the model itself."""
        for task, names in tasks.items():
            if not nameable(task):
                raise PolyheadError(
                    f"a task cannot be called {task!r}: its name must be non-empty, without any of {' '.join(APART)}, "
                    f"and not that of a method of torch's modules, nor {' or '.join(TAKEN)}; rename it in data:"
                )
            if task in self.heads:
                continue
            factory = self.factory
            if isinstance(factory, Mapping):
                if task not in factory:
                    raise PolyheadError(
                        f"the model has no head for task {task!r}, only for {', '.join(factory)}; name it among the "
                        f"model's heads: model.heads.{task}=detect (or segment, or classify)"
                    )
                factory = factory[task]
            self.heads[task] = factory(self.channels, self.strides, names)
        return self

    def trunk(self, inputs: Tensor) -> Pyramid:
        """Backbone and necks on pictures ``[b, 3, h, w]``."""
        pyramid: Pyramid = self.backbone(inputs)
        for neck in self.neck:
            pyramid = neck(pyramid)
        return pyramid

    def features(self, inputs: Mapping[str, Tensor]) -> dict[str, Pyramid]:
        """The pyramid of each task's inputs. Inputs of one shape are concatenated, and the trunk runs once for them.

        So joint training is one forward and one backward pass, and batch norm sees the mixture of all data sets.
        """
        groups: dict[tuple[int, ...], list[str]] = {}
        for task, value in inputs.items():
            groups.setdefault(tuple(value.shape[1:]), []).append(task)
        pyramids: dict[str, Pyramid] = {}
        for tasks in groups.values():
            if len(tasks) == 1:
                pyramids[tasks[0]] = self.trunk(inputs[tasks[0]])
                continue
            joined = self.trunk(torch.cat([inputs[task] for task in tasks]))
            counts = [inputs[task].shape[0] for task in tasks]
            parts = zip(*(torch.split(level, counts) for level in joined.levels), strict=True)
            for task, levels in zip(tasks, parts, strict=True):
                pyramids[task] = Pyramid(list(levels), joined.canvas)
        return {task: pyramids[task] for task in inputs}

    def head(self, task: str) -> Head:
        """The head of a task, or an error that names the nearest one."""
        if task not in self.heads:
            raise PolyheadError(f"the model has no head {task!r}{suggest(task, self.heads)}")
        head = self.heads[task]
        assert isinstance(head, Head)
        return head

    def forward(self, inputs: Tensor) -> dict[str, Any]:
        """All heads on the same pictures: ``{task: Raw}``."""
        pyramid = self.trunk(inputs)
        return {task: head(pyramid) for task, head in self.heads.items()}


def nameable(task: str) -> bool:
    """Whether torch can keep a head under this name, and files, columns and the command line can speak of it."""
    return bool(task) and task not in TAKEN and not set(APART) & set(task) and not hasattr(nn.ModuleDict(), task)
