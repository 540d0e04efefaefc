"""Numerical precision: choose the fastest one for the hardware, and avoid bfloat16 where it is slower than float32."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn

from polyhead.errors import PolyheadError, suggest
from polyhead.stored.run_files import PRECISIONS


def resolve(precision: str) -> str:
    """Return Lightning's name of a precision; ``auto`` selects the fastest that the hardware supports natively.

    ``auto`` is bf16 on CPUs with AVX512-BF16 or AMX and on GPUs of compute capability 8.0 or higher, fp16 with loss
    scaling on older GPUs, and float32 elsewhere. Without a GPU, ``16-mixed`` becomes ``bf16-mixed``, as in Lightning.
    Anchors, box coding, matching and losses are float32 in every case.

    Raises:
        PolyheadError: if the name is unknown.
    """
    if precision != "auto":
        if precision not in PRECISIONS:
            raise PolyheadError(f"precision: unknown name {precision!r}{suggest(precision, PRECISIONS)}")
        return "bf16-mixed" if precision == "16-mixed" and not torch.cuda.is_available() else precision
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.get_device_capability() >= (8, 0) else "16-mixed"
    capabilities = torch.cpu.get_capabilities()
    native = any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))
    return "bf16-mixed" if native else "32-true"


def autocast(precision: str, device: torch.device | str) -> torch.autocast:
    """Return the autocast context for inference in a precision (see :func:`resolve`); disabled for ``32-true``."""
    name, kind = resolve(precision), torch.device(device).type
    dtype = torch.float16 if name == "16-mixed" else torch.bfloat16
    return torch.autocast(kind, dtype, enabled=name != "32-true")


@contextmanager
def standard_defaults() -> Iterator[None]:
    """Make new tensors float32 and on the CPU within the block, whatever defaults of torch a program has set."""
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    torch.set_default_dtype(torch.float32)
    try:
        # The context of a device slows down every call of torch, so it is entered only where it changes something.
        with nullcontext() if device.type == "cpu" else torch.device("cpu"):
            yield
    finally:
        torch.set_default_dtype(dtype)


def depthwise_in_float32(model: nn.Module) -> None:
    """Make slow depthwise convolutions train in float32 under CPU autocast.

    On CPUs the backward pass of a depthwise convolution in bfloat16 is up to fourteen times slower than in float32 if
    its stride is above 1 or its kernel above 3. That is enough to make EfficientNet train slower in bfloat16 than in
    float32. Without gradients nothing changes, because the forward pass is faster in bfloat16.
    """
    for conv in model.modules():
        if isinstance(conv, nn.Conv2d) and 1 < conv.in_channels == conv.groups and _slow(conv):
            conv.forward = partial(_forward, conv, conv.forward)  # type: ignore[method-assign]  # of this layer only


def _slow(conv: nn.Conv2d) -> bool:
    return max(conv.stride) > 1 or max(conv.kernel_size) > 3


def _forward(conv: nn.Conv2d, forward: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    needs_grad = torch.is_grad_enabled() and (inputs.requires_grad or conv.weight.requires_grad)
    if needs_grad and inputs.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            return forward(inputs.float())
    return forward(inputs)
