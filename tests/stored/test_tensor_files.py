"""Files of tensors: damage is found, whatever it hit, and no code is run."""

import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from polyhead.stored import tensor_files
from polyhead.stored.tensor_files import CHECKSUM, DamagedError, check_checksum, check_tensors, checksum


def content() -> dict[str, Any]:
    tensors = {
        "w": torch.arange(6.0).reshape(2, 3),
        "count": torch.tensor(3),
        "b": torch.zeros(2, dtype=torch.bfloat16),
    }
    return {"state": tensors, "more": [1, 0.5, "text", None, (True,)], "none": torch.zeros(0)}


def test_every_flipped_bit_is_found_or_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save(content(), path)
    data, draw, expected, found = path.read_bytes(), random.Random(0), checksum(content()), 0
    for _ in range(300):
        damaged = bytearray(data)
        damaged[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            assert checksum(tensor_files.read(path)) == expected
        except DamagedError:
            found += 1
    assert found > 50


def test_compressed_records_are_refused(tmp_path: Path) -> None:
    """A few bytes could fill the memory."""
    torch.save(content(), tmp_path / "a.pt")
    with (
        zipfile.ZipFile(tmp_path / "a.pt") as old,
        zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(DamagedError, match="compressed"):
        tensor_files.read(tmp_path / "b.pt")


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state["w"].add_(1),
        lambda state: state.update(w=state["w"].double()),
        lambda state: state.update(w=state["w"].reshape(3, 2)),
        lambda state: state.update(v=state.pop("w")),
        lambda state: state.pop("count"),
        lambda state: state.update(count=4),
    ],
)
def test_the_checksum_finds_every_change(change: Callable[[dict[str, Any]], Any]) -> None:
    state = content()["state"]
    stored = {CHECKSUM: checksum(state)}
    check_checksum(stored, state)
    check_checksum({}, state)  # of an older version
    change(state)
    with pytest.raises(DamagedError, match="the checksum of its tensors is wrong"):
        check_checksum(stored, state)


def test_the_checksum_does_not_depend_on_the_layout_in_memory() -> None:
    images = torch.rand(2, 3, 4, 5)
    assert checksum([images]) == checksum([images.to(memory_format=torch.channels_last)])


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("x", "is not a tensor"),
        (torch.zeros(2, 2).to_sparse(), "is not a plain tensor"),
        (torch.empty(2, device="meta"), "is not a plain tensor"),
        (torch.zeros(1).expand(10**9), "is larger than its data"),
    ],
)
def test_other_tensors_are_refused(value: Any, what: str) -> None:
    check_tensors(content()["state"])
    with pytest.raises(DamagedError, match=f"w {what}"):
        check_tensors({"w": value})


def test_deep_nesting_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(DamagedError, match="nested too deeply"):
        checksum(deep)


@pytest.mark.parametrize("value", [torch.eye(2).to_sparse(), torch.zeros(2, device="meta")], ids=["sparse", "meta"])
def test_a_tensor_without_values_in_order_is_damage(value: torch.Tensor) -> None:
    with pytest.raises(DamagedError, match="it holds a tensor that is not a plain one"):
        checksum({"state": [value]})
