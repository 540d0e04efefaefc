"""The model: backbone -> necks -> {task: head}."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import nn

from polyhead.contracts.network import Backbone, BackboneFactory, Head, HeadFactory, Neck, NeckFactory
from polyhead.errors import PolyheadError, SettingError, suggest
from polyhead.nets.backbones.plain import Plain
from polyhead.nets.inputs import count, join, shapes
from polyhead.nets.pyramids import split
from polyhead.types import Inputs, InputSpec, Pyramid, PyramidSpec, Size, TaskInfo

SEPARATORS = "./\\,="
"""Characters that a task name cannot contain: they separate names in module paths, files and command line arguments."""
RESERVED = ("loss", "continual")
"""Names of columns in results.csv that are not tasks."""
OTHERS = "*"
"""Stands for all tasks that the heads of a model do not name."""
ONLY = ""
"""The key of the backbone of a model that has a single one, whatever its tasks read."""


class Model(nn.Module):
    """A trunk (backbone and necks) with any number of named heads.

    Its parts have the module paths ``backbone``, ``neck.0``, ``heads.food``, and so on; where tasks read different
    inputs, such as images and text, each has its own backbone: ``backbone.image``, ``backbone.text``. What depends on
    the data, heads and backbones that are given as factories, is added by :meth:`build`, so that no recipe states a
    number of classes or words.

    Args:
        backbone: computes a pyramid from inputs: a module, the factory of one, or one of these for each key
            (:class:`~polyhead.types.InputSpec`). A module that is no ``Backbone`` returns its features
            (:class:`~polyhead.nets.backbones.plain.Plain`).
        necks: factories of the necks, each called with the shape of the pyramid before it; all backbones share them.
        head: one factory for the heads of all tasks, or one factory per task (``"*"``: of all other tasks).
        size: height and width of the images that the model is made for; None for other inputs.
    """

    backbone: Backbone | nn.ModuleDict

    def __init__(
        self,
        backbone: nn.Module | Mapping[str, nn.Module | BackboneFactory] | BackboneFactory,
        necks: Sequence[NeckFactory],
        head: Mapping[str, HeadFactory] | HeadFactory,  # jsonargparse tries the types in this order
        size: Size | None = None,
    ) -> None:
        super().__init__()
        if size is not None and min(size) < 1:
            raise SettingError(f"size must be positive, got {min(size)}")
        self.size = size
        self.has_one_backbone = not isinstance(backbone, Mapping)
        # Parts keep this order, in which optimizers and sums over all parameters take them, when they are built late.
        self.register_module("backbone", None if self.has_one_backbone else nn.ModuleDict())
        self.neck = nn.ModuleList()
        self.heads = nn.ModuleDict()
        self.backbone_factories: dict[str, BackboneFactory] = {}
        self.neck_factories = list(necks)
        self.head_factories = head if isinstance(head, Mapping) else {OTHERS: head}
        for factory in self.head_factories.values():
            _check_factory(factory)
        self.inputs: dict[str, InputSpec] = {}  # of each task
        self.neck_input: PyramidSpec | None = None
        self.pyramids: dict[str, PyramidSpec] = {}  # what heads get, by the key of the backbone
        for key, part in backbone.items() if isinstance(backbone, Mapping) else [(ONLY, backbone)]:
            _check_backbone(part)
            if isinstance(part, Backbone):
                self._add_backbone(key, part)
            else:
                self.backbone_factories[key] = partial(Plain, part) if isinstance(part, nn.Module) else part

    def build(self, tasks: Mapping[str, TaskInfo], inputs: Mapping[str, InputSpec] | None = None) -> "Model":
        """Add the parts that are missing, with a head for each task, and return the model itself.

        Args:
            tasks: what is known of the data of each task.
            inputs: what each task reads; images of the model's size where it is not given.

        Raises:
            PolyheadError: if a task name is not allowed, or there is no factory of a head or backbone for a task.
        """
        self.build_trunk(tasks, inputs)
        for task, info in tasks.items():
            if task in self.heads:
                continue
            factory = self.head_factories.get(task) or self.head_factories.get(OTHERS)
            if factory is None:
                known = ", ".join(self.head_factories)
                raise PolyheadError(
                    f"the model has no head for task {task!r}, only for {known}. Add it to the model's heads: "
                    f"model.heads.{task}=detect (or segment, or classify)."
                )
            self.heads[task] = factory(self.pyramid_spec(task), info)
        return self

    def build_trunk(self, tasks: Iterable[str], inputs: Mapping[str, InputSpec] | None = None) -> None:
        """Add the backbones that the tasks need, and the necks; arguments and errors are those of :meth:`build`."""
        for task in tasks:
            if not is_valid_task_name(task):
                raise PolyheadError(
                    f"{task!r} is not a valid task name: expected a non-empty, printable name without any of "
                    f"{' '.join(SEPARATORS)} that is neither a method of torch's modules nor "
                    f"{' or '.join(RESERVED)}. Rename the task in data:."
                )
            self.inputs[task] = (inputs or {}).get(task, InputSpec(size=self.size))
        for key, spec in self._needed().items():
            if key not in self.pyramids:
                self._add_backbone(key, self.backbone_factories[key](spec))

    def _needed(self) -> dict[str, InputSpec]:
        """Return the input of each backbone that the tasks need, in the order of the backbones.

        Raises:
            PolyheadError: if there is none for a task, or tasks with different inputs would share one.
        """
        needed = {ONLY: InputSpec(size=self.size)} if self.has_one_backbone and not self.inputs else {}
        for task, spec in self.inputs.items():
            key = self.input_key(task)
            if key not in self.pyramids and key not in self.backbone_factories:
                known = ", ".join([*self.pyramids, *self.backbone_factories])
                raise PolyheadError(
                    f"the model has no backbone for the inputs of task {task!r} ({key}), only for {known}. Add it to "
                    f"the model's backbones: model.backbone.{key}."
                )
            if needed.setdefault(key, spec) != spec:
                other = next(name for name, its in self.inputs.items() if its == needed[key])
                raise PolyheadError(
                    f"tasks {other!r} and {task!r} read different inputs ({needed[key].key} and {spec.key}), but would "
                    "share a backbone. Give the model a backbone for each input: backbone: {image: ..., text: ...}."
                )
        return {key: needed[key] for key in [*self.pyramids, *self.backbone_factories] if key in needed}

    def _add_backbone(self, key: str, backbone: Backbone) -> None:
        """Register a backbone, and build the necks if it is the first one.

        Raises:
            PolyheadError: if there are necks that were built for a pyramid of another shape.
        """
        if isinstance(self.backbone, nn.ModuleDict):
            self.backbone[key] = backbone
        else:
            self.backbone = backbone
        spec = PyramidSpec(list(backbone.channels), list(backbone.strides))
        if self.neck and spec != self.neck_input:
            raise PolyheadError(
                f"the backbones do not fit the same necks: that of {key!r} has {spec}, another one {self.neck_input}. "
                "Give them the same channels and strides, or use a model without necks."
            )
        if self.neck:
            spec = next(iter(self.pyramids.values()))
        else:
            self.neck_input = spec
            for factory in self.neck_factories:
                neck: Neck = factory(spec)
                spec = PyramidSpec(neck.channels, neck.strides)
                self.neck.append(neck)
        self.pyramids[key] = spec

    def input_key(self, task: str | None = None) -> str:
        """Return the key of the backbone that a task uses.

        Args:
            task: name of the task; it may be left out where the model has one backbone for all tasks.

        Raises:
            PolyheadError: if the model has several backbones and no such task.
        """
        if self.has_one_backbone:
            return ONLY
        if task not in self.inputs:
            raise PolyheadError(f"the model has no task {task!r}{suggest(str(task), self.inputs)}")
        return self.inputs[task].key

    def _built_key(self, task: str | None) -> str:
        """Return the key of the backbone that a task uses, after a check that it has been built."""
        key = self.input_key(task)
        if key not in self.pyramids:
            raise PolyheadError("the model has no backbone yet. Call its method build first.")
        return key

    def pyramid_spec(self, task: str | None = None) -> PyramidSpec:
        """Return channels and strides of the pyramid that the head of a task reads; see :meth:`input_key`."""
        return self.pyramids[self._built_key(task)]

    def backbone_of(self, task: str | None = None) -> Backbone:
        """Return the backbone of a task; see :meth:`input_key`."""
        key = self._built_key(task)
        found = self.backbone[key] if isinstance(self.backbone, nn.ModuleDict) else self.backbone
        assert isinstance(found, Backbone)
        return found

    def trunk(self, inputs: Inputs, task: str | None = None) -> Pyramid:
        """Run the backbone of a task and the necks on its inputs; see :meth:`input_key`."""
        pyramid: Pyramid = self.backbone_of(task)(inputs)
        for neck in self.neck:
            pyramid = neck(pyramid)
        return pyramid

    def features(self, inputs: Mapping[str, Inputs]) -> dict[str, Pyramid]:
        """Compute the pyramid of each task's inputs.

        Inputs of the same backbone and shape are concatenated, and the trunk runs once on them. Joint training is
        therefore one forward and one backward pass, and batch norm sees the mixture of all data sets.

        Args:
            inputs: ``{task: images [b, 3, h, w]}``, or what else the task's backbone reads.
        """
        groups: dict[object, list[str]] = {}
        for task, value in inputs.items():
            groups.setdefault((self.input_key(task), shapes(value)), []).append(task)
        pyramids: dict[str, Pyramid] = {}
        for tasks in groups.values():
            if len(tasks) == 1:
                pyramids[tasks[0]] = self.trunk(inputs[tasks[0]], tasks[0])
                continue
            joined = self.trunk(join([inputs[task] for task in tasks]), tasks[0])  # levels: [sum of b, c, h_i, w_i]
            parts = split(joined, [count(inputs[task]) for task in tasks])
            pyramids |= zip(tasks, parts, strict=True)
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

    def forward(self, inputs: Inputs) -> dict[str, Any]:
        """Run all heads of a model with one backbone on the same inputs and return ``{task: raw predictions}``."""
        pyramid = self.trunk(inputs)
        return {task: head(pyramid) for task, head in self.heads.items()}


def _check_backbone(part: Any) -> None:
    """Check that a plain network is given as an object: only a backbone can be built from the shape of its inputs.

    Raises:
        PolyheadError: if its class is given.
    """
    if isinstance(part, type) and issubclass(part, nn.Module) and not issubclass(part, Backbone):
        raise PolyheadError(f"backbone: expected a network, got its class. Create one: {part.__name__}(...).")


def _check_factory(head: Any) -> None:
    """Check that a head is given by what builds it.

    Raises:
        PolyheadError: if it is a name, or is built already.
    """
    if isinstance(head, nn.Module) or not callable(head):
        got = f"an object of {type(head).__name__}" if isinstance(head, nn.Module) else repr(head)
        raise PolyheadError(
            f"head: expected a class of heads, such as polyhead.Classify, or a function that builds one, got {got}. It "
            "is built when the data is known."
        )


def is_valid_task_name(task: str) -> bool:
    """Return whether a name can be used for a module, for files, for columns and on the command line."""
    usable = bool(task) and task.isprintable() and not set(SEPARATORS) & set(task)
    return usable and task not in RESERVED and not hasattr(nn.ModuleDict(), task)
