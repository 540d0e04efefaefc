"""How numbers are kept: the fastest precision that the hardware really has, and channels-last."""

import torch

from polyhead.errors import PolyheadError, suggest

KNOWN = ("32-true", "bf16-mixed", "16-mixed")


def resolve(precision: str) -> str:
    """Lightning's name of a precision; ``auto`` takes what the hardware computes natively.

    That is bf16 on CPUs with AVX512-BF16 or AMX and on GPUs from compute capability 8.0, fp16 with loss scaling on
    older GPUs, and float32 elsewhere. Anchors, box coding, matching and losses are float32 in every case.
    """
    if precision != "auto":
        if precision not in KNOWN:
            raise PolyheadError(f"precision: unknown name {precision!r}{suggest(precision, (*KNOWN, 'auto'))}")
        return precision
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.get_device_capability() >= (8, 0) else "16-mixed"
    capabilities = torch.cpu.get_capabilities()
    native = any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))
    return "bf16-mixed" if native else "32-true"
