"""The layers that a map can be computed at: the levels of the backbone's pyramid, or of the last neck's."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from polyhead.analysis.explain.methods import method_of, normalized
from polyhead.contracts.network import Head
from polyhead.errors import PolyheadError
from polyhead.nets.model import Model
from polyhead.types import Inputs

SUM = "sum"
"""The name of all levels of a part, whose maps are added."""


class Traced(NamedTuple):
    """A forward pass whose gradients can be computed.

    Attributes:
        raw: raw predictions of the head.
        levels: the levels of each part by stride, ``{"backbone": {8: [1, c, h, w], ...}, "neck": ...}``.
    """

    raw: Any
    levels: dict[str, dict[int, Tensor]]


class Layers(NamedTuple):
    """Where a map is computed.

    Attributes:
        part: ``backbone`` or ``neck``: the output of the backbone, or of the last neck.
        strides: the strides of the levels whose maps are added; None for all.
    """

    part: str = "backbone"
    strides: tuple[int, ...] | None = None

    @classmethod
    def parse(cls, text: str) -> "Layers":
        """Return the layers for a name such as ``neck.8``, ``backbone.sum`` or ``backbone``.

        Raises:
            PolyheadError: if it is none.

        Examples:
            >>> Layers.parse("neck.8")
            Layers(part='neck', strides=(8,))
        """
        part, _, which = text.partition(".")
        if part not in ("backbone", "neck") or not (which in ("", SUM) or which.isdecimal()):
            raise PolyheadError(
                f"levels: expected backbone or neck, and a stride or {SUM!r}, such as 'neck.8' or 'backbone.sum', got "
                f"{text!r}"
            )
        return cls(part, (int(which),) if which.isdecimal() else None)

    def __str__(self) -> str:
        """Return the name."""
        return f"{self.part}.{SUM if self.strides is None else self.strides[0]}"


def trace(model: Model, head: Head, inputs: Inputs, task: str) -> Traced:
    """Run a model on one input, such that there are gradients at the backbone's levels and at the neck's.

    The gradient at a level includes what flows through the levels that are computed from it. Frozen parts can be
    explained, too.
    """
    backbone = model.backbone_of(task)
    with torch.enable_grad(), _trainable(backbone):
        pyramid = backbone(inputs)
        # A level that was computed without parameters has no gradient yet.
        levels = [each if each.requires_grad else each.clone().requires_grad_() for each in pyramid.levels]
        pyramid = pyramid._replace(levels=levels)
        for neck in model.neck:  # parts get clones, because some change their input in place
            pyramid = neck(pyramid._replace(levels=[level.clone() for level in pyramid.levels]))
        raw = head(pyramid._replace(levels=[level.clone() for level in pyramid.levels]))
    strides = model.pyramid_spec(task).strides
    return Traced(
        raw,
        {
            "backbone": dict(zip(backbone.strides, levels, strict=True)),
            "neck": dict(zip(strides, pyramid.levels, strict=True)),
        },
    )


@contextmanager
def _trainable(module: nn.Module) -> Iterator[None]:
    """Let all parameters require a gradient, so that the outputs have one, and take that back at the end."""
    frozen = [each for each in module.parameters() if each.is_floating_point() and not each.requires_grad]
    try:
        for parameter in frozen:
            parameter.requires_grad_(True)
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)


class Gradient(NamedTuple):
    """A level of one input with the gradient of a logit.

    Attributes:
        activation: the level, ``[c, h, w]`` or ``[c, t]``.
        gradient: its gradient, of the same shape.
    """

    activation: Tensor
    gradient: Tensor


def gradients(traced: Traced, logit: Tensor, layers: Layers) -> list[Gradient]:
    """Compute the gradients of a logit at the levels of a map, the finest first.

    Args:
        traced: the forward pass.
        logit: what is explained, a scalar.
        layers: where the map is computed.

    Raises:
        PolyheadError: if there is no such level, or the levels have no cells.
    """
    chosen = _chosen(traced.levels[layers.part], layers)
    # A level that the logit does not depend on has a gradient of 0.
    found = torch.autograd.grad(logit, chosen, retain_graph=True, allow_unused=True, materialize_grads=True)
    pairs = zip(chosen, found, strict=True)
    return [Gradient(level[0].detach().float(), gradient[0].float()) for level, gradient in pairs]


def cam(levels: Sequence[Gradient], method: str) -> Tensor:
    """Compute the map of a logit.

    Args:
        levels: the levels with the gradients of the logit.
        method: one of :data:`~polyhead.analysis.explain.methods.METHODS`.

    Returns:
        A map ``[h, w]`` (or ``[t]``) of the finest of the levels, with values in 0..1. The maps of several levels are
        divided by their largest value and added.
    """
    compute = method_of(method)
    maps = [normalized(compute(level.activation, level.gradient)) for level in levels]
    size = maps[0].shape
    return normalized(torch.stack([_resized(each, size) for each in maps]).sum(dim=0))


def _chosen(levels: dict[int, Tensor], layers: Layers) -> list[Tensor]:
    """Return the levels, finest first."""
    wanted = layers.strides or tuple(levels)
    for stride in wanted:
        if stride not in levels:
            raise PolyheadError(
                f"levels: the {layers.part} has no level of stride {stride}. It has {', '.join(map(str, levels))}."
            )
    chosen = [levels[stride] for stride in sorted(wanted)]
    if any(level.ndim < 3 for level in chosen):
        raise PolyheadError(f"levels: the {layers.part} computes vectors without positions, so there is no map of them")
    return chosen


def _resized(values: Tensor, size: torch.Size) -> Tensor:
    """Resize a map linearly."""
    if values.shape == size:
        return values
    mode = "bilinear" if len(size) == 2 else "linear"
    return F.interpolate(values[None, None], size=tuple(size), mode=mode, align_corners=False)[0, 0]
