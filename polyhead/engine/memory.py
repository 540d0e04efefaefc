"""Memory of the device that trains: how much is free, how much was used, and what to do when it is full."""

import sys
from pathlib import Path

import torch

MEMINFO = Path("/proc/meminfo")


def device() -> torch.device:
    """Return the device that trainings run on."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def free() -> float:
    """Return the free memory of the device in bytes; infinity where the system does not tell (CPUs without Linux)."""
    if torch.cuda.is_available():
        return float(torch.cuda.mem_get_info()[0])
    lines = MEMINFO.read_text(encoding="utf-8").splitlines() if MEMINFO.is_file() else []
    values = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return 1024.0 * int(values[0]) if values else float("inf")


def peak() -> float:
    """Return the most memory of the device that this process has used, in bytes; 0 where it is unknown (Windows)."""
    return float(torch.cuda.max_memory_reserved()) if torch.cuda.is_available() else peak_of_process() or 0.0


def peak_of_process() -> float | None:
    """Return the most main memory that this process has used, in bytes; None where it is unknown (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    used = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return used if sys.platform == "darwin" else 1024 * used  # bytes on macOS, KiB on Linux


def is_full(error: BaseException) -> bool:
    """Return whether an error means that the memory of the device is full."""
    on_cpu = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return on_cpu or isinstance(error, MemoryError | torch.OutOfMemoryError)
