"""Memory of the device that trains."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from polyhead.engine import memory


@pytest.mark.parametrize(("platform", "unit"), [("linux", 2**10), ("darwin", 2**20)])
def test_the_peak_is_in_bytes_on_every_platform(platform: str, unit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux counts in KiB, macOS in bytes."""
    module = ModuleType("resource")
    monkeypatch.setattr(module, "RUSAGE_SELF", 0, raising=False)
    monkeypatch.setattr(module, "getrusage", lambda _: SimpleNamespace(ru_maxrss=300 * unit), raising=False)
    monkeypatch.setitem(sys.modules, "resource", module)
    monkeypatch.setattr(sys, "platform", platform)
    assert memory.peak_of_process() == 300 * 2**20


def test_the_peak_is_unknown_without_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    assert memory.peak_of_process() is None


def test_free_memory_is_read_where_linux_writes_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    assert memory.free() == float("inf")
    memory.MEMINFO.write_text("MemTotal:  9 kB\nMemAvailable:    2048 kB\n")
    assert memory.free() == 2 * 2**20


def test_errors_of_full_memory_are_recognized() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert memory.is_full(caught.value)
    assert memory.is_full(torch.OutOfMemoryError())
    assert memory.is_full(MemoryError())
    assert not memory.is_full(RuntimeError("shapes cannot be multiplied"))
