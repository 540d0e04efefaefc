"""Any ``nn.Module`` as a backbone."""

from typing import Any

import torch
from torch import Tensor, nn

from polyhead.contracts.network import Backbone
from polyhead.errors import PolyheadError
from polyhead.types import Inputs, InputSpec, Pyramid


class Plain(Backbone):
    """A backbone of any module that returns features ``[b, c]``, ``[b, c, t]`` or ``[b, c, h, w]``, or a list of them.

    Channels and strides are those of its output for an example of its inputs. Images (uint8) become float32 in 0..1.

    Args:
        module: the network, without its last layer.
        spec: the inputs: images of :attr:`~polyhead.types.InputSpec.size`, or tensors of the ``shape`` in its ``info``.

    Raises:
        PolyheadError: if the module does not take such inputs, or returns something else.
    """

    def __init__(self, module: nn.Module, spec: InputSpec) -> None:
        super().__init__()
        self.net = module.float()  # a program may have set another default type when it built the network
        example = example_of(spec)
        was_training = module.training
        module.eval()  # one example is no batch for batch norm
        try:
            with torch.no_grad():
                levels = _levels(self.net(_scaled(example)))
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            raise PolyheadError(
                f"backbone {type(module).__name__}: it does not take a batch of inputs {list(example.shape)} ({error})"
            ) from error
        module.train(was_training)
        side = example.shape[-1]
        self.channels = [int(level.shape[1]) for level in levels]
        self.strides = [1 if level.ndim == 2 else max(1, round(side / level.shape[-1])) for level in levels]

    def forward(self, inputs: Inputs) -> Pyramid:
        """Compute the levels of a batch."""
        assert isinstance(inputs, Tensor)
        canvas = (inputs.shape[-2], inputs.shape[-1]) if inputs.ndim == 4 else None
        return Pyramid(_levels(self.net(_scaled(inputs))), canvas)


def example_of(spec: InputSpec) -> Tensor:
    """Return a batch of one input of zeros."""
    if spec.size is not None:
        return torch.zeros(1, 3, *spec.size, dtype=torch.uint8)
    if "shape" not in spec.info:
        raise PolyheadError(
            f"a plain module cannot be a backbone for inputs of {spec.key!r}. Derive it from "
            "polyhead.contracts.network.Backbone."
        )
    dtype = getattr(torch, str(spec.info["dtype"]).removeprefix("torch."))
    return torch.zeros(1, *spec.info["shape"], dtype=dtype)


def _scaled(inputs: Tensor) -> Tensor:
    """Return images in 0..1, and other inputs unchanged."""
    return inputs.float() / 255 if inputs.dtype == torch.uint8 else inputs


def _levels(output: Any) -> list[Tensor]:
    """Return the levels that a module returns.

    Raises:
        ValueError: if it returns something else.
    """
    levels = list(output) if isinstance(output, list | tuple) else [output]
    if not levels or not all(isinstance(level, Tensor) and 2 <= level.ndim <= 4 for level in levels):
        raise ValueError("expected features [b, c], [b, c, t] or [b, c, h, w], or a list of them")
    return levels
