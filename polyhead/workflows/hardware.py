"""The machine that a run was trained on, for its manifest."""

import platform
from pathlib import Path
from typing import Any

import torch


def hardware() -> dict[str, Any]:
    """Return the system, the processor, the threads of torch and the GPU (None without one)."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"machine": platform.platform(), "cpu": _cpu(), "threads": torch.get_num_threads(), "gpu": gpu}


def _cpu() -> str:
    """Return the name of the processor from Linux, else from Python."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
