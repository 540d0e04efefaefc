"""The model: backbone -> necks -> {task: head}."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from polyhead.contracts.network import Backbone, Head, HeadFactory, Neck, NeckFactory
from polyhead.errors import PolyheadError, SettingError, suggest
from polyhead.types import Pyramid, Size

SEPARATORS = "./\\,="
"""Characters that a task name cannot contain: they separate names in module paths, files and command line arguments."""
RESERVED = ("loss", "continual")
"""Names of columns in results.csv that are not tasks."""


class Model(nn.Module):
    """A trunk (backbone and necks) with any number of named heads.

    Its parts have the module paths ``backbone``, ``neck.0``, ``heads.food``, and so on. Heads are added by
    :meth:`build` when the class names are known from the data, so that no recipe states a number of classes.

    Args:
        backbone: computes a pyramid from images.
        necks: factories of the necks, each called with the channels and strides of the pyramid before it.
        head: one factory for the heads of all tasks, or one factory per task.
        size: height and width of the images that the model is made for.
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
        """Add a head for each task (``{name: class names}``) that has none yet, and return the model itself.

        Raises:
            PolyheadError: if a task name is not allowed or there is no factory for a task.
        """
        for task, names in tasks.items():
            if not is_valid_task_name(task):
                raise PolyheadError(
                    f"{task!r} is not a valid task name: expected a non-empty name without any of "
                    f"{' '.join(SEPARATORS)} that is neither a method of torch's modules nor "
                    f"{' or '.join(RESERVED)}. Rename the task in data:."
                )
            if task in self.heads:
                continue
            factory = self.factory
            if isinstance(factory, Mapping):
                if task not in factory:
                    raise PolyheadError(
                        f"the model has no head for task {task!r}, only for {', '.join(factory)}. Add it to the "
                        f"model's heads: model.heads.{task}=detect (or segment, or classify)."
                    )
                factory = factory[task]
            self.heads[task] = factory(self.channels, self.strides, names)
        return self

    def trunk(self, inputs: Tensor) -> Pyramid:
        """Run backbone and necks on images ``[b, 3, h, w]``."""
        pyramid: Pyramid = self.backbone(inputs)
        for neck in self.neck:
            pyramid = neck(pyramid)
        return pyramid

    def features(self, inputs: Mapping[str, Tensor]) -> dict[str, Pyramid]:
        """Compute the pyramid of each task's inputs.

        Inputs of the same shape are concatenated, and the trunk runs once on them. Joint training is therefore one
        forward and one backward pass, and batch norm sees the mixture of all data sets.

        Args:
            inputs: ``{task: images [b, 3, h, w]}``.
        """
        groups: dict[tuple[int, ...], list[str]] = {}
        for task, value in inputs.items():
            groups.setdefault(tuple(value.shape[1:]), []).append(task)
        pyramids: dict[str, Pyramid] = {}
        for tasks in groups.values():
            if len(tasks) == 1:
                pyramids[tasks[0]] = self.trunk(inputs[tasks[0]])
                continue
            joined = self.trunk(torch.cat([inputs[task] for task in tasks]))  # levels: [sum of b, c, h_i, w_i]
            counts = [inputs[task].shape[0] for task in tasks]
            parts = zip(
                *(torch.split(level, counts) for level in joined.levels), strict=True
            )  # the levels of each task
            for task, levels in zip(tasks, parts, strict=True):
                pyramids[task] = Pyramid(list(levels), joined.canvas)
        return {task: pyramids[task] for task in inputs}

    def head(self, task: str) -> Head:
        """Return the head of a task.

        Raises:
            PolyheadError: if there is none; the message suggests the nearest name.
        """
        if task not in self.heads:
            raise PolyheadError(f"the model has no head {task!r}{suggest(task, self.heads)}")
        head = self.heads[task]
        assert isinstance(head, Head)
        return head

    def forward(self, inputs: Tensor) -> dict[str, Any]:
        """Run all heads on the same images and return ``{task: raw predictions}``."""
        pyramid = self.trunk(inputs)
        return {task: head(pyramid) for task, head in self.heads.items()}


def is_valid_task_name(task: str) -> bool:
    """Return whether a name can be used for a module, for files, for columns and on the command line."""
    return (
        bool(task) and task not in RESERVED and not set(SEPARATORS) & set(task) and not hasattr(nn.ModuleDict(), task)
    )
